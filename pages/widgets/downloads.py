"""What is on the page, as files."""

import streamlit as st

from engine import Map, Trace, method
from engine.archive import pack
from engine.bundle import npz
from engine.errors import ExplorerError
from engine.export import Sheet, contents, sheets
from engine.images import Photo
from pages.widgets import session
from pages.widgets.map_panel import MARKED_Q
from pages.widgets.panels import options_of
from pages.widgets.question_bar import known_layer
from pages.widgets.session import QUALITY, Choice


def downloads(choice: Choice, photo: Photo, trace: Trace, fact: int, foil: int) -> None:
    """Draw the buttons; the files are made only when one is pressed."""
    with st.container(horizontal=True, key="downloads"):
        st.download_button(
            "Maps (NPZ)", lambda: npz({s.name: s.values for s in _sheets(choice, photo, trace, fact, foil)}),
            "maps.npz", "application/octet-stream", on_click="ignore", icon=":material/download:",
            help="The raw maps: signed, unscaled, on their own grids",
        )  # fmt: skip
        st.download_button(
            "Everything (ZIP)",
            lambda: pack(contents(photo, _sheets(choice, photo, trace, fact, foil), trace)),
            "expectancy.zip", "application/zip", on_click="ignore", icon=":material/folder_zip:",
            help="The photo, every panel as a picture, the raw maps, and a manifest with all settings",
        )  # fmt: skip


def _sheets(choice: Choice, photo: Photo, trace: Trace, fact: int, foil: int) -> list[Sheet]:
    """The panels that show a map, each once."""
    layer = known_layer(choice, trace) or None
    maps: list[Map] = []
    quality: list[Sheet] = []
    for name in dict.fromkeys(choice.panels):
        try:
            if name == QUALITY:
                quality = quality_sheets(photo)
            else:
                chosen = options_of(choice, method(name))
                maps.append(session.engine().explain(trace, name, layer, fact, foil, **chosen))
        except ExplorerError:
            continue  # the panel itself says why there is no map
    return sheets(trace, maps) + quality


def quality_sheets(photo: Photo, foils: tuple[float, ...] = MARKED_Q) -> list[Sheet]:
    """The quality map for each Q, on one common scale."""
    result = session.engine().quality(photo)
    return [
        Sheet(
            f"quality-rather-than-{foil:g}",
            result.sides(foil),
            True,
            (f"keeps it above {foil:g}", f"holds it below {foil:g}"),
            {"method": QUALITY, "score": result.score, "foil": foil, "judged_at": list(result.size)},
            result.scale,
        )
        for foil in foils
    ]
