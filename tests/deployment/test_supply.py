"""What the project is built on: locked with hashes, licensed, and asked about."""

from __future__ import annotations

import email
import json
import re
import runpy
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.server import ROOT

LOCK = ROOT / ".ci" / "requirements.lock"
LICENCES = runpy.run_path(str(ROOT / ".ci" / "licences.py"))
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))


def locked() -> dict[str, list[tuple[Requirement, int]]]:
    """Every locked package: its pins (one for each range of Pythons) and how many hashes each has."""
    text = LOCK.read_text(encoding="utf-8")
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
    """What builds it, too: the image's build takes it from what is locked (`--no-build-isolation`)."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = locked()
    for line in asked["project"]["dependencies"] + asked["build-system"]["requires"]:
        wanted = Requirement(line)
        assert pins.get(canonicalize_name(wanted.name)), f"{wanted}: not locked"
        for pin, _ in pins[canonicalize_name(wanted.name)]:
            (version,) = pin.specifier
            assert wanted.specifier.contains(Version(version.version)), f"{wanted}: run make lock"


def test_what_the_locked_packages_need_is_locked_too() -> None:
    """Looked up in those that are installed here in their locked version; newer ones may need other things."""
    pins: dict[str, str] = LICENCES["locked"](LOCK)
    same = [package for name, package in LICENCES["needed"]().items() if package.version == pins.get(name)]
    assert len(same) > 20
    for package in same:
        for wanted in map(Requirement, package.requires or ()):
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                version = pins.get(canonicalize_name(wanted.name))
                assert version and wanted.specifier.contains(version), f"{package.name}: {wanted}: run make lock"


@pytest.mark.parametrize(
    ("name", "said", "remark"),
    [
        ("a", "MIT License", ""),
        ("a", "Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND BSD-3-Clause", ""),
        ("a", "MIT OR GPL-2.0-only", ""),
        ("a", "(MIT OR GPL-2.0-only) AND AGPL-3.0-only", "NOT FREE"),
        ("a", "MIT License, GNU Affero General Public License v3", "NOT FREE"),
        ("a", "MIT with parts under the GNU General Public License", "NOT FREE"),
        ("a", "GNU General Public License v2 (GPLv2)", "NOT FREE"),
        ("a", "Other/Proprietary License", "NOT FREE"),
        ("a", "NVIDIA Proprietary Software", "NOT FREE"),
        ("a", "Business Source License 1.1", "NOT FREE"),
        ("a", "unknown", "NOT FREE"),
        ("nvidia-a", "Other/Proprietary License", "NVIDIA's own terms"),
        ("nvidia-a", "LicenseRef-NVIDIA-Proprietary", "NVIDIA's own terms"),
        ("nvidia-a", "AGPL-3.0-only", "NOT FREE"),
        ("nvidia-a", "unknown", "NOT FREE"),
    ],
)
def test_a_licence_is_judged(name: str, said: str, remark: str) -> None:
    assert LICENCES["judge"](name, said) == remark


def says(text: str, *files: str) -> SimpleNamespace:
    """A package that says this of itself and has these files."""
    return SimpleNamespace(metadata=email.message_from_string(text), files=files)


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (says("License-Expression: MIT\nLicense: other", "a.py"), "MIT"),
        (says("Classifier: License :: OSI Approved :: MIT License\nClassifier: Topic :: A", "a.py"), "MIT License"),
        (says("License: BSD", "a.py"), "BSD"),
        (says("Name: a", "a.py"), "unknown"),
        (says("License: Proprietary", "a.dist-info/METADATA"), "none: it only names others"),
        (says("License: Proprietary"), "Proprietary"),  # which files it has is not told
    ],
)
def test_what_a_package_says_of_itself_is_found(package: SimpleNamespace, said: str) -> None:
    assert LICENCES["licence"](package) == said


def test_every_locked_licence_is_known_and_lets_the_app_be_given_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert LICENCES["main"]() == 0, capsys.readouterr().out
    *table, total = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in table} >= set(LICENCES["locked"](LOCK)) and total.endswith(
        " 0 not known to be free"
    )


def test_what_is_locked_and_not_installed_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(
        "no-such.package==1.0 ; python_version >= '3' \\\n    --hash=sha256:0\nelsewhere==2 ; python_version < '3' \\\n"
    )
    assert LICENCES["main"](lock) == 1
    said = capsys.readouterr().out
    assert re.search("^no-such-package .*not installed here; NOT FREE; locked: 1.0$", said, re.MULTILINE)
    assert "elsewhere" not in said


FAULT = {"id": "CVE-1", "fix_versions": ["2"]}
SOUND = [{"name": "a", "version": "1", "vulns": []}]
UNKNOWN = [{"name": "a", "skip_reason": "not found at the mirror"}]
FAULTY = [{"name": "b", "version": "1", "vulns": [FAULT]}]
OFFLINE = "Traceback (most recent call last):\nrequests.exceptions.ConnectionError: no route to its host\n"
REFUSED = (
    "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\nERROR:pip_audit._cli:Tip: your network\n"
)
OUT_OF_ORDER = "requests.exceptions.HTTPError: 500\npip_audit._service.interface.ServiceError\n"


@pytest.mark.parametrize(
    ("answer", "complaint", "ended", "words", "code"),
    [
        (SOUND, "", 0, "1 of 1 packages asked about, 0 known faults", 0),
        (SOUND + UNKNOWN, "", 0, "a: not asked about: not found at the mirror", 0),
        (FAULTY + SOUND, "Found 1 known vulnerability", 1, "b 1: CVE-1, mended in 2", 1),
        (SOUND, "it said something", 3, "0 known faults", 1),
        (UNKNOWN, "", 0, "skipped: the service that was reached knows none of the packages: not found at", 0),
        ([], "", 0, "0 of 0 packages", 1),
        ("", OFFLINE, 1, "skipped: the service of known faults could not be reached: requests.exceptions.Conn", 0),
        ("", REFUSED, 1, "skipped: the service of known faults could not be reached: ERROR:pip_audit._cli:Could", 0),
        ("", OUT_OF_ORDER, 1, "ServiceError", 1),
        ("", "No module named pip_audit", 1, "No module named pip_audit", 1),
        ("", "error: unrecognized arguments: --disable-pip", 2, "ended with 2", 1),
        ("", "", 0, "told nothing of any package", 1),
        ("no JSON", "", 0, "told nothing of any package", 1),
        ("[]", "", 0, "told nothing of any package", 1),
    ],
)
def test_an_audit_fails_unless_nobody_could_be_asked(
    answer: str | list, complaint: str, ended: int, words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = answer if isinstance(answer, str) else json.dumps({"dependencies": answer})
    program = f"import sys; print({printed!r}); print({complaint!r}, file=sys.stderr); sys.exit({ended})"
    assert AUDIT["main"]([sys.executable, "-S", "-c", program]) == code
    assert words in capsys.readouterr().out


def test_an_audit_without_its_program_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The real command, by a Python that has no packages."""
    python, *words = AUDIT["COMMAND"]
    assert AUDIT["main"]([python, "-I", "-S", *words]) == 1
    assert "No module named" in capsys.readouterr().out
