"""The travel from P to Q as a strip of pictures, with the two probabilities beside it."""

from collections.abc import Callable
from io import BytesIO

import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from engine import Trace
from engine.images import encode_jpeg
from engine.travel import USUAL_SMOOTHING, Pixels, Travel, difference, travel
from pages.widgets.picture import picture
from pages.widgets.work import Tell, going

SMOOTHINGS = {0.0: "pixel by pixel", USUAL_SMOOTHING: "smoothed", 4.0: "smoothed more"}
_P, _Q = "#0b8a92", "#c8501e"
_TRAVELLED = "lesson_travelled"


def draw_travel(trace: Trace, foil: int, place: str) -> None:
    """Draw the choice of Q and, once a person has set off, the travel. `place` names the step."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = [index for index, _, _ in trace.answer.top(len(trace.answer.names)) if index != trace.answer.fact]
        goal = st.selectbox(
            "Travel to Q", classes, classes.index(foil) if foil in classes else 0, key=f"goal-{place}", width=260,
            format_func=lambda index: f"{trace.answer.names[index]} ({trace.answer.probabilities[index]:.1%})",
        )  # fmt: skip
        smoothing = st.segmented_control(
            "The gradient", list(SMOOTHINGS), default=USUAL_SMOOTHING, required=True, key=f"smoothing-{place}",
            format_func=SMOOTHINGS.__getitem__,
            help="Smoothed, the way is longer and what changes is easier to see.",
        )  # fmt: skip
        key = (*trace.key, goal, smoothing)
        travelled = st.session_state.setdefault(_TRAVELLED, set())
        if st.button("Set off", type="primary", icon=":material/directions_walk:"):
            travelled.add(key)
    if key in travelled and goal is not None and smoothing is not None:
        _show(trace, _walk(trace, goal, smoothing, lambda: travelled.discard(key)), place)


def _walk(trace: Trace, goal: int, smoothing: float, on_stop: Callable[[], None]) -> Travel:
    """The travel, told step by step."""
    room = st.empty()
    shown: list[Tell] = []

    def told(step: int, fact: float, foil: float) -> None:
        if not shown:  # a travel that was made before is there at once
            shown.append(going(room, "Setting off", on_stop))
        share = min(0.99, 2 * foil / max(fact + foil, 1e-9))  # it has not arrived
        shown[0](share, f"Step {step}: p(P) {fact:.2f}, p(Q) {foil:.2f}")

    found = travel(trace, goal, smoothing, progress=told)
    room.empty()
    return found


def _show(trace: Trace, found: Travel, place: str) -> None:
    names = trace.answer.names
    if found.reached:
        st.success(found.sentence, icon=":material/flag:")
    else:
        st.warning(found.sentence, icon=":material/block:")
    for at, (column, frame, step) in enumerate(
        zip(st.columns(len(found.frames), gap="small"), found.frames, found.frame_steps, strict=True)
    ):
        fact, foil = found.probabilities[step]
        where = "Start" if at == 0 else f"Step {step}"
        with column:
            alt = f"{where}: p({names[found.fact]}) is {fact:.2f}, p({names[found.foil]}) is {foil:.2f}"
            # Where it is narrow the line breaks after the step, and nowhere else.
            picture(_jpeg(frame), f"{where}: P\u00a0{fact:.2f},\u00a0Q\u00a0{foil:.2f}", alt, "stretch")
    curve, change = st.columns([2.4, 1], gap="medium")
    with curve:
        st.plotly_chart(
            _figure(found, names[found.fact], names[found.foil]), key=f"way-{place}",
            config={"displayModeBar": False}, alt=found.sentence,
        )  # fmt: skip
    with change:
        pixels, factor = difference(found)
        words = f"What has changed, multiplied by {factor:.0f}: grey is unchanged"
        picture(_jpeg(pixels), words, words, "stretch")
        st.download_button(
            "The last picture (PNG)", lambda: _png(found), "travelled.png", "image/png", on_click="ignore",
            icon=":material/download:", help="Open it on the page Compare: the answer there is Q.",
        )  # fmt: skip


def _figure(found: Travel, fact: str, foil: str) -> go.Figure:
    """p(P) and p(Q) over the steps; the frames of the strip are marked."""
    steps = list(range(found.steps + 1))
    sizes = [9 if step in found.frame_steps else 0 for step in steps]
    shown = go.Figure()
    for at, (name, colour, dash) in enumerate(((f"P: {fact}", _P, "solid"), (f"Q: {foil}", _Q, "dash"))):
        shown.add_scatter(
            x=steps, y=found.probabilities[:, at], name=name, mode="lines+markers", customdata=found.changes,
            line={"color": colour, "dash": dash}, marker={"size": sizes, "color": colour},
            hovertemplate="%{y:.2f} after a change of %{customdata:.1f} grey levels",
        )  # fmt: skip
    shown.update_xaxes(title="step", fixedrange=True, tickformat="d", range=[-0.3, found.steps + 0.3])
    shown.update_yaxes(title="probability", range=[0, 1], fixedrange=True)
    shown.update_layout(
        height=340, margin={"l": 8, "r": 16, "t": 8, "b": 8}, hovermode="x unified",
        legend={"orientation": "h", "y": 1.12, "x": 0},
    )  # fmt: skip
    return shown


@st.cache_data(show_spinner=False, max_entries=64, scope="session")
def _jpeg(pixels: Pixels) -> bytes:
    return encode_jpeg(pixels, quality=92)


def _png(found: Travel) -> bytes:
    """The last picture exactly as the network saw it."""
    buffer = BytesIO()
    Image.fromarray(found.frames[-1]).save(buffer, "PNG")
    return buffer.getvalue()
