"""Sharing what is on the page: as a link, as a bundle that opens without the app and in it, as a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from engine import archive, bundle, render, report
from engine.bundle import IMAGE, REFERENCE, Bundle, Place, RawMap
from engine.errors import ExplorerError
from engine.images import Photo
from pages.widgets import places
from pages.widgets.map_panel import Panel, PanelPhoto
from pages.widgets.words import refused

_OPENED, _GOING, _ERROR = "bundle_opened", "bundle_going", "bundle_error"


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows: the question, the photo as it was judged, the panels over it.

    `settings` are what a reader of the report should know, `facts` what the manifest says beside the maps (JSON
    values). `unfinished` says why it cannot be kept yet.
    """

    heading: str
    photo: Photo
    small: PanelPhoto
    panels: tuple[Panel, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    reference: Photo | None = None
    unfinished: str = ""


@st.dialog("Share this view", width="medium", icon=":material/share:", on_dismiss="rerun")
def share_dialog(place: Place, shown: Shown | None, view: str, address: str) -> None:
    """The link, the files, and the way to open a bundle."""
    st.markdown("**Link**")
    st.code(address, language=None, wrap_lines=True)
    if place.photos or place.files:
        st.caption("A link carries no photos or files of your own: the bundle does.")
    if shown is not None:
        _files(place, shown, view)
    st.markdown("**Open a bundle**")
    st.file_uploader(
        "A bundle that was saved here or elsewhere (ZIP)", "zip", key="bundle_file", on_change=_open,
        max_upload_size=archive.MAX_BYTES // 2**20,
    )  # fmt: skip
    if _ERROR in st.session_state:
        refused(st.session_state[_ERROR])
    if st.session_state.pop(_GOING, False):
        opened: Bundle = st.session_state[_OPENED]
        st.session_state["bundle_view"] = opened.view
        places.go(opened.place, place.page)


def _files(place: Place, shown: Shown, view: str) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", f"{shown.small.name} {place.page}".lower()).strip("-")
    st.markdown("**Files**")
    if shown.unfinished:
        st.info(shown.unfinished, icon=":material/hourglass_top:")
        return
    with st.container(horizontal=True):
        st.download_button(
            "Bundle (ZIP)", lambda: bundle.write(bundle_of(place, shown, view)), f"{name}.zip", "application/zip",
            on_click="ignore", icon=":material/folder_zip:", type="primary",
        )  # fmt: skip
        st.download_button(
            "Report (HTML)", lambda: report_of(shown, view), f"{name}.html", "text/html", on_click="ignore",
            icon=":material/description:", help="One page that opens without the app",
        )  # fmt: skip
        st.download_button(
            "Maps (NPZ)", lambda: _all_maps(shown.panels), f"{name}.npz", "application/octet-stream",
            on_click="ignore", icon=":material/download:", help="The raw maps: signed, unscaled, on their own grids",
        )  # fmt: skip
    st.caption(
        "The bundle holds the photo pixel by pixel, the raw maps, all settings and the report. Opened below, here or "
        "by somebody else, it brings this view back exactly."
    )


def _open() -> None:
    """Read what was given; on an error the page stays as it is."""
    for key in (_ERROR, _OPENED):
        st.session_state.pop(key, None)
    given = st.session_state["bundle_file"]
    if given is None:
        return
    try:
        found = bundle.read(given.getvalue(), given.name)
        places.check(found.place)
    except ExplorerError as error:
        st.session_state[_ERROR] = str(error)
    else:
        st.session_state[_OPENED], st.session_state[_GOING] = found, True


def tell_opened(place: Place, shown: Shown) -> None:
    """After a bundle was opened: whether the maps came out as they lie in it."""
    opened = st.session_state.get(_OPENED)
    if not isinstance(opened, Bundle) or opened.place.key != place.key or shown.unfinished:
        return
    del st.session_state[_OPENED]
    if opened.same_maps(raw_maps(shown.panels)):
        count = len(opened.maps)
        maps = "its map is" if count == 1 else f"all {count} maps are"
        st.toast(f"The bundle is open: {maps} the same, bit for bit.", icon=":material/check_circle:")
    else:
        st.toast(
            "The bundle is open, and its maps come out differently here: other weights or other versions of the "
            "software made them. The bundle's report shows how they were.",
            icon=":material/difference:", duration="infinite",
        )  # fmt: skip


def bundle_of(place: Place, shown: Shown, view: str) -> Bundle:
    """What is on the page as a bundle. `view` is the browser's text of how the maps are looked at."""
    photos = {IMAGE: shown.photo} | ({REFERENCE: shown.reference} if shown.reference is not None else {})
    return Bundle(place, view, photos, raw_maps(shown.panels), shown.facts, report_of(shown, view))


def report_of(shown: Shown, view: str) -> bytes:
    """What is on the page as HTML."""
    settings = dict(shown.settings)
    settings["Looked at with"] = view.replace(";", ", ") or "the usual view"
    settings["Made with"] = ", ".join(f"{name} {number}" for name, number in bundle.software().items())
    return report.page(
        shown.heading, shown.photo.pixels, shown.small.name, [_figure(panel, view) for panel in shown.panels],
        settings, None if shown.reference is None else shown.reference.pixels,
    )  # fmt: skip


def raw_maps(panels: tuple[Panel, ...]) -> dict[str, RawMap]:
    """The maps of the panels by place, as a bundle keeps them."""
    return {panel.id: RawMap(_arrays(panel), _facts(panel)) for panel in panels if panel.values is not None}


def _arrays(panel: Panel) -> dict[str, Any]:
    parts = {"values": panel.values, "slope": panel.slope, "level": panel.level}
    return {name: values for name, values in parts.items() if values is not None}


def _facts(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "question": panel.question,
        "sentence": panel.sentence,
        "notes": list(panel.notes),
        "meaning": list(panel.meaning),
        "signed": panel.signed,
        "extent": list(panel.extent),
        **panel.facts,
    }


def _all_maps(panels: tuple[Panel, ...]) -> bytes:
    return bundle.npz(
        {
            panel.id if part == "values" else f"{panel.id}_{part}": values
            for panel in panels
            for part, values in _arrays(panel).items()
        }
    )


def _figure(panel: Panel, view: str) -> report.Figure:
    """A panel for the report; a quality panel at the Q that was looked at."""
    q = _q(panel, view)
    values = panel.values
    if values is not None and panel.slope is not None:
        values = render.contrasted(values, panel.slope, panel.level, q)
    low, high = panel.value_range or (0.0, panel.end)
    figure = report.Figure(
        panel.title, panel.question, panel.sentence, values, panel.signed, panel.meaning, panel.notes, low, high,
        panel.extent,
    )  # fmt: skip
    if panel.slope is None:
        return figure
    said = report.number(q)
    positive, negative = (words.replace("{Q}", said) for words in panel.meaning)
    return replace(
        figure, question=panel.question.replace("{Q}", said), sentence=panel.sentence.replace("{Q}", said),
        meaning=(positive, negative),
    )  # fmt: skip


def _q(panel: Panel, view: str) -> float:
    """Q of a quality panel as the browser's view has it ("q.PLACE:0.25"), else where it began."""
    told = dict(part.partition(":")[::2] for part in view.split(";"))
    try:
        q = float(told[f"q.{panel.id}"])
    except (KeyError, ValueError):
        return panel.q
    return q if 0 <= q <= 1 else panel.q
