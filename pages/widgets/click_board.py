"""The photo with the fixations on it, and the question "where did your eyes go?".

The photo is shown for a chosen time, then veiled, and the person clicks where their eyes went. All of that happens in
the browser; the clicks come back in one message when the person is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.fixations import Fixations
from pages.widgets.frontend import Blob, Widget, pack, read_text
from pages.widgets.map_panel import PanelPhoto

SECONDS = (1, 2, 3, 5, 10)
"""For how long the photo can be shown."""
MOST_PLACES = 200
"""How many clicks of one person are taken at once."""

_widget = Widget("click_board", scripts=("click_board.js",), styles=("click_board.css",))


@dataclass(frozen=True)
class Looked:
    """What one person clicked: `places` as shares (0 to 1) of the photo's width and height, in their order."""

    person: str
    places: tuple[tuple[float, float], ...]
    seconds: float


def click_board(
    photo: PanelPhoto,
    fixations: Fixations | None,
    *,
    key: str,
    ask: bool = True,
    person: str = "",
    on_looked: Callable[[Looked], None] | None = None,
) -> Looked | None:
    """Draw the photo with its fixations.

    Args:
        photo: the picture.
        fixations: drawn as dots; None or none: the photo alone.
        key: the widget's key in `st.session_state`.
        ask: whether a person can give their own clicks.
        person: the name that is suggested for who looks next.
        on_looked: called with the clicks before the page's script runs again: the place to change state.

    Returns:
        The clicks of this run, or None. They are those that `on_looked` got.
    """
    blob = Blob()
    dots = None
    if fixations is not None and len(fixations):
        width, height = fixations.size
        dots = np.stack([fixations.x / width, fixations.y / height]).astype(np.float32)
    header: dict[str, Any] = {
        "photo": {"digest": photo.parcel.digest, "w": photo.width, "h": photo.height, "name": photo.name},
        "dots": blob.add(dots),
        "ask": ask,
        "person": person,
        "seconds": SECONDS,
        "most": MOST_PLACES,
    }

    return _widget.mount(pack(header, blob.bytes()), key=key, parcels=[photo.parcel], read=_read, on_event=on_looked)


def _read(event: Any) -> Looked:
    places = tuple((float(across), float(down)) for across, down in event["places"])
    if len(places) > MOST_PLACES:
        raise ValueError(f"These are more than {MOST_PLACES} places.")
    return Looked(read_text(event["person"], 80), places, float(event["seconds"]))
