"""The licence of everything that is installed for the app to run, by what each package says of itself."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

PROJECT = "expectancy-explorer"


def needed(name: str = PROJECT) -> dict[str, Distribution]:
    """What a package needs here, and what that needs, by its normal name, with the extras that are asked for."""
    found: dict[str, Distribution] = {}
    met: set[tuple[str, str]] = set()
    left = [(name, "")]
    while left:
        name, extra = left.pop()
        name = re.sub(r"[-_.]+", "-", name).lower()
        if (name, extra) in met:
            continue
        met.add((name, extra))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another system
            continue
        for one in map(Requirement, found[name].requires or ()):
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                left += [(one.name, extra) for extra in ("", *one.extras)]
    return found


def licence(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the first line of the text."""
    about = package.metadata
    classes = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License")]
    text = (about.get("License") or "").strip()
    if all(".dist-info" in str(file) for file in package.files or ()):
        return "none: it only names others"
    return about.get("License-Expression") or ", ".join(classes) or text.split("\n")[0][:80] or "unknown"


def main() -> int:
    """Print the table; exit code 1 where a package does not say."""
    table = {name: (package.version, licence(package)) for name, package in sorted(needed().items()) if name != PROJECT}
    for name, (version, said) in table.items():
        print(f"{name:28} {version:16} {said}")
    return int(any(said == "unknown" for _, said in table.values()))


if __name__ == "__main__":
    sys.exit(main())
