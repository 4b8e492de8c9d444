"""Each answer's surprisal as bars, beside the gradient at the logits in numbers."""

import streamlit as st

from engine import Trace
from engine.foils import worth_showing
from pages.widgets import session
from pages.widgets.layers_answers import cotangent_table
from pages.widgets.layers_surprisal import SurprisalBar, layers_surprisal
from pages.widgets.work import begin


def draw_surprisal(trace: Trace, fact: int, foil: int, place: str) -> None:
    """Draw both; a click on a bar makes it Q. `place` names the step."""
    key = f"lesson_q_{place}"
    foil = st.session_state.get(key, foil)
    foil = foil if foil < len(trace.answer.names) else trace.answer.runner_up
    shown = worth_showing(trace.answer, (fact, foil))
    tell = begin((*trace.key, place, *shown), f"Asking about {len(shown)} answers")
    if tell is None:
        return
    found = session.engine().surprisal(trace, None, shown, tell)
    answer = trace.answer
    bars = [
        SurprisalBar(index, answer.names[index], float(answer.probabilities[index]), float(value))
        for index, value in zip(found.foils, found.values, strict=True)
    ]
    sizes, numbers = st.columns([1, 1], gap="large")
    with sizes:
        st.markdown("**Surprisal of each answer**, likeliest on top")
        st.caption(f"The norm of the gradient of CE(z, Q) at “{found.parameter}”. Click a bar to make it Q.")
        layers_surprisal(
            bars, fact, foil, key=f"surprisal-{place}", on_foil=lambda index: st.session_state.update({key: index})
        )
    with numbers:
        st.markdown("**The gradient at the logits**, for this Q")
        cotangent_table(trace, fact, foil)
