"""The licences of what is locked, by what each package says of itself where it is installed here.

Whatever is not surely free to be given on fails. NVIDIA's libraries, which PyTorch brings along, are under NVIDIA's own
terms: they pass, and are told as such.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = "expectancy-explorer"
LOCK = Path(__file__).with_name("requirements.lock")
NAMES_OTHERS = "none: it only names others"
FREE = re.compile(
    r"(?:\d-Clause )?(?:0?BSD|Apache|BSL-1\.0|CC0|HPND|ISC|MIT|MPL|Mozilla Public License|PSF|Unlicense|Zlib)\b"
    rf"|Python Software Foundation|{NAMES_OTHERS}"
)
NOT_FREE = re.compile(r"GPL|General Public|commercial|proprietary|nvidia", re.IGNORECASE)
OWN = re.compile(r"proprietary|nvidia", re.IGNORECASE)


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name: str = PROJECT) -> dict[str, Distribution]:
    """What a package needs here, and what that needs, by its normal name, with the extras that are asked for."""
    found: dict[str, Distribution] = {}
    met: set[tuple[str, str]] = set()
    left = [(name, "")]
    while left:
        name, extra = left.pop()
        name = normal(name)
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


def locked(lock: Path) -> dict[str, str]:
    """The locked version of everything that is to be installed on a system like this one, by its normal name."""
    pins = map(Requirement, re.findall(r"^([\w.-]+==[^\\\n]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    return {
        normal(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def licence(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the first line of the text."""
    about = package.metadata
    classes = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License")]
    text = (about.get("License") or "").strip()
    if package.files and all(".dist-info" in str(file) for file in package.files):
        return NAMES_OTHERS
    return about.get("License-Expression") or ", ".join(classes) or text.split("\n")[0][:80] or "unknown"


def free(said: str) -> bool:
    """Whether all parts of a licence are known and let a package be given on; of an OR one side is enough."""
    return all(
        any(FREE.match(side.strip(" ()")) and not NOT_FREE.search(side) for side in part.split(" OR "))
        for part in re.split(r", | AND ", said)
    )


def judge(name: str, said: str) -> str:
    """A remark on a licence: "" where there is nothing to mind, "NVIDIA's own terms", or "NOT FREE"."""
    if free(said):
        return ""
    return "NVIDIA's own terms" if name.startswith("nvidia-") and OWN.search(said) else "NOT FREE"


def main(lock: Path = LOCK) -> int:
    """Print the table; exit code 1 where something is not free, says nothing, or is locked and not installed here."""
    pins, judged = locked(lock), []
    for name in sorted({*pins, *needed()} - {PROJECT}):
        try:
            package = distribution(name)
        except PackageNotFoundError:
            version, said = "", "unknown: it is locked, but not installed here"
        else:
            version, said = package.version, licence(package)
        judged.append(judge(name, said))
        other = "" if version == pins.get(name) else f"locked: {pins.get(name, 'not at all')}"
        print(f"{name:28} {version:16} {'; '.join(filter(None, (said, judged[-1], other)))}")
    own, refused = judged.count("NVIDIA's own terms"), judged.count("NOT FREE")
    print(f"{len(judged)} packages, {own} under NVIDIA's own terms (mind them), {refused} not known to be free")
    return int(refused > 0)


if __name__ == "__main__":
    sys.exit(main())
