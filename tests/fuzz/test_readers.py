"""What fuzzing begins from and what it has found: every reader reads sound files, and none fails on a case."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.errors import ExplorerError
from tests.fuzz import __main__ as fuzzing
from tests.fuzz.readers import CASES, READERS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
KEPT = sorted(CASES.glob("*/*"))


@pytest.mark.parametrize("name", READERS)
def test_a_sound_file_is_read(name: str) -> None:
    seeds = READERS[name].seeds()
    assert seeds
    for content in seeds:
        assert not isinstance(READERS[name].attempt(content), ExplorerError)


@pytest.mark.parametrize("name", READERS)
def test_a_sound_file_with_flipped_and_missing_bytes(name: str) -> None:
    """A few steps of what the fuzzer does, also where it is not installed."""
    content = READERS[name].seeds()[0]
    for at in range(0, len(content), max(1, len(content) // 40)):
        READERS[name].attempt(content[:at])
        READERS[name].attempt(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    READERS[name].attempt(content * 2)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_find_stays_mended(path: Path) -> None:
    READERS[path.parent.name.replace("-", " ")].attempt(path.read_bytes())


def test_a_reader_that_raises_anything_else_is_seen() -> None:
    reader = READERS["table"]
    broken = type(reader)(lambda content: content[10**6], reader.seeds)
    with pytest.raises(IndexError):
        broken.attempt(b"x")


@pytest.mark.parametrize(
    ("outcome", "code"), [((5, True), 0), ((5, False), 1), ((0, True), 1)], ids=["whole", "find", "nothing tried"]
)
def test_only_what_was_tried_and_whole_counts(
    outcome: tuple[int, bool], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", object())
    monkeypatch.setattr(sys, "argv", ["tests.fuzz"])
    monkeypatch.setattr(fuzzing, "_outside", lambda name, _: outcome if name == "table" else (1, True))
    assert fuzzing.main() == code
    said = capsys.readouterr().out
    assert said.count("FAILED") == code and f"{len(READERS)} readers, " in said


def test_a_machine_without_the_fuzzer_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["tests.fuzz"])
    assert fuzzing.main() == 1
    assert "nothing was fuzzed" in capsys.readouterr().out
