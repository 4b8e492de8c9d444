"""Image quality: how good is this photo, and why this score rather than another one?"""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.bundle import UPLOAD_REFERENCE, Place
from engine.errors import ExplorerError, WeightsError
from engine.images import Photo
from engine.quality import STRIDES, QualityResult
from engine.quality_screen import likeness, opinion, passes
from pages.widgets import session
from pages.widgets.desk import corner, desk
from pages.widgets.map_panel import Panel, map_panel
from pages.widgets.picture import picture
from pages.widgets.quality_dial import quality_dial
from pages.widgets.quality_lab import lab
from pages.widgets.quality_magnifier import quality_magnifier
from pages.widgets.quality_panels import ANY_Q, FIRST_Q, figure, panels
from pages.widgets.quality_photos import OWN, REFERENCE, Judged, judged, panel_photo, picker, thumbnail
from pages.widgets.quality_state import ALIGN, CROP, UPLOAD, WITH, WITHOUT, QualityChoice, state
from pages.widgets.share import Shown
from pages.widgets.style import style
from pages.widgets.words import refused
from pages.widgets.work import JUDGING, told

CSS = Path(__file__).parent / "widgets" / "quality.css"
REFINED = "quality_refined"  # in the session: (digests of photo and reference) -> strides at which they were judged
MOST_REFINED = 64


def page() -> None:
    choice = state.current()
    room = corner()
    picker(choice)
    try:
        given = judged(choice)
        explore(choice, given, room)
    except ExplorerError as error:
        refused(error)
        desk(room, place(choice), None)
    state.publish()


def explore(choice: QualityChoice, given: Judged, room: DeltaGenerator) -> None:
    """Everything below the choice of the photo; last of all a finer map, where one is still to come."""
    fitting(given)
    reference = given.reference if choice.judge == WITH else None
    strides = passes(given.photo.size, choice.stride)
    key = (given.photo.digest, reference.digest if reference else "")
    known = st.session_state.setdefault(REFINED, {}).get(key, ())
    done = max([at for at, stride in enumerate(strides) if stride in known], default=0)
    with st.container(horizontal=True, vertical_alignment="center", key="asked"):
        heading = st.container(horizontal=True, vertical_alignment="center", width="content", key="question")
        progress = st.empty()
    result, missing = assess(given.photo, reference, strides[done], progress)
    progress.empty()
    if missing:
        reference = None
    with heading:
        question(choice, given, result)
    if missing:
        st.info(missing, icon=":material/info:")
    coarse = done + 1 < len(strides)
    row = panels(result, given.photo, coarse)
    body(choice, given, result, row)
    opened = desk(room, place(choice), shown(given, result, row, reference, coarse))
    if coarse and not opened:  # a dialog would close when the page runs again
        refine(given.photo, reference, strides[done : done + 2], progress, key)


def place(choice: QualityChoice) -> Place:
    """The state with the photos that the person brought."""
    uploads = {UPLOAD: OWN, UPLOAD_REFERENCE: REFERENCE} if choice.photo == UPLOAD and OWN in st.session_state else {}
    photos = {role: st.session_state[key] for role, key in uploads.items() if key in st.session_state}
    return Place("image_quality", state.to_address(choice), photos)


def shown(given: Judged, result: QualityResult, row: list[Panel], reference: Photo | None, coarse: bool) -> Shown:
    """What there is to share."""
    width, height = given.photo.size
    settings = {
        "Photo": f"{given.photo.name or 'a photo'}, {width} × {height} pixels",
        "Score": f"{result.score:.3f} of 1, {opinion(result):.1f} of 9 on TID2013’s opinion scale",
        "Looks like": looks(result, 3),
        "Network": f"the {result.kind} quality network, {result.note}",
    }
    settings |= {f"Note {at}": note for at, note in enumerate(given.notes, 1)}
    facts = {"score": result.score, "kind": result.kind, "stride": result.stride}
    unfinished = "A finer map is still to come. Close this, wait for it or keep the coarse one, and share then."
    return Shown(
        f"Why {result.score:.2f}, rather than Q?", given.photo, panel_photo(given.photo), tuple(row), settings, facts,
        reference, unfinished if coarse else "",
    )  # fmt: skip


def looks(result: QualityResult, count: int) -> str:
    """What the damage looks like to the network, in words."""
    return ", ".join(f"{title.lower()} {share:.0%}" for title, share in likeness(result, count))


def assess(photo: Photo, reference: Photo | None, stride: int, place: DeltaGenerator) -> tuple[QualityResult, str]:
    """The judgement, and a sentence where the network that uses the reference is not there."""
    tell, missing = told(place, JUDGING), ""
    if reference is not None:
        try:
            return session.engine().quality(photo, reference, stride, tell), ""
        except WeightsError:
            missing = (
                "The network that compares a photo with its reference is not part of this installation yet, so the "
                "photo is judged without its reference."
            )
    return session.engine().quality(photo, None, stride, tell), missing


