"""What the widgets of the page "Layers" share: small maps of which one is open in full, in a map panel of its own."""

from __future__ import annotations

from pages.widgets import map_panel

SCRIPTS = ("map_colours.js", "map_paint.js", "map_view.js", "map_parts.js", "layers_cells.js")
STYLES = ("layers_cells.css",)


def panel_library(key: str) -> None:
    """Let the browser have the map panel's script, so that a widget can draw one inside itself."""
    map_panel._widget._library(key=f"{key}-panels", height="content")
