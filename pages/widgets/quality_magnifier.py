"""The patch under the crosshair of the maps, enlarged, beside the same place of its reference."""

from __future__ import annotations

from engine.images import Photo
from engine.models.quality_networks import PATCH
from engine.quality import QualityResult
from pages.widgets.frontend import Blob, Widget, pack
from pages.widgets.map_panel import PanelPhoto
from pages.widgets.quality_photos import close_up

_widget = Widget(
    "quality_magnifier", scripts=("map_colours.js", "map_view.js", "quality_magnifier.js"),
    styles=("quality_magnifier.css",),
)  # fmt: skip


def quality_magnifier(
    under: PanelPhoto, photo: Photo, reference: Photo | None, result: QualityResult, *, key: str, beside: str
) -> None:
    """Follow the crosshair of the map panel over the photo `under`, in the browser alone.

    `photo` is what `result` judged; `reference`, of the same size, is shown next to it under the words `beside`.
    Both travel once: pixel by pixel up to 1024 pixels a side, else reduced to that, which is then told.
    """
    blob = Blob()
    patches = result.patches
    pictures = [close_up(each) for each in (photo, reference) if each is not None]
    header = {
        "under": under.parcel.digest,
        "pictures": [
            {"digest": parcel.digest, "words": words}
            for parcel, words in zip(pictures, ("The photo", beside), strict=False)
        ],
        "size": result.size,
        "patch": PATCH,
        "stride": result.stride,
        "scores": blob.add(patches.scores.reshape(patches.rows, patches.columns)),
    }
    parcels = {parcel.digest: parcel for parcel in pictures}
    _widget.mount(pack(header, blob.bytes()), key=key, parcels=[*parcels.values()])
