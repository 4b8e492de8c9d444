"""The sanity check on the screen: a map beside those of the same network without what it learnt."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from engine import Model, human, sanity
from engine.errors import ExplorerError
from engine.human import CANDIDATES
from engine.scores import SCORES
from pages.widgets import fixation_state, session
from pages.widgets.fixation_scores import score_columns
from pages.widgets.fixation_state import ROWS, Looking
from pages.widgets.fixation_study import Study
from pages.widgets.map_panel import Panel, PanelPhoto, map_panel

_PARTS: dict[sanity.Part, tuple[str, str]] = {
    "classifier": ("Classifier random", "The last layer’s weights are drawn anew; all features are as trained."),
    "everything": ("Everything random", "All weights are drawn anew: nothing that was learnt is left."),
}


@st.cache_resource(max_entries=2, show_spinner="Drawing weights …", hash_funcs={Model: lambda model: model.key})
def _randomised(model: Model, part: sanity.Part) -> Model:
    return sanity.randomised(model, part)


def draw_sanity(study: Study, photo: PanelPhoto, looking: Looking) -> None:
    """One method with the trained weights, a random classifier, and random weights everywhere."""
    st.markdown(
        "**Does the map tell of what was learnt?** One that stays the same with random weights does not "
        "(Adebayo and others, 2018)."
    )
    rows = [one.id for one in CANDIDATES]
    st.selectbox(
        "Map", rows, format_func=ROWS.__getitem__, width=260, **fixation_state.bound("row", looking.row, "row")
    )
    candidate = next(one for one in CANDIDATES if one.id == looking.row)
    trained = study.saliency(looking.row)
    panels = [_panel("trained", "As trained", "The weights as they are.", trained, ())]
    studies = {"As trained": study}
    for part, (title, sentence) in _PARTS.items():
        try:
            trace = session.engine().trace(_randomised(study.trace.model, part), study.photo, study.trace.size)
            other = replace(study, trace=trace)
            values = other.saliency(candidate.id)
        except ExplorerError as error:
            panels.append(Panel(part, title, "", str(error), None))
            continue
        alike = human.agreement(trained, values)
        panels.append(_panel(part, title, sentence, values, (f"r = {alike:.2f} with the trained map",)))
        studies[title] = other
    map_panel(photo, panels, key="sanity_panels", can_add=False)
    if study.truth is not None:
        scores = {title: one.scores(candidate.id) for title, one in studies.items()}
        frame = pd.DataFrame([[found[s.id] for s in SCORES] for found in scores.values()], list(scores), dtype=float)
        frame.columns = pd.Index([score.title for score in SCORES])
        st.dataframe(frame, height="content", column_config=score_columns(), placeholder="–")
    st.caption(
        "Contrastive saliency and feed-forward features read trained features, and hardly ask the classifier: with a "
        "random one they change little, by their construction. With everything random, what is left tells of the "
        "photo’s contrasts and the network’s plan alone."
    )


def _panel(place: str, title: str, sentence: str, found: human.Finished, notes: tuple[str, ...]) -> Panel:
    return Panel(
        place,
        title,
        "",
        sentence,
        found.values,
        extent=found.extent,
        notes=notes,
        meaning=("more salient", ""),
        scale_group=place,
    )
