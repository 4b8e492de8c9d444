"""The whole corpus through engine.images.decode: the right picture or one clear sentence, and no traces."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.images import decode
from tests.hostile.corpus import Case, cases, read

# pytest lifts the filter that engine.images sets: Pillow's warnings are about what the corpus damages on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

CASES = list(cases())
_opened_for_writing: list[str] = []
_watching = False


def _watch(event: str, args: tuple) -> None:
    if _watching and event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        _opened_for_writing.append(str(args[0]))


@contextmanager
def watched_writes() -> Iterator[list[str]]:
    """Record every file that Python opens for writing (an audit hook cannot be removed, only silenced)."""
    global _watching
    if not getattr(watched_writes, "installed", False):
        sys.addaudithook(_watch)
        watched_writes.installed = True  # type: ignore[attr-defined]
    _opened_for_writing.clear()
    _watching = True
    try:
        yield _opened_for_writing
    finally:
        _watching = False


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.kind)[1:-1])
def test_right_picture_or_one_sentence(case: Case) -> None:
    assert case.problem(read(case, decode)) is None


def test_the_corpus_is_large_and_the_same_each_time() -> None:
    assert len(CASES) >= 300
    assert [(c.kind, c.content) for c in cases()] == [(c.kind, c.content) for c in CASES]


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with watched_writes() as opened:
        for case in CASES:
            read(case, decode)
    assert opened == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_memory_does_not_grow() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def round_trip() -> None:
        for case in CASES:
            read(case, decode)

    round_trip()  # buffers, plugins and caches settle
    before = resident()
    for _ in range(3):
        round_trip()
    assert resident() - before < 8 * 2**20
