"""What was looked at in this session: small pictures to go back to, two of them side by side under one divider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from engine import render
from engine.bundle import Place
from pages.widgets import places
from pages.widgets.frontend import Blob, Widget, pack, read_text
from pages.widgets.map_panel import MARKED_Q, Panel, PanelPhoto, describe_panel, describe_photo

MOST = 24
MOST_BYTES = 64 * 2**20
"""Of all maps and photos that are held for going back; the oldest leave first."""
THUMBNAIL_CELLS = 48
_LOOKS, _PINNED = "looks", "looks_pinned"

_widget = Widget(
    "history",
    scripts=("map_colours.js", "map_paint.js", "map_view.js", "map_parts.js", "map_tools.js", "swipe.js", "history.js"),
    styles=("map_panel.css", "swipe.css", "history.css"),
)


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen at a place: the question, the photo and the maps over it."""

    place: Place
    heading: str
    photo: PanelPhoto
    panels: tuple[Panel, ...]

    @property
    def primary(self) -> Panel:
        """The panel that stands for all: the first that has a map."""
        return next((panel for panel in self.panels if panel.values is not None), self.panels[0])

    def held(self) -> Iterator[tuple[int, int]]:
        """(identity, bytes) of every large object."""
        for array in (each for panel in self.panels for each in (panel.values, panel.slope, panel.level)):
            if array is not None:
                yield id(array), array.nbytes
        for photo in self.place.photos.values():
            yield id(photo), photo.pixels.nbytes
        yield id(self.photo), len(self.photo.parcel.message)


@dataclass(frozen=True)
class Chosen:
    """What was done to a look, named as in the widget's message: "back", go there, or "pin"."""

    kind: str
    look: str


def record(look: Look) -> None:
    """Remember what is seen now, as the newest; nothing is sent to the browser."""
    looks = _looks()
    key = look.place.key
    new = looks.pop(key, None) is None
    looks[key] = look
    while new and len(looks) > 1 and (len(looks) > MOST or _bytes(looks) > MOST_BYTES):
        del looks[next(iter(looks))]


def looks() -> list[Look]:
    """What was looked at, the newest first."""
    return list(_looks().values())[::-1]


@st.dialog("Looked at in this session", width="large", icon=":material/history:", on_dismiss="rerun")
def history_dialog(here: str) -> None:
    """Everything that was looked at; a click goes back there from the page `here`, a pin keeps one for comparison."""
    kept = {key[:12]: look for key, look in reversed(_looks().items())}
    pinned = [name for name in st.session_state.setdefault(_PINNED, []) if name in kept]
    blob = Blob()
    header = {
        "looks": [_thumbnail(name, look, blob) for name, look in kept.items()],
        "pinned": pinned,
        "marks": MARKED_Q,
        "sides": [_side(name, kept[name], blob) for name in (pinned * 2 if len(pinned) == 1 else pinned)],
    }
    photos = {look.photo.parcel.digest: look.photo.parcel for look in kept.values()}
    event = _widget.mount(
        pack(header, blob.bytes()), key="history", parcels=[*photos.values()], read=_read, on_event=_pin
    )
    st.caption("Kept in this session’s memory, and gone with it.")
    if event is not None and event.kind == "back" and event.look in kept:
        places.go(kept[event.look].place, here)


def _read(event: Any) -> Chosen:
    return Chosen(read_text(event["kind"], 10), read_text(event["look"], 100))


def _pin(event: Chosen) -> None:
    """Pin what is not pinned, and the other way round; a third one takes the place of the first."""
    if event.kind == "pin":
        pinned, name = st.session_state[_PINNED], event.look
        st.session_state[_PINNED] = [p for p in pinned if p != name] if name in pinned else [*pinned[-1:], name]


def _thumbnail(name: str, look: Look, blob: Blob) -> dict[str, Any]:
    panel = look.primary
    small: dict[str, Any] = {
        part: render.reduced(values, THUMBNAIL_CELLS)
        for part in ("values", "slope", "level")
        if (values := getattr(panel, part)) is not None
    }
    return {
        "id": name,
        "heading": look.heading,
        "photo": describe_photo(look.photo),
        "panel": describe_panel(replace(panel, id=f"{name}-{panel.id}", **small), blob),
    }


def _side(name: str, look: Look, blob: Blob) -> dict[str, Any]:
    panels = [panel for panel in look.panels if panel.values is not None] or [look.panels[0]]
    return {
        "look": name,
        "photo": describe_photo(look.photo),
        "panels": [describe_panel(panel, blob) for panel in panels],
    }


def _looks() -> dict[str, Look]:
    found: dict[str, Look] = st.session_state.setdefault(_LOOKS, {})
    return found


def _bytes(looks: dict[str, Look]) -> int:
    return sum(dict(each for look in looks.values() for each in look.held()).values())
