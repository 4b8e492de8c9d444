"""A map as the sum of its channels, in real numbers: which cell is added up acts in the browser alone."""

from __future__ import annotations

from engine.arithmetic import ChannelSum
from engine.maps import Extent
from pages.widgets.frontend import Blob, Widget, pack
from pages.widgets.layers_cells import SCRIPTS, STYLES
from pages.widgets.map_panel import PanelPhoto, describe_photo

_widget = Widget("layers_sum", scripts=(*SCRIPTS, "layers_sum.js"), styles=(*STYLES, "layers_sum.css"))


def layers_sum(photo: PanelPhoto, found: ChannelSum, extent: Extent, *, key: str) -> None:
    """Draw the strongest channels with their weights, the rest, and the map, as one equation at one cell.

    `extent` is what the layer's grid covers of the photo.
    """
    blob = Blob()
    header = {
        "photo": describe_photo(photo),
        "channels": [
            {"channel": channel, "weight": float(weight), "values": blob.add(activation)}
            for channel, weight, activation in zip(found.channels, found.weights, found.activations, strict=True)
        ],
        "rest": blob.add(found.rest),
        "total": blob.add(found.total),
        "others": found.others,
        "extent": list(extent),
    }
    _widget.mount(pack(header, blob.bytes()), key=key, parcels=[photo.parcel])
