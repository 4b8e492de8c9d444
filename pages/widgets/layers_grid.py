"""Layers down, questions across: a grid of small maps of which one is open in full.

Everything acts in the browser alone: a click or an arrow key opens a cell, the slider travels through the layers, and
which cell is open stands in the fragment of the address. No message is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.layers import Layer
from pages.widgets.frontend import Blob, Widget, pack
from pages.widgets.layers_cells import SCRIPTS, STYLES, panel_library
from pages.widgets.map_panel import Panel, PanelPhoto, describe_panel, describe_photo

_widget = Widget("layers_grid", scripts=(*SCRIPTS, "layers_grid.js"), styles=(*STYLES, "layers_grid.css"))


@dataclass(frozen=True)
class GridColumn:
    """A question asked at every layer: a stable `id`, and two short lines for its head."""

    id: str
    title: str
    about: str


@dataclass(frozen=True)
class GridCell:
    """One map, as the panel that it opens, with its share of positive evidence, 0 to 1, and its NSS, where known."""

    panel: Panel
    positive_share: float | None
    nss: float | None


def layers_grid(
    photo: PanelPhoto,
    layers: Sequence[Layer],
    columns: Sequence[GridColumn],
    cells: Sequence[Sequence[GridCell]],
    *,
    key: str,
    start: tuple[str, str],
    scored: bool,
) -> None:
    """Draw the grid, the slider and the open cell.

    Args:
        photo: the picture under every map.
        layers: the rows, from the image's side to the answer's.
        columns: what is asked; ids must differ.
        cells: one row for each layer, in it one cell for each column.
        key: the widget's key in `st.session_state`.
        start: layer and column of the cell that is open where the address names none.
        scored: whether fixations are loaded, so that there is an NSS.

    Raises:
        ValueError: the cells are not as many as layers and columns ask for.
    """
    if len(cells) != len(layers) or any(len(row) != len(columns) for row in cells):
        raise ValueError(f"The grid needs {len(layers)} rows of {len(columns)} cells.")
    blob = Blob()
    header = {
        "photo": describe_photo(photo),
        "rows": [
            {"name": layer.name, "grid": layer.grid, "stride": layer.stride, "channels": layer.channels}
            for layer in layers
        ],
        "columns": [{"id": column.id, "title": column.title, "about": column.about} for column in columns],
        "cells": [
            [{"panel": describe_panel(cell.panel, blob), "share": cell.positive_share, "nss": cell.nss} for cell in row]
            for row in cells
        ],
        "start": list(start),
        "scored": scored,
    }
    panel_library(key)
    _widget.mount(pack(header, blob.bytes()), key=key, parcels=[photo.parcel])
