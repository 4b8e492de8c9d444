"""pip-audit on the locked dependencies. Where its service cannot be reached, that is said, and nothing fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"),
    *("--progress-spinner", "off", "--format", "json"),
)
UNREACHED = re.compile(
    r"^requests\.exceptions\.(?:Connect|Connection|Proxy|SSL|Read)(?:Error|Timeout)\b.*"  # it does not catch all itself
    r"|^.*(?:Could not connect to|is not redirecting properly).*",
    re.MULTILINE,
)


def judge(answer: str, complaint: str, ended: int) -> tuple[list[str], int]:
    """Lines to print and the exit code, for what pip-audit printed, what it complained of, and how it ended."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        unreached = UNREACHED.findall(complaint)
        if ended and unreached:
            return [f"skipped: the service of known faults could not be reached: {unreached[-1].strip()}"], 0
        return [complaint.strip(), f"pip-audit failed: it ended with {ended} and told nothing of any package"], 1
    asked = [package for package in packages if "vulns" in package]
    if packages and not asked and not ended:
        reason = packages[0].get("skip_reason", "")
        return [f"skipped: the service that was reached knows none of the packages: {reason}"], 0
    faults = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for package in asked
        for fault in package["vulns"]
    ]
    passed = [
        f"{package['name']}: not asked about: {package['skip_reason']}" for package in packages if package not in asked
    ]
    told = f"{len(asked)} of {len(packages)} packages asked about, {len(faults)} known faults"
    return [*passed, *faults, told], int(not asked or bool(faults) or bool(ended))


def main(command: Sequence[str] = COMMAND) -> int:
    """Ask, and print what came of it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        print("skipped: the service of known faults did not answer in ten minutes")
        return 0
    lines, code = judge(done.stdout, done.stderr, done.returncode)
    print("\n".join(filter(None, lines)))
    return code


if __name__ == "__main__":
    sys.exit(main())
