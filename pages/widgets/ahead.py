"""Maps that a person may ask for next, sent ahead: at the click the browser has them, and Python follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pages.widgets.frontend import Blob, Widget, pack
from pages.widgets.map_panel import Panel, describe_panel

_widget = Widget("ahead", scripts=("ahead.js",), styles=())


def ahead(view: str, foils: Mapping[int, Sequence[Panel]], *, key: str) -> None:
    """File the panels that each foil changes, for the row of panels that is drawn for the same `view`.

    Draw it after the row, so that the maps that are to be seen now do not wait for it. What it sends should not depend
    on the foil that is chosen now: then it is sent once.
    """
    blob = Blob()
    told = {
        str(foil): [describe_panel(replace(panel, speed="from the cache"), blob) for panel in panels]
        for foil, panels in foils.items()
    }
    _widget.mount(pack({"view": view, "foils": told}, blob.bytes()), key=key, parcels=[])
