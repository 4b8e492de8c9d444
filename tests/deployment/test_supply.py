"""What the project is built on: locked with hashes, licensed, and asked about."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.server import ROOT

LICENCES = runpy.run_path(str(ROOT / ".ci" / "licences.py"))
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))


def locked() -> dict[str, list[tuple[Requirement, int]]]:
    """Every locked package: its pins (one for each range of Pythons) and how many hashes each has."""
    text = (ROOT / ".ci" / "requirements.lock").read_text(encoding="utf-8")
    found: dict[str, list[tuple[Requirement, int]]] = {}
    for block in re.split(r"\n(?=[a-z0-9])", text):
        if not block.startswith("#"):
            head, *hashes = re.split(r"\\?\n\s+--hash=sha256:", block.strip())
            assert all(re.fullmatch(r"[0-9a-f]{64} ?", each) for each in hashes), head
            pin = Requirement(head.strip(" \\"))
            found.setdefault(canonicalize_name(pin.name), []).append((pin, len(hashes)))
    return found


def test_everything_is_pinned_and_hashed() -> None:
    for name, pins in locked().items():
        for pin, hashes in pins:
            assert re.fullmatch(r"==[^*]+", str(pin.specifier)) and hashes, name


def test_the_lock_fits_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = locked()
    for line in project["dependencies"]:
        wanted = Requirement(line)
        for pin, _ in pins[canonicalize_name(wanted.name)]:
            (version,) = pin.specifier
            assert wanted.specifier.contains(Version(version.version)), f"{wanted}: run make lock"


def test_what_the_locked_packages_need_is_locked_too() -> None:
    """Looked up in those that are installed here in their locked version; newer ones may need other things."""
    pins, installed = locked(), LICENCES["needed"]()
    same = [
        package for name, package in installed.items()
        if name in pins and any(pin.specifier.contains(package.version) for pin, _ in pins[name])
    ]  # fmt: skip
    wanted = [Requirement(line) for package in same for line in package.requires or ()]
    names = {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})}
    assert names <= set(pins), "run make lock"


def test_every_licence_is_known_and_lets_the_app_be_given_on() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "licences.py"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) > 40
    assert not [line for line in lines if re.search(r"\bA?GPL", line)]


FAULT = {"id": "CVE-1", "fix_versions": ["2"]}


@pytest.mark.parametrize(
    ("answer", "words", "code"),
    [
        ("", "could not be asked", 0),
        ("no JSON", "could not be asked", 0),
        ([{"name": "a", "skip_reason": "not found"}], "was not really asked", 0),
        ([{"name": "a", "version": "1", "vulns": []}], "1 of 1 packages asked about, 0", 0),
        ([{"name": "a", "version": "1", "vulns": [FAULT]}, {"name": "b", "skip_reason": ""}], "a 1: CVE-1, mended", 1),
    ],
)
def test_an_audit_is_judged(answer: str | list, words: str, code: int) -> None:
    lines, found = AUDIT["judge"](answer if isinstance(answer, str) else json.dumps({"dependencies": answer}))
    assert words in "\n".join(lines) and found == code