def refine(
    photo: Photo, reference: Photo | None, strides: tuple[int, ...], place: DeltaGenerator, key: tuple[str, str]
) -> None:
    """Judge again with more patches while the coarser maps are looked at; any click on the page stops it."""
    now, stride = strides
    with place.container(horizontal=True, vertical_alignment="center"):
        words = f"A finer map, every {stride} pixels"
        bar = st.progress(0.0, words, width=280)
        st.button("Keep the coarse map", on_click=lambda: state.change(stride=now))
    session.engine().quality(photo, reference, stride, told(bar, words))
    refined: dict[tuple[str, str], tuple[int, ...]] = st.session_state[REFINED]
    refined[key] = (*refined.pop(key, ()), stride)
    for old in list(refined)[:-MOST_REFINED]:
        del refined[old]
    st.rerun()


def question(choice: QualityChoice, given: Judged, result: QualityResult) -> None:
    """The question as a sentence with its selectors in it."""
    st.html(f"<h2>Why {result.score:.2f}, rather than Q? Judged</h2>", width="content")
    st.selectbox(
        "Judged", [WITH, WITHOUT] if given.reference else [WITHOUT], label_visibility="collapsed", width=250,
        format_func=lambda way: f"{way} the {'undistorted photo' if given.original else 'reference'}"
        if given.reference else "without a reference",
        **state.bound("quality_judge", choice.judge if given.reference else WITHOUT, "judge", among=(WITH, WITHOUT)),
    )  # fmt: skip
    st.html("<h2>in patches every</h2>", width="content")
    st.selectbox(
        "Distance of patches", [0, *STRIDES], label_visibility="collapsed", width=190,
        format_func=lambda stride: f"{stride} pixels" if stride else f"{result.stride} pixels (usual)",
        help="Closer patches give finer maps and cost the square.",
        **state.bound("quality_stride", choice.stride or 0, "stride", lambda stride: stride or None),
    )  # fmt: skip


def fitting(given: Judged) -> None:
    """Why the reference cannot be used as it is, and what can be done about it."""
    if not given.problem and not given.suggestion:
        return
    with st.container(border=True, key="fitting"):
        if given.problem:
            refused(given.problem)
        else:
            st.warning(given.suggestion, icon=":material/warning:")
        with st.container(horizontal=True):
            if given.problem:
                st.button("Crop both to the common size", on_click=lambda: state.change(fit=CROP),
                          icon=":material/crop:")  # fmt: skip
            st.button("Move one over the other", on_click=lambda: state.change(fit=ALIGN), icon=":material/open_with:")
            if given.problem:
                st.caption("Until then the photo is judged without its reference.")


def body(choice: QualityChoice, given: Judged, result: QualityResult, row: list[Panel]) -> None:
    """The score, the curve, the lab, and the maps."""
    with st.container(key="judged"):
        score, speaks, distort = st.columns([1, 1.25, 2], gap="medium")
    with score, st.container(key="score"):
        quality_dial(result, key="dial", panel=ANY_Q, q=FIRST_Q)
        said(given, result)
    with speaks, st.container(key="speaks"):
        st.markdown("**How much of the photo speaks against each Q**")
        st.plotly_chart(figure(result), key="curve", config={"displayModeBar": False})
    with distort, st.container(key="distort"):
        if given.original is not None:
            st.markdown("**Distortion lab**")
            lab(choice, given)
        else:
            st.markdown("**The photo and its reference**")
            beside(given)
    under = panel_photo(given.photo)
    quality_magnifier(
        under, given.photo, given.reference, result, key="magnifier",
        beside="Undistorted" if given.original else "Its reference",
    )  # fmt: skip
    map_panel(under, row, key="maps", columns=4)
    about(result)


def said(given: Judged, result: QualityResult) -> None:
    """The score in words."""
    st.caption(
        f"{opinion(result):.1f} of 9 on TID2013’s opinion scale. Looks like: {looks(result, 2)}. "
        f"{result.note[0].upper()}{result.note[1:]}."
    )
    for note in given.notes:
        st.caption(note)


def beside(given: Judged) -> None:
    """An uploaded pair, side by side."""
    for place, photo, words in zip(
        st.columns(2), (given.photo, given.reference), ("The photo", "Its reference"), strict=True
    ):
        with place:
            if photo is None:
                st.caption("Not used: see above.")
            else:
                width, height = photo.size
                picture(thumbnail(photo), f"{words}, {width} × {height}", words)


def about(result: QualityResult) -> None:
    """Where the scores come from, and what the signs mean."""
    st.caption(
        "Orange keeps the score above Q, blue (hatched) holds it below Q; both on one scale, the 99.5th percentile of "
        f"the four marked Q. The {result.kind} network judges patches after Bosse et al. (2018), trained on TID2013’s "
        "opinion scores; what its viewers did not see, it does not know."
    )


style()
st.html(CSS)
page()
