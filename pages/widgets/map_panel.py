"""A row of linked panels over one photo, drawn in the browser.

Everything about how a map is looked at (opacity, colours, threshold, sign, scale, zoom, hover, Q of a quality map)
acts in the browser alone. Only what asks another question (a panel's method, the foil, the layer) comes back
as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pages.widgets.frontend import Blob, Parcel, Widget, pack, read_text, read_whole

MAX_PANELS = 5
"""How many a person may put side by side."""
MOST_PANELS = 8
MAX_PHOTO_SIDE = 640
MARKED_Q = (1.0, 0.75, 0.5, 0.25)

Map = NDArray[np.float32]

_widget = Widget(
    "map_panel",
    scripts=("map_colours.js", "map_paint.js", "map_view.js", "map_parts.js", "map_tools.js", "map_panel.js"),
    styles=("map_panel.css",),
)


@dataclass(frozen=True)
class PanelPhoto:
    """The photo under the panels, as the browser gets it: a JPEG of at most 640 px, sent once.

    Make it once for each photo (it encodes) and keep it, for instance in `st.session_state` or behind
    `st.cache_data`.
    """

    parcel: Parcel
    width: int
    height: int
    name: str

    @staticmethod
    def of(image: Image.Image, name: str = "photo") -> PanelPhoto:
        """Encode an upright RGB image. `name` is used in alt text and file names, so any text will do."""
        small = image.convert("RGB")
        small.thumbnail((MAX_PHOTO_SIDE, MAX_PHOTO_SIDE), Image.Resampling.LANCZOS)
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=88)
        return PanelPhoto(Parcel.of({"type": "image/jpeg"}, buffer.getvalue()), *small.size, name)


@dataclass(frozen=True)
class Panel:
    """One map with its question and its words.

    `question` and `sentence` may hold `{Q}`: the browser puts the slider's value there (quality panels only).
    """

    id: str
    """Stable name of the place: the same id keeps its canvas, zoom and Q from run to run."""
    title: str
    question: str
    """What the map answers, in one line ("Why tabby?")."""
    sentence: str
    """One sentence: what it shows and how to read it, or, where `values` is None, why there is no map."""
    values: Map | None
    """(h, w) float32, signed and unscaled, on the layer's own grid; None where there is no map."""
    slope: Map | None = None
    """For quality panels, (h, w): the map shown is `values - Q * slope`, Q from the panel's slider."""
    level: Map | None = None
    """With `slope`, (h, w): only what is positive is shown, and with the sign of `level - Q` (patch scores)."""
    end: float | None = None
    """The end of the scale, where panels share one that is known beforehand; else it follows from the values."""
    q: float = 1.0
    """Where Q begins, 0 to 1 (quality panels)."""
    score: float | None = None
    """The image's score s, shown beside Q (quality panels)."""
    notes: tuple[str, ...] = ()
    """Short honest labels: "7 x 7 map, enlarged", "Q equals P"."""
    speed: str = ""
    """What the map cost this time ("4 ms"): shown as a note, and no part of what is shared."""
    meaning: tuple[str, str] = ("speaks for it", "speaks against it")
    """What a positive and a negative value mean, for the legend."""
    signed: bool = False
    """Draw both signs unless the person chooses otherwise. For maps that have a message in both."""
    value_range: tuple[float, float] | None = None
    """Fixed ends of the scale, for maps that are no evidence about zero (patch scores: 0 and 1)."""
    scale_group: str = "map"
    """Panels of one group share a scale when the person asks for a shared one: same unit, same group."""
    extent: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """What the grid covers of the photo: left, top, right, bottom as shares of its width and height.
    Cells are of equal size and fill the extent; a cell's value stands at its centre."""
    method: str | None = None
    """Id of the method shown; with `methods` given to map_panel, the title becomes a selector."""
    removable: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What a bundle's manifest says of the map: JSON values."""


