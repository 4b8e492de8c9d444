"""The view "Surprisal": how surprised the network would be by each answer, and the arithmetic behind one of them."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine import Trace
from engine.arithmetic import channel_sum, cotangent_rows
from engine.errors import ExplorerError
from engine.foils import worth_showing
from pages.widgets import session
from pages.widgets.layers_scene import Asked, choose_foil, choose_layer, choose_order, panel_photo, words
from pages.widgets.layers_state import NEWS, SURPRISAL, known_classes, sort_of
from pages.widgets.layers_sum import layers_sum
from pages.widgets.layers_surprisal import SurprisalBar, layers_surprisal
from pages.widgets.map_panel import map_panel
from pages.widgets.words import refused
from pages.widgets.work import begin


def surprisal_view(asked: Asked) -> None:
    """Draw the bars of all answers, and beside them the arithmetic for Q."""
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        words("How surprised would it be, were the answer")
        choose_foil(asked)
        words("? Seen at")
        choose_layer(asked)
    with st.container(horizontal=True, vertical_alignment="bottom", key="order"):
        choose_order(asked)
    with st.container(key="body"):
        answers, arithmetic = st.columns([2, 5], gap="medium")
    with answers:
        _answers(asked)
    with arithmetic:
        _arithmetic(asked)


def _answers(asked: Asked) -> None:
    trace = asked.trace
    usual = worth_showing(trace.answer)
    further = [index for index in known_classes(asked.chosen, trace) if index not in usual]
    tell = begin((SURPRISAL, *trace.key, asked.layer, *usual), f"Asking about {len(usual)} answers")
    if tell is None:
        return
    ask = partial(session.engine().surprisal, trace, asked.layer)
    try:
        found = [ask(usual, tell), *(ask((index,)) for index in further)]
    except ExplorerError as error:
        tell(1.0)
        refused(error)
        return
    values = {index: float(value) for each in found for index, value in zip(each.foils, each.values, strict=True)}
    order = worth_showing(trace.answer, further)
    if sort_of(asked.chosen) == NEWS:
        order = tuple(sorted(order, key=values.__getitem__, reverse=True))
    bars = [SurprisalBar(i, asked.name(i), float(trace.answer.probabilities[i]), values[i]) for i in order]
    st.markdown("**Surprisal of each answer**")
    st.caption(
        f"How much the weights “{found[0].parameter}” would have to change, were that the answer: the norm of the "
        "gradient of CE(z, Q). Click a bar to make it Q."
    )
    layers_surprisal(bars, asked.fact, asked.foil, key="surprisal", on_foil=lambda index: session.change(foil=index))


def _arithmetic(asked: Asked) -> None:
    trace = asked.trace
    try:
        found = channel_sum(trace, asked.layer, asked.foil)
        shown = asked.panel("contrast", "contrast", asked.layer, asked.fact, asked.foil)
    except ExplorerError as error:
        refused(error)
        return
    first, second = st.columns([4, 5], gap="medium")
    with first:
        st.markdown("**1. At the answers: p − e_Q**")
        st.caption("What the network says, less what Q would demand: the gradient of the loss CE(z, Q) at the logits.")
        cotangent_table(asked.trace, asked.fact, asked.foil)
    with second:
        st.markdown(f"**2. Through the channels of {asked.layer}**")
        st.caption(
            "Each channel’s picture times its weight, the mean gradient of that loss over the map. Of all "
            f"|weight × activation| these {len(found.channels)}, the strongest, make up {found.share:.0%}. Point at a "
            "cell to add it up, or move it with the arrow keys."
        )
        layers_sum(panel_photo(asked.photo), found, shown.extent, key="sum")
    st.markdown("**3. The sum is the map**")
    map_panel(panel_photo(asked.photo), [shown], key="sum_map", can_add=False)


def cotangent_table(trace: Trace, fact: int, foil: int) -> None:
    """Draw p, e_Q and their difference for the likeliest answers."""
    rows = cotangent_rows(trace.answer, foil)
    marks: dict[int | None, str] = {fact: "P: ", foil: "Q: "}
    st.dataframe(
        {
            "answer": [f"{marks.get(row.index, '')}{row.name or f'{row.classes} others together'}" for row in rows],
            "p": [f"{row.probability:.4f}" for row in rows],
            "e_Q": [f"{row.expected:.0f}" for row in rows],
            "p − e_Q": [f"{row.difference:+.4f}".replace("-", "−") for row in rows],
        },
        hide_index=True,
        column_config={name: st.column_config.TextColumn(alignment="right") for name in ("p", "e_Q", "p − e_Q")},
    )
