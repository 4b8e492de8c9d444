"""What a person has chosen on the page "Layers", beside the photo, network, fact and foil that all pages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine import Trace
from pages.widgets import session
from pages.widgets.state import PageState

LAYERS, FOILS, SURPRISAL = "layers", "foils", "surprisal"
VIEWS = {LAYERS: "Layers", FOILS: "All foils", SURPRISAL: "Surprisal"}
STAGES, EVERY = "stages", "every"
CONTRAST, CLASS = "contrast", "gradcam"
CELLS = {CONTRAST: "Contrast", CLASS: "Its own Grad-CAM"}
BESIDE = ("contrastive-saliency", "features", "contrast-mean", "confidence", "counterfactual")
PROBABILITY, DIFFERENCE, NEWS = "probability", "difference", "surprisal"
SORTS = {FOILS: {PROBABILITY: "Probability", DIFFERENCE: "Difference from Grad-CAM"},
         SURPRISAL: {PROBABILITY: "Probability", NEWS: "Surprisal"}}  # fmt: skip
USUAL_FOILS = 4
MOST_FOILS = 6
MOST_FOUND = 20
_NETWORK = "layers_network"


@dataclass(frozen=True)
class LayersChoice:
    """The state of the page.

    `view` is one of VIEWS; `rows` the stages of the network or every layer; `cells` what a foil's column shows, the
    contrast with it or its own Grad-CAM; `foils` the columns' class indices (none: Q and the likeliest); `beside` the
    ids of further methods; `also` the classes searched for; `sort` the order of answers.
    """

    view: str = LAYERS
    rows: str = STAGES
    cells: str = CONTRAST
    foils: tuple[int, ...] = ()
    beside: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    sort: str = PROBABILITY


_ALLOWED = {
    "view": tuple(VIEWS),
    "rows": (STAGES, EVERY),
    "cells": tuple(CELLS),
    "sort": (PROBABILITY, DIFFERENCE, NEWS),
}
_MOST = {"foils": MOST_FOILS, "also": MOST_FOUND}


def from_address(parameters: dict[str, str]) -> LayersChoice:
    """The choice in query parameters; what cannot be read is left at its usual value."""
    values: dict[str, Any] = {
        name: parameters[name] for name, allowed in _ALLOWED.items() if parameters.get(name) in allowed
    }
    for name, most in _MOST.items():
        parts = (part for part in parameters.get(name, "").split(",") if part.isascii() and part.isdecimal())
        values[name] = tuple(dict.fromkeys(int(part[:9]) for part in parts))[:most]
    asked = parameters.get("beside", "").split(",")
    values["beside"] = tuple(name for name in BESIDE if name in asked)
    return LayersChoice(**values)


def _write(name: str, value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, tuple) else str(value)


state = PageState("layers_choice", LayersChoice(), from_address, _write)


def current(network: str) -> LayersChoice:
    """The session's choice; without the classes that were chosen from another network's answers."""
    chosen = state.current()
    if st.session_state.setdefault(_NETWORK, network) != network:
        st.session_state[_NETWORK] = network
        state.change(foils=(), also=())
        chosen = state.current()
    return chosen


def publish() -> None:
    """Write both choices, the shared one and this page's, to the page's address."""
    state.publish(session.to_address(session.current()))


def foils_of(chosen: LayersChoice, trace: Trace, fact: int, foil: int) -> tuple[int, ...]:
    """The columns' foils: those chosen that this network knows; else Q and the likeliest other answers."""
    known = tuple(index for index in chosen.foils if index < len(trace.answer.names))
    if known:
        return known
    likeliest = (index for index, _, _ in trace.answer.top(USUAL_FOILS + 1) if index != fact)
    return tuple(dict.fromkeys((foil, *likeliest)))[:USUAL_FOILS]


def known_classes(chosen: LayersChoice, trace: Trace) -> tuple[int, ...]:
    """The classes searched for that this network knows."""
    return tuple(index for index in chosen.also if index < len(trace.answer.names))


def sort_of(chosen: LayersChoice) -> str:
    """The order in this view: the chosen one where the view has it."""
    return chosen.sort if chosen.sort in SORTS[chosen.view] else PROBABILITY
