"""Garbage: Streamlit leaves it alone behind a run, and a thread takes it away."""

import gc
import tomllib
import weakref
from pathlib import Path

from pages.widgets.tidy import tidied

ROOT = Path(__file__).parents[2]


class Ring:
    """An object that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_streamlit_does_not_collect_behind_every_run() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["runner"]["postScriptGC"] is False


def test_what_nobody_holds_is_taken_away() -> None:
    gone = weakref.ref(Ring())
    gc.collect(0)  # something was done
    assert tidied() and gone() is None


def test_nothing_is_done_where_nothing_was_done() -> None:
    gc.collect()
    gc.disable()
    try:
        assert not tidied()
    finally:
        gc.enable()
