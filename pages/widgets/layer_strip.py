"""All layers of the network as a strip of small maps: a click chooses the one that the panels show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pages.widgets.frontend import Blob, Widget, pack, read_text
from pages.widgets.map_panel import Map

_widget = Widget(
    "layer_strip",
    scripts=("map_colours.js", "map_paint.js", "map_view.js", "layer_strip.js"),
    styles=("layer_strip.css",),
)


@dataclass(frozen=True)
class LayerThumbnail:
    """One layer: its module path, the size of its maps, and a small signed map (or None: not yet made)."""

    name: str
    size: tuple[int, int]
    """(h, w) of the layer's maps."""
    values: Map | None = None


def layer_strip(
    layers: Sequence[LayerThumbnail],
    selected: str,
    *,
    key: str,
    aspect: float = 1.0,
    on_layer: Callable[[str], None] | None = None,
) -> str | None:
    """Draw the strip, from the image's side to the answer's.

    Args:
        layers: what to show, in the network's order.
        selected: name of the layer that the panels show.
        key: the widget's key in `st.session_state`.
        aspect: width over height of the photo, so that thumbnails have its shape.
        on_layer: called with the layer's name before the page's script runs again: the place to change state.

    Returns:
        The layer chosen in this run, or None. It is the one that `on_layer` got.
    """
    blob = Blob()
    header = {
        "layers": [
            {"name": layer.name, "h": layer.size[0], "w": layer.size[1], "values": blob.add(layer.values)}
            for layer in layers
        ],
        "selected": selected,
        "aspect": float(aspect),
    }

    return _widget.mount(pack(header, blob.bytes()), key=key, parcels=[], read=_read, on_event=on_layer)


def _read(event: Any) -> str:
    return read_text(event["layer"], 100)
