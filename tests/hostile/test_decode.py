"""The whole corpus through engine.images.decode: the right picture or one clear sentence, and no traces."""

import sys
from pathlib import Path

import pytest

from engine.images import decode
from tests.hostile.corpus import Case, cases, read
from tests.hostile.watch import reads_memory, resident, watched_writes

# pytest lifts the filter that engine.images sets: Pillow's warnings are about what the corpus damages on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

CASES = list(cases())


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


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff cannot be silenced where its names are not exported")
def test_decoders_print_nothing_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    """Also not from C: the one sentence is all that a person reads."""
    for case in CASES:
        read(case, decode)
    assert capfd.readouterr() == ("", "")


@reads_memory
def test_memory_does_not_grow() -> None:
    def round_trip() -> None:
        for case in CASES:
            read(case, decode)

    round_trip()  # buffers, plugins and caches settle
    before = resident()
    for _ in range(3):
        round_trip()
    assert resident() - before < 8 * 2**20
