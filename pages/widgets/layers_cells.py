"""What the widgets of the page "Layers" share: small maps of which one is open in full, in a map panel of its own."""

from __future__ import annotations

from typing import Any

from pages.widgets import map_panel
from pages.widgets.frontend import Blob
from pages.widgets.map_panel import Panel, PanelPhoto

SCRIPTS = ("map_colours.js", "map_paint.js", "map_view.js", "map_parts.js", "layers_cells.js")
STYLES = ("layers_cells.css",)


def panel_library(key: str) -> None:
    """Let the browser have the map panel's script, so that a widget can draw one inside itself."""
    map_panel._widget._library(key=f"{key}-panels", height="content")


def describe_photo(photo: PanelPhoto) -> dict[str, Any]:
    """The photo's part of a header, as the map panel has it."""
    return {"digest": photo.parcel.digest, "w": photo.width, "h": photo.height, "name": photo.name}


def describe_panel(panel: Panel, blob: Blob) -> dict[str, Any]:
    """A panel's part of a header, as the map panel has it; its numbers go to the blob."""
    return map_panel._describe(panel, blob)
