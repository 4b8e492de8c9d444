"""The question as a sentence with its selectors in it, and the network that is asked."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import Model, Trace
from engine.errors import ExplorerError, WeightsError
from engine.models import catalogue
from engine.models.catalogue import EMBEDDED
from pages.widgets import session
from pages.widgets.session import Choice
from pages.widgets.words import refused
from pages.widgets.work import going

EACH_METHODS_OWN = ""
CLASS_WIDTH = 260


def network(choice: Choice) -> Model | None:
    """Draw the choice of network; give the loaded one, or None after saying what keeps it from being loaded."""
    known = catalogue.names()
    name = choice.model if choice.model in known else EMBEDDED
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="network"):
        st.selectbox(
            "Network", known, format_func=catalogue.title, width=230, **session.bound("network_name", name, "model")
        )
        if choice.model not in known:
            st.warning("The network in this link is not known here, so the embedded one answers.")
        model = _load(name, choice.weights)
        if model is not None and len(model.sizes) > 1:
            size = choice.size if choice.size in model.sizes else model.size
            st.selectbox(
                "Input size", model.sizes, format_func=lambda side: f"{side} × {side} px", width=150,
                help="The whole photo is resized to this square before the network sees it.",
                **session.bound("network_size", size, "size"),
            )  # fmt: skip
    return model


def question(choice: Choice, trace: Trace, fact: int) -> DeltaGenerator:
    """Draw "Why P, rather than Q? seen at layer"; give the room in that sentence that is for :func:`foil_selector`."""
    principal = [layer for layer in trace.layers if layer.principal]
    grids = {layer.name: f"{layer.name} ({layer.grid})" for layer in trace.layers}
    layers = [EACH_METHODS_OWN, *(layer.name for layer in principal)]
    if choice.layer and choice.layer not in layers:
        layers.append(choice.layer)
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        st.html("<h2>Why</h2>", width="content")
        _class_selector("Fact P", fact, "fact", trace, help="The answer that is explained", width=CLASS_WIDTH)
        st.html("<h2>, rather than</h2>", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", key="question_end"):
            room = st.container(width=CLASS_WIDTH, key="question_foil")
            st.html("<h2>?</h2>", width="content")  # no line begins with it
        st.html("<h2>Seen at</h2>", width="content")
        st.selectbox(
            "Seen at layer", layers, format_func=lambda name: grids.get(name, "each method’s own layer"),
            label_visibility="collapsed", width=230, **session.bound("layer", known_layer(choice, trace), "layer"),
        )  # fmt: skip
    return room


def foil_selector(trace: Trace, foil: int) -> None:
    """Draw the choice of Q."""
    _class_selector("Foil Q", foil, "foil", trace)


def _class_selector(label: str, index: int, name: str, trace: Trace, **how: Any) -> None:
    st.selectbox(
        label, range(len(trace.answer.names)), format_func=trace.answer.names.__getitem__,
        label_visibility="collapsed", **session.bound(name, index, name), **how,
    )  # fmt: skip


def fact_and_foil(choice: Choice, trace: Trace) -> tuple[int, int]:
    """The classes asked about: those chosen, where this network has them; else its answer and its runner-up."""
    count = len(trace.answer.names)
    fact = choice.fact if choice.fact is not None and choice.fact < count else trace.answer.fact
    if choice.foil is not None and choice.foil < count:
        return fact, choice.foil
    others = [index for index, _, _ in trace.answer.top(2) if index != fact]
    return fact, (others or [fact])[0]


def known_layer(choice: Choice, trace: Trace) -> str:
    """The chosen layer, where this network has it; else "" (each method's own)."""
    return choice.layer if choice.layer in {layer.name for layer in trace.layers} else EACH_METHODS_OWN


def _load(name: str, weights: str) -> Model | None:
    """The network; nothing is downloaded before a person has asked for it."""
    wanted = "random" if weights == "random" else "default"
    megabytes = catalogue.download_size(name) if wanted == "default" else None
    if megabytes is None:
        try:
            with st.spinner(f"Loading {catalogue.title(name)} …"):
                return session.engine().load(name, wanted)
        except ExplorerError as error:
            refused(error)
            return None
    _offer(name, megabytes)
    return None


def _offer(name: str, megabytes: float) -> None:
    with st.container(border=True, key="offer"):
        st.markdown(f"**{catalogue.title(name)}**’s published weights are not on this computer.")
        with st.container(horizontal=True):
            fetch = st.button(f"Download {megabytes:.0f} MB", type="primary", icon=":material/download:")
            st.button("Use random weights", on_click=lambda: session.change(weights="random"),
                      help="Untrained: its answers mean nothing, but every map can be tried.")  # fmt: skip
            st.button("Back to the embedded network", on_click=lambda: session.change(model=EMBEDDED))
        if fetch:
            place = st.empty()
            tell = going(place, f"Downloading {catalogue.title(name)}")
            try:
                session.engine().load(name, "default", lambda done, total: tell(done / total if total else 0))
            except WeightsError as error:
                place.empty()
                refused(error)
            else:
                st.rerun()
