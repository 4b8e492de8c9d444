"""The corpus through the app's own upload: the right picture or one sentence, and the session goes on.

One session takes one file after the other, as a person would. `make test` feeds the chosen cases (more than 300); with
EXPECTANCY_HOSTILE=all, as in `make soak`, all of them. `pytest -rA` tells how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import Engine
from engine.errors import ImageError
from engine.images import Photo, plain_name
from pages.widgets import session
from pages.widgets.words import plain
from tests.hostile.corpus import Case, chosen
from tests.hostile.watch import grown, reads_memory, watched_writes

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.timeout(1800),
]

APP = str(Path(__file__).parents[2] / "app.py")
GROUPS = 8


@cache
def uploads() -> tuple[Case, ...]:
    """The cases that are uploaded. A lone surrogate cannot be sent: browsers put U+FFFD in its place."""
    return tuple(replace(case, name=case.name.encode("utf-8", "replace").decode()) for case in chosen())


@pytest.fixture(scope="module")
def app() -> Iterator[AppTest]:
    """One session on the page Compare with one cheap panel; its engine keeps little, so that growth is no cache."""
    engine = Engine(memory_limit=16 * 2**20, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "engine", lambda: engine)
        started = AppTest.from_file(APP, default_timeout=240)
        started.query_params["panels"] = "features"
        started.query_params["size"] = "128"
        started.run()
        assert not started.exception
        yield started


def upload(app: AppTest, case: Case) -> Photo | ImageError:
    """What a person gets for a file: the photo that the page now explains, or the sentence that stands on it."""
    before = app.session_state["upload"] if "upload" in app.session_state else None  # noqa: SIM401 (it has no get)
    app.file_uploader(key="upload_file").set_value((case.name, case.content, "image/png")).run()
    assert not app.exception, (case.kind, app.exception)
    if app.error:
        assert [told.value for told in app.error] == [plain(app.session_state["upload_error"])], case.kind
        assert before is None or app.session_state["upload"] is before, "the photo that was there stays"
        return ImageError(app.session_state["upload_error"])
    photo: Photo = app.session_state["upload"]
    assert photo is not before
    assert photo.name == plain_name(case.name)
    assert any("sure." in said.value for said in app.markdown), "the page explains it"
    return photo


def test_more_than_300_files_are_uploaded() -> None:
    print(f"{len(uploads())} files through the upload")
    assert len(uploads()) >= 300


@pytest.mark.parametrize("group", range(GROUPS))
def test_an_upload_is_the_right_picture_or_one_sentence(
    app: AppTest, group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wrong: dict[str, str] = {}
    with watched_writes() as touched:
        for case in uploads()[group::GROUPS]:
            problem = case.problem(upload(app, case))
            if problem is not None:
                wrong[case.kind] = problem
    assert wrong == {}
    assert [path for _, path in touched if path != os.devnull and not path.startswith(str(tmp_path))] == []


@reads_memory
def test_memory_does_not_grow(app: AppTest) -> None:
    some = uploads()[::12]
    size, objects = grown(lambda: [upload(app, case) for case in some], rounds=4)
    assert objects <= 0
    assert size < 4 * 2**20
