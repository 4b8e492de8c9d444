"""The page's upper right corner: share, history, and presenter mode with its keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.bundle import Place
from pages.widgets import history
from pages.widgets.frontend import Widget, pack, read_text
from pages.widgets.history import Look
from pages.widgets.share import Shown, share_dialog, tell_opened

_BROUGHT = "view_brought"
_widget = Widget("desk", scripts=("map_colours.js", "map_view.js", "desk.js"), styles=("desk.css",))


@dataclass(frozen=True)
class Pressed:
    """The button that was pressed, "share" or "history", how the maps are looked at, and the page's address."""

    kind: str
    view: str
    address: str


def corner() -> DeltaGenerator:
    """Room in the page's upper right, to be filled by :func:`desk` once it is known what is shown."""
    return st.container(key="desk")


def desk(room: DeltaGenerator, place: Place, shown: Shown | None, methods: Sequence[tuple[str, str]] = ()) -> bool:
    """Draw the buttons and remember what is shown; True where one of them has just opened a dialog.

    `shown` is None where there is no row of maps (yet): then there is nothing to keep or to present; `methods` are
    what the keys 1 to 9 put into a panel.
    """
    if "bundle_view" in st.session_state:
        st.session_state[_BROUGHT] = {"id": secrets.token_hex(4), "text": st.session_state.pop("bundle_view")}
    if shown is not None:
        remember(place, shown)
    header = {
        "methods": [list(method) for method in methods],
        "maps": shown is not None,
        "view": st.session_state.get(_BROUGHT),
    }
    with room:
        pressed = _widget.mount(pack(header), key="desk-widget", parcels=[], read=_read)
    if pressed is None:
        return False
    if pressed.kind == "history":
        history.history_dialog(place.page)
    else:
        share_dialog(place, shown, pressed.view, pressed.address)
    return True


def _read(event: Any) -> Pressed:
    kind = event["kind"]
    if kind not in ("share", "history"):
        raise ValueError("There is no such button.")
    return Pressed(kind, read_text(event["view"], 2000), read_text(event["address"], 4000))


def remember(place: Place, shown: Shown) -> None:
    """Put what is shown into the history: for a part of a page that runs without the rest, and so without desk()."""
    history.record(Look(place, shown.heading, shown.small, shown.panels))
    tell_opened(place, shown)
