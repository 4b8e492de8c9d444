"""A photo on which a person draws where a distortion acts."""

from collections.abc import Callable, Sequence
from typing import Any

from pages.widgets.frontend import Widget, pack
from pages.widgets.map_panel import PanelPhoto
from pages.widgets.quality_state import WHOLE, Box

_widget = Widget("quality_region", scripts=("quality_region.js",), styles=("quality_region.css",))


def quality_region(
    photo: PanelPhoto,
    original: PanelPhoto,
    boxes: Sequence[Box | None],
    active: int | None,
    *,
    key: str,
    on_box: Callable[[Box | None], None],
) -> None:
    """Draw the photo as it is judged, with the regions of all distortions.

    `boxes` are (left, top, right, bottom) in thousandths, None for the whole photo; that of index `active` can be
    drawn anew, moved and sized, by pointer or keys. `on_box` gets it before the page's script runs again.
    `original` is the undistorted photo, shown on demand.
    """
    header = {
        "photo": photo.parcel.digest,
        "original": original.parcel.digest,
        "aspect": photo.width / photo.height,
        "name": photo.name,
        "boxes": [None if box is None else list(box) for box in boxes],
        "active": active,
    }

    parcels = {each.parcel.digest: each.parcel for each in (photo, original)}
    _widget.mount(pack(header), key=key, parcels=[*parcels.values()], read=_read, on_event=lambda drawn: on_box(*drawn))


def _read(event: Any) -> tuple[Box | None]:
    """What was drawn: a rectangle, or None for the whole photo, which is also what an empty rectangle stands for."""
    if event["box"] is None:
        return (None,)
    left, top, right, bottom = (min(WHOLE, max(0, int(number))) for number in event["box"])
    return ((left, top, right, bottom) if left < right and top < bottom else None,)