@dataclass(frozen=True)
class PanelEvent:
    """What a person asked for that needs another map.

    - "method": show `method` in panel `panel`
    - "add": add a panel with `method`; "remove": take panel `panel` away
    - "foil": step through the foils by `step` (-1, +1); "layer": through the layers (-1 towards the image)
    """

    kind: Literal["method", "add", "remove", "foil", "layer"]
    panel: str = ""
    method: str = ""
    step: int = 0


def map_panel(
    photo: PanelPhoto,
    panels: Sequence[Panel],
    *,
    key: str,
    methods: Sequence[tuple[str, str]] = (),
    can_add: bool = True,
    columns: int | None = None,
    view: str = "",
    foil: int | None = None,
    on_event: Callable[[PanelEvent], None] | None = None,
) -> PanelEvent | None:
    """Draw up to eight linked panels.

    Args:
        photo: the picture under every map.
        panels: what to show, in order; ids must differ.
        key: the widget's key in `st.session_state`.
        methods: (id, title) of what a panel can be switched to, and what "add a panel" offers.
        can_add: whether to offer another panel (never beyond five).
        columns: panels in a row where the window is wide enough; None: as many as fit well.
        view: names everything that the panels depend on, but for `foil`: see `pages.widgets.ahead`.
        foil: the foil that they are drawn for.
        on_event: called with the event before the page's script runs again: the place to change state.

    Returns:
        The event of this run, or None. It is the one that `on_event` got.

    Raises:
        ValueError: two panels of one id, more than eight, or maps whose shapes do not fit.
    """
    if len(panels) > MOST_PANELS or len({panel.id for panel in panels}) < len(panels):
        raise ValueError(f"map_panel takes at most {MOST_PANELS} panels, each with an id of its own.")
    blob = Blob()
    header = {
        "photo": describe_photo(photo),
        "panels": [describe_panel(panel, blob) for panel in panels],
        "methods": [list(method) for method in methods],
        "canAdd": can_add and bool(methods) and len(panels) < MAX_PANELS,
        "marks": MARKED_Q,
        "columns": columns,
        "view": view,
        "foil": foil,
    }

    return _widget.mount(
        pack(header, blob.bytes()), key=key, parcels=[photo.parcel], read=partial(_read, methods), on_event=on_event
    )


def _read(methods: Sequence[tuple[str, str]], event: Any) -> PanelEvent:
    kind = event["kind"]
    if kind in ("foil", "layer"):
        return PanelEvent(kind, step=read_whole(event["step"], -1, 1))
    if kind == "remove":
        return PanelEvent(kind, panel=read_text(event["panel"], 100))
    if kind not in ("add", "method") or event["method"] not in dict(methods):
        raise ValueError("Nothing of this kind can be done to a row of panels.")
    return PanelEvent(kind, panel="" if kind == "add" else read_text(event["panel"], 100), method=event["method"])


def describe_photo(photo: PanelPhoto) -> dict[str, Any]:
    """The photo's part of a message's header; its picture is the parcel of that digest."""
    return {"digest": photo.parcel.digest, "w": photo.width, "h": photo.height, "name": photo.name}


def describe_panel(panel: Panel, blob: Blob) -> dict[str, Any]:
    """The panel's part of a message's header; its numbers go to the blob. Raises ValueError where shapes do not fit."""
    if panel.level is not None and panel.slope is None:
        raise ValueError(f"Panel {panel.id!r}: a level needs a slope.")
    for grid in (panel.slope, panel.level):
        if grid is not None and (panel.values is None or grid.shape != panel.values.shape):
            raise ValueError(f"Panel {panel.id!r}: values, slope and level must have one shape.")
    return {
        "id": panel.id,
        "title": panel.title,
        "question": panel.question,
        "sentence": panel.sentence,
        "values": blob.add(panel.values),
        "slope": blob.add(panel.slope),
        "level": blob.add(panel.level),
        "end": panel.end,
        "q": panel.q,
        "score": panel.score,
        "notes": (*panel.notes, panel.speed) if panel.speed else panel.notes,
        "meaning": panel.meaning,
        "signed": panel.signed,
        "range": panel.value_range,
        "group": panel.scale_group,
        "extent": panel.extent,
        "method": panel.method,
        "removable": panel.removable,
    }
