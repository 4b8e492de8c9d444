"""Long work on a page: how far it is, and a button that ends it.

Streamlit ends a run of a page, for a button that was pressed, where that run next draws something or looks at the
session: work is ended where it next tells its progress. It does so after a map, or a block of patches, at the latest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

PATIENCE = 0.4
"""Seconds of work before its progress is shown."""
OFTEN = 0.1
"""Seconds between two tellings that are passed on to the browser."""
JUDGING = "Judging the photo"
_STOPPED = "work_stopped"  # in the session: the key of the work that a person ended


class Tell(Protocol):
    """What long work calls."""

    def __call__(self, share: float, said: str = "") -> None:
        """Take the share done, 0 to 1, and what is to be said instead of it."""


def wanted() -> None:
    """End this run of a page here, where another one is to take its place: a look at the session does it."""
    if get_script_run_ctx(suppress_warning=True) is not None:
        _ = _STOPPED in st.session_state


def told(place: DeltaGenerator, words: str) -> Tell:
    """What work calls, whose progress is shown at `place`; any other wish of the person ends it.

    Nothing is shown of work that is done at its first call, and nothing again: many who wait would keep their browsers
    busy.
    """
    shown, last = "", 0.0

    def tell(share: float, said: str = "") -> None:
        nonlocal shown, last
        wanted()
        said = said or f"{words}, {share:.0%}"
        if share < 1 and said != shown and time.monotonic() - last >= OFTEN:
            shown, last = said, time.monotonic()
            place.progress(share, said)

    return tell


def going(place: DeltaGenerator, words: str, on_stop: Callable[[], None] = lambda: None) -> Tell:
    """The same with a bar that is there at once, and a stop button beside it."""
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, words)
        st.button("Stop", icon=":material/stop:", key=f"stop-{words}", on_click=on_stop)
    return told(bar, words)


def begin(key: Hashable, words: str) -> Tell | None:
    """Draw the progress of the work `key` as soon as it takes long; None where a person stopped it, and may go on."""
    place = st.empty()
    if st.session_state.get(_STOPPED) == key:
        with place.container(horizontal=True, vertical_alignment="center"):
            st.markdown("Stopped.")
            st.button("Go on", key=f"on-{words}", on_click=lambda: st.session_state.pop(_STOPPED, None))
        return None
    shown: list[Tell] = []
    begun = time.monotonic()

    def tell(share: float, said: str = "") -> None:
        if share >= 1:
            place.empty()
            return
        if not shown and time.monotonic() - begun > PATIENCE:
            shown.append(going(place, words, lambda: st.session_state.update({_STOPPED: key})))
        if shown:
            shown[0](share, said)

    return tell
