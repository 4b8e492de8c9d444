"""All foils at one layer: a strip of contrast maps, of which the one under the pointer is seen in full at once.

Pointing and focusing act in the browser alone; a click makes a class the foil Q and comes back as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pages.widgets.frontend import Blob, Widget, pack, read_class
from pages.widgets.layers_cells import SCRIPTS, STYLES, panel_library
from pages.widgets.map_panel import Panel, PanelPhoto, describe_panel, describe_photo

_widget = Widget(
    "layers_foils", scripts=(*SCRIPTS, "percent.js", "layers_foils.js"), styles=(*STYLES, "layers_foils.css")
)


@dataclass(frozen=True)
class FoilCard:
    """One map of the strip.

    `foil` is the class index, None for the maps over all foils; `probability` is 0 to 1; `differs` is how much the
    map differs from Grad-CAM, 0 to 2, or None.
    """

    title: str
    panel: Panel
    foil: int | None = None
    probability: float | None = None
    differs: float | None = None


def layers_foils(
    photo: PanelPhoto,
    cards: Sequence[FoilCard],
    foil: int,
    *,
    key: str,
    on_foil: Callable[[int], None],
) -> None:
    """Draw the strip and, in full, the map that is looked at; before anybody looks, that of `foil`.

    `on_foil` is called with the class that was clicked before the page's script runs again.
    """
    blob = Blob()
    header = {
        "photo": describe_photo(photo),
        "cards": [
            {
                "title": card.title,
                "panel": describe_panel(card.panel, blob),
                "foil": card.foil,
                "probability": card.probability,
                "differs": card.differs,
            }
            for card in cards
        ],
        "foil": foil,
    }

    panel_library(key)
    _widget.mount(pack(header, blob.bytes()), key=key, parcels=[photo.parcel], read=read_class, on_event=on_foil)
