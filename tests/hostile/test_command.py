"""The corpus through the command line: files of the right picture, or one sentence on stderr and exit code 2.

`make test` feeds the chosen cases (more than 300); with EXPECTANCY_HOSTILE=all, as in `make soak`, all of them.
`pytest -rA` tells how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from engine.cli import main
from engine.errors import ImageError
from engine.images import Photo, content_digest, plain_name
from tests.hostile import corpus
from tests.hostile.corpus import Case
from tests.hostile.watch import grown, reads_memory, watched_writes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

GROUPS = 4


@cache
def chosen() -> tuple[Case, ...]:
    return tuple(corpus.chosen())


def a_name(case: Case) -> str:
    """The name itself where a folder of this system takes it, with its markup and its control characters."""
    name = case.name
    try:
        fits = name not in ("", ".", "..") and not set("/\0") & set(name) and len(os.fsencode(name)) <= 255
    except UnicodeEncodeError:
        fits = False
    return name if fits and os.name == "posix" else plain_name(name) or "unnamed"


def test_more_than_300_files_and_their_own_names_are_fed() -> None:
    print(f"{len(chosen())} files through the command line")
    assert len(chosen()) >= 300
    if os.name == "posix":
        assert sum(a_name(case) == case.name != plain_name(case.name) for case in chosen()) >= 12


@pytest.fixture(scope="module", autouse=True)
def shared_engine() -> Iterator[None]:
    """One engine for all commands, which would else read the embedded weights each time."""
    engine = Engine(memory_limit=16 * 2**20, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.explain_command.Engine", lambda: engine)
        yield


def explained(case: Case, folder: Path, capfd: pytest.CaptureFixture[str]) -> Photo | ImageError:
    """What `expectancy explain` leaves of one file: the picture that it wrote, or the sentence that it said."""
    file, out = folder / a_name(case), folder / "out"
    file.write_bytes(case.content)
    words = ["explain", str(file), "--methods", "features", "--size", "128", "--out", str(out)]
    code = 0
    try:
        main(words)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    finally:
        file.unlink()
    said = capfd.readouterr()
    if code:
        assert code == 2 and said.out == "" and not out.exists(), case.kind
        assert said.err.startswith("expectancy: ") and said.err.count("\n") == 1, (case.kind, said.err)
        return ImageError(said.err.removeprefix("expectancy: ").rstrip("\n"))
    assert said.err == "" and "1 maps" in said.out, (case.kind, said.err)
    with Image.open(out / "photo.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    for written in out.iterdir():
        written.unlink()
    out.rmdir()
    return Photo(pixels, content_digest(pixels))


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_file_is_the_right_picture_or_one_sentence(
    group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wrong: dict[str, str] = {}
    with watched_writes() as touched:
        for case in chosen()[group::GROUPS]:
            problem = case.problem(explained(case, tmp_path, capfd))
            if problem is not None:
                wrong[case.kind] = problem
    assert wrong == {}
    assert [path for _, path in touched if not path.startswith(str(tmp_path))] == []
    assert list(tmp_path.iterdir()) == []
    out = tmp_path / "out"
    assert {("os.mkdir", str(out)), ("os.rename", str(out / "photo.png"))} <= set(touched), "what it writes is seen"
    assert any(event == "open" and Path(path).parent == out for event, path in touched)


@reads_memory
def test_memory_does_not_grow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    some = chosen()[::5]
    size, objects = grown(lambda: [explained(case, tmp_path, capfd) for case in some], rounds=2)
    assert objects <= 0
    assert size < 4 * 2**20
