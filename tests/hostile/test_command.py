"""The corpus through the command line: files of the right picture, or one sentence on stderr and exit code 2.

`make test` feeds every fourth case (more than 300) and all hostile names; with EXPECTANCY_HOSTILE=all, as in `make
soak`, all of them.
"""

from __future__ import annotations

import gc
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
from tests.hostile.corpus import Case, cases
from tests.hostile.watch import reads_memory, resident, watched_writes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

GROUPS = 4
EVERY = 1 if os.environ.get("EXPECTANCY_HOSTILE") == "all" else 4


@cache
def chosen() -> tuple[Case, ...]:
    """The cases that are fed. Those left out differ from others by where they are cut or damaged."""
    named = [case for case in cases() if case.kind.startswith("name ")]
    others = [case for case in cases() if not case.kind.startswith("name ")]
    return (*others[2 % EVERY :: EVERY], *named)


def a_name(case: Case) -> str:
    """The name itself where a folder of this system takes it, with its markup and its control characters."""
    name = case.name
    try:
        fits = name not in ("", ".", "..") and not set("/\0") & set(name) and len(os.fsencode(name)) <= 255
    except UnicodeEncodeError:
        fits = False
    return name if fits and os.name == "posix" else plain_name(name) or "unnamed"


def test_more_than_300_files_and_their_own_names_are_fed() -> None:
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
    with watched_writes() as opened:
        for case in chosen()[group::GROUPS]:
            problem = case.problem(explained(case, tmp_path, capfd))
            if problem is not None:
                wrong[case.kind] = problem
    assert wrong == {}
    assert [path for path in opened if not path.startswith(str(tmp_path))] == []
    assert list(tmp_path.iterdir()) == []


@reads_memory
def test_memory_does_not_grow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def commands() -> int:
        for case in chosen()[::5]:
            explained(case, tmp_path, capfd)
        gc.collect()
        return resident()

    commands()  # buffers and caches settle
    before = commands()
    assert commands() - before < 12 * 2**20
