"""Back and forward in the browser: the page follows its address.

A page keeps what was chosen in the session and writes it to the address. Where the address is another one than was
written, and nobody has chosen anything since, a person went back or forward: then the address is what counts. Else the
page would write its own again, and nobody could go back past it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

STATES: dict[str, tuple[str, ...]] = {
    "Compare": ("choice",),
    "Layers": ("choice", "layers_choice"),
    "Human saliency": ("choice", "looking"),
    "Image quality": ("quality_choice",),
    "Benchmark": (),
    "Lesson": ("lesson_choice",),
}
"""What is in a page's address, by the page's title: keys of the session."""
_LEFT = "address_left"


@dataclass(frozen=True)
class _Left:
    """How a run of a page has left everything."""

    page: str
    address: dict[str, str]
    states: tuple[Any, ...]


def follow(page: str) -> None:
    """Before the page runs: forget what was chosen where the address says otherwise, so that it is read anew."""
    left = st.session_state.get(_LEFT)
    now = _left(page)
    if left is not None and left.page == page and left.states == now.states and left.address != now.address:
        for key in STATES.get(page, ()):
            st.session_state.pop(key, None)


def leave(page: str) -> None:
    """After it: note how it was left."""
    st.session_state[_LEFT] = _left(page)


def stay() -> None:
    """Note it again, after a part of the page has run by itself and written another address."""
    left = st.session_state.get(_LEFT)
    if left is not None:
        leave(left.page)


def _left(page: str) -> _Left:
    return _Left(page, dict(st.query_params), tuple(st.session_state.get(key) for key in STATES.get(page, ())))
