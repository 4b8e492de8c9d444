"""What a person has chosen on the page “Human saliency”, beside the photo and network that all pages share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from engine.human import CANDIDATES, CENTRE, OWN
from engine.human_curves import DEGRADATIONS, SMOOTHINGS, USUAL_SMOOTHING
from engine.scores import SCORES
from pages.widgets import session
from pages.widgets.state import PageState

T = TypeVar("T")

CLICKS, FILE, DATA = "clicks", "file", "data"
DENSITY = "density"
SHOWN = {
    "scores": "Scores",
    "layers": "Layers",
    "smoothing": "Smoothing",
    "options": "Options",
    "sanity": "Sanity check",
    "robustness": "Robustness",
}
ROWS = {one.id: one.title for one in CANDIDATES} | {CENTRE: "Centre bias", OWN: "Your own map"}
PANELS = {DENSITY: "Where people looked"} | ROWS
MOST_FOLDERS = 3
_KEPT = 600


@dataclass(frozen=True)
class Looking:
    """The state of the page.

    `source` says where fixations come from; `data` and `item` are a data set's name and a photo of it; `maps` are the
    panels; `score` and `show` what is drawn below them; `smooth` degrees of visual angle; `wide` the photo's width in
    degrees (0: the usual one); `kind` the damage; `row` the map that is looked at closely.
    """

    source: str = CLICKS
    data: str = ""
    item: str = ""
    maps: tuple[str, ...] = (DENSITY, "contrastive-saliency", "gradcam", CENTRE)
    score: str = "nss"
    show: str = "scores"
    smooth: float = USUAL_SMOOTHING
    wide: float = 0.0
    kind: str = "blur"
    row: str = "contrastive-saliency"


_ALLOWED: dict[str, tuple[Any, ...]] = {
    "source": (CLICKS, FILE, DATA),
    "score": tuple(score.id for score in SCORES),
    "show": tuple(SHOWN),
    "smooth": SMOOTHINGS,
    "kind": tuple(one.id for one in DEGRADATIONS),
    "row": tuple(one.id for one in CANDIDATES),
}


def from_address(parameters: dict[str, str]) -> Looking:
    """The choice in query parameters; what cannot be read is left at its usual value."""
    values: dict[str, Any] = {name: parameters[name][:100] for name in ("data", "item") if name in parameters}
    for name, allowed in _ALLOWED.items():
        found = next((one for one in allowed if _text(one) == parameters.get(name)), None)
        if found is not None:
            values[name] = found
    maps = tuple(dict.fromkeys(one for one in parameters.get("maps", "").split(",") if one in PANELS))[:5]
    if maps:
        values["maps"] = maps
    try:
        wide = float(parameters.get("wide", "0"))
    except ValueError:
        wide = 0.0
    if 1 <= wide <= 120:
        values["wide"] = wide
    return Looking(**values)


def _write(name: str, value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else _text(value)


state = PageState("looking", Looking(), from_address, _write)
current, change, bound, to_address = state.current, state.change, state.bound, state.to_address


def publish() -> None:
    """Write both choices, the shared one and this page's, to the page's address."""
    state.publish(session.to_address(session.current()))


def brought_row(at: int, name: str) -> str:
    """The row of the maps in the folder `at` (from 1) of those that a person named."""
    return f"{OWN}{at}:{name}"


def is_brought(row: str) -> bool:
    """Whether a row shows maps that a person brought."""
    return row == OWN or (row.startswith(OWN) and ":" in row)


def title_of(row: str) -> str:
    """What a row or panel is called on the screen."""
    return PANELS.get(row) or row.partition(":")[2]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def remember(key: Hashable, make: Callable[[], T]) -> T:
    """A result of this session under `key`, made once: scores are small, and asked for in every run."""
    kept: OrderedDict[Hashable, T] = st.session_state.setdefault("looking_results", OrderedDict())
    if key not in kept:
        kept[key] = make()
    kept.move_to_end(key)
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return kept[key]
