"""How the scores depend on layer, smoothing, options and damage: computed step by step, drawn as the results come."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from engine import Model
from engine.human import CANDIDATES, CENTRE, Scores, Truth
from engine.human_curves import (
    DEGRADATIONS,
    Degradation,
    Effect,
    Level,
    Point,
    by_damage,
    by_layer,
    by_option,
    by_smoothing,
    degradation,
    drop,
)  # fmt: skip
from engine.images import encode_jpeg
from engine.render import overlay
from engine.scores import SCORES, Score
from pages.widgets import fixation_state, session
from pages.widgets.fixation_scores import BEST, REFERENCE, help_of, look_of, score_columns
from pages.widgets.fixation_state import ROWS, Looking, title_of
from pages.widgets.fixation_study import Study
from pages.widgets.picture import picture
from pages.widgets.work import going, wanted

T = TypeVar("T")

ONE_PHOTO = "One photo proves little: the page “Benchmark” asks the same of a whole data set."

_KEPT = 8
_REDRAW = 1.5
"""Seconds between two drawings of a growing plot."""


def draw_layers(study: Study, truth: Truth, asked: Score) -> None:
    """One score against depth."""
    st.markdown("**Do deeper features agree more with people?** From edges on the left to meaning on the right.")
    steps = by_layer(session.engine(), study.trace, study.view, truth)
    grids = {layer.name: f"{layer.name}<br>{layer.grid}" for layer in study.trace.layers}
    centre = study.table()[CENTRE][asked.id]
    _follow(
        (study.key, "layers"), steps, "layers", lambda found, _: _lines(_by_row(found, grids), asked, "layer", centre)
    )


def draw_smoothing(study: Study, truth: Truth, asked: Score) -> None:
    """One score against smoothing."""
    st.markdown("**How much does blurring the maps help?** Eyes land near what draws them, not on one pixel of it.")
    steps = by_smoothing(session.engine(), study.trace, study.view, truth)
    centre = study.table()[CENTRE][asked.id]
    axis = "smoothing in degrees of visual angle"
    _follow((study.key, "smoothing"), steps, "smoothings", lambda found, _: _lines(_by_row(found), asked, axis, centre))


def draw_options(study: Study, truth: Truth, asked: Score) -> None:
    """What every choice of every option of contrastive saliency would score."""
    st.markdown("**What each option of contrastive saliency does**, one changed at a time; ● is what the panels show.")
    steps = by_option(session.engine(), study.trace, study.view, truth)
    _follow((study.key, "options"), steps, "choices", _effects)


def draw_robustness(study: Study, truth: Truth, model: Model, size: int | None, looking: Looking) -> None:
    """All scores of all maps on a photo that gets worse and worse, the drop table, and the maps."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Damage", [one.id for one in DEGRADATIONS], format_func=lambda name: degradation(name).title,
            **fixation_state.bound("kind", looking.kind, "kind"),
        )  # fmt: skip
        rows = [one.id for one in CANDIDATES]
        st.selectbox(
            "Map in pictures", rows, format_func=ROWS.__getitem__, width=260,
            **fixation_state.bound("pictured", looking.row, "row"),
        )  # fmt: skip
        key = (study.key, "robustness", looking.kind)
        started = key in _results() or key == st.session_state.get("robustness_wanted")
        if not started:
            st.button(
                "Measure", type="primary", icon=":material/play_arrow:",
                on_click=lambda: st.session_state.update(robustness_wanted=key),
            )  # fmt: skip
    damage = degradation(looking.kind)
    if not started:
        st.caption(
            f"The photo is damaged in {len(damage.amounts)} levels, and the network is asked afresh at each of them. "
            "People saw the sound photo: a map that depends on meaning should hardly move."
        )
        return
    steps = by_damage(
        session.engine(), model, study.photo, study.view, truth, looking.kind, size=size, fixed=study.fixed,
        tell=wanted,
    )  # fmt: skip
    _follow(key, steps, "levels", lambda found, rests: _robustness(found, damage, looking.row, rests))


# --- step by step -------------------------------------------------------------------------------------------


def _results() -> dict[Hashable, list[Any]]:
    kept: dict[Hashable, list[Any]] = st.session_state.setdefault("looking_curves", {})
    return kept


def _follow(
    key: Hashable, steps: Sequence[Callable[[], T]], words: str, draw: Callable[[Sequence[T], bool], None]
) -> None:
    """Do the steps that are not done yet, with progress and a stop, and draw what is there as it grows.

    Whatever a person does meanwhile ends this run of the page; the next one goes on where it stopped. `draw` is told
    whether the work rests: what is costly to draw can wait until then.
    """
    kept = _results()
    done: list[T] = kept.setdefault(key, [])
    for old in list(kept)[:-_KEPT]:
        del kept[old]
    status, place = st.empty(), st.empty()
    stopped = st.session_state.get("curves_stopped") == key
    if done:
        with place.container():
            draw(done, stopped or len(done) == len(steps))
    if len(done) == len(steps):
        return
    if stopped:
        with status.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Stopped after {len(done)} of {len(steps)} {words}.")
            st.button("Go on", key="curves_on", on_click=lambda: st.session_state.pop("curves_stopped", None))
        return
    tell = going(status, words.capitalize(), lambda: st.session_state.update(curves_stopped=key))
    drawn = time.monotonic()
    for step in steps[len(done) :]:
        tell(len(done) / len(steps), f"{len(done)} of {len(steps)} {words}")
        done.append(step())
        if len(done) == len(steps) or time.monotonic() - drawn > _REDRAW:
            with place.container():
                draw(done, len(done) == len(steps))
            drawn = time.monotonic()
    status.empty()


# --- drawing ------------------------------------------------------------------------------------------------

Line = Sequence[tuple[Any, float | None]]


def _by_row(found: Sequence[Point], words: Mapping[str, str] | None = None) -> dict[str, list[tuple[str, Scores]]]:
    rows: dict[str, list[tuple[str, Scores]]] = {}
    for point in found:
        rows.setdefault(point.candidate, []).append(((words or {}).get(point.at, point.at), point.scores))
    return rows


def _trace(row: str, line: Line, legend: bool = True) -> go.Scatter:
    colour, mark, dash = look_of(row)
    return go.Scatter(
        x=[at for at, _ in line], y=[value for _, value in line], name=title_of(row), legendgroup=row,
        showlegend=legend, mode="lines+markers", line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": mark, "size": 8},
        hovertemplate="%{y:.3f}",
    )  # fmt: skip


def _lines(rows: Mapping[str, Sequence[tuple[str, Scores]]], asked: Score, axis: str, centre: float | None) -> None:
    """One score of several rows, and the centre bias to compare them with."""
    figure = go.Figure([_trace(row, [(at, scores[asked.id]) for at, scores in points]) for row, points in rows.items()])
    if centre is not None:
        figure.add_hline(centre, annotation_text="centre bias", annotation_position="top left", **REFERENCE)
    figure.update_layout(
        height=340, margin={"l": 0, "r": 0, "t": 10, "b": 0}, xaxis_title=axis, yaxis_title=asked.title,
        xaxis_type="category", hovermode="x unified", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    said = "; ".join(
        f"{title_of(row)}: " + ", ".join(f"{at.replace('<br>', ' ')} {value:.2f}" for at, scores in points
                                     if (value := scores[asked.id]) is not None)
        for row, points in rows.items()
    )  # fmt: skip
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=f"{asked.title} by {axis}. {said}.")
    st.caption(f"{asked.title}: {help_of(asked)} {ONE_PHOTO}")


def _effects(found: Sequence[Effect], _: bool) -> None:
    frame = pd.DataFrame(
        [
            [one.option, f"{'● ' if one.chosen else ''}{one.choice}", *(one.scores[s.id] for s in SCORES)]
            for one in found
        ],
        columns=["Option", "Choice", *(score.title for score in SCORES)],
    )
    columns = {
        "Option": st.column_config.TextColumn(width=165),
        "Choice": st.column_config.TextColumn(width=200),
        **score_columns(),
    }
    st.dataframe(frame, hide_index=True, column_config=columns, height="content", placeholder="–")
    st.caption(f"“More”, above, sets them. {ONE_PHOTO}")


def _robustness(levels: Sequence[Level], damage: Degradation, row: str, whole: bool) -> None:
    rows = list(levels[0].scores)
    _small_multiples(levels, rows, damage)
    if whole:
        _drop_table(levels, rows, damage)
        _strip(levels, damage, row)


def _small_multiples(levels: Sequence[Level], rows: Sequence[str], damage: Degradation) -> None:
    known = [score for score in SCORES if any(levels[0].scores[row][score.id] is not None for row in rows)]
    across = 4
    titles = [score.title + ("" if score.higher_is_better else " (lower is better)") for score in known]
    figure = make_subplots(-(-len(known) // across), across, subplot_titles=titles, vertical_spacing=0.25)
    for at, score in enumerate(known):
        for row in rows:
            line = [(f"{level.amount:g}", level.scores[row][score.id]) for level in levels]
            figure.add_trace(_trace(row, line, at == 0), at // across + 1, at % across + 1)
    figure.update_xaxes(type="category", title_text=damage.unit, title_standoff=4)
    figure.update_layout(
        height=520, margin={"l": 0, "r": 0, "t": 60, "b": 0},
        legend={"orientation": "h", "y": 1.09, "yanchor": "bottom"},
    )  # fmt: skip
    said = f"Scores of {len(rows)} maps under {damage.title.lower()}, {len(levels)} levels; a table follows."
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=said)


def _drop_table(levels: Sequence[Level], rows: Sequence[str], damage: Degradation) -> None:
    """Value at the first level and drop at the last, as the tutorial's table has it."""
    first, last = (f"{damage.symbol} = {level.amount:g}" for level in (levels[0], levels[-1]))
    lines: dict[str, dict[str, str]] = {}
    moving = [one.id for one in CANDIDATES]
    for score in SCORES:
        values = {row: levels[0].scores[row][score.id] for row in rows}
        if all(value is None for value in values.values()):
            continue
        falls = {row: drop(levels, row, score.id) for row in rows}
        lines[f"{score.title} at {first}"] = _starred(values, rows, highest=score.higher_is_better)
        lines[f"{score.title}: {'drop' if score.higher_is_better else 'change'} at {last}"] = _starred(
            falls if score.higher_is_better else {row: None if f is None else -f for row, f in falls.items()},
            moving, highest=False,
        )  # fmt: skip
    frame = pd.DataFrame.from_dict(lines, orient="index").rename(columns=title_of)
    st.dataframe(
        frame, height="content", column_config={"_index": st.column_config.TextColumn("Score", width="medium")}
    )
    told = [
        f"{BEST} marks the best value and the smallest loss; centre bias and maps that were brought do not follow the "
        "photo, so they compete in the values only. A drop below 0 is a gain. Who has little loses little: read each "
        "drop beside its value."
    ]
    if damage.id == "blur":
        told.append(
            "Over many photos contrastive saliency loses least where it is not weighed by the activation (“More”), at "
            "the price of a lower value on the sound photo."
        )
    st.caption(" ".join([*told, ONE_PHOTO]))


def _starred(values: Mapping[str, float | None], among: Sequence[str], highest: bool) -> dict[str, str]:
    rounded = {row: None if value is None else round(value, 2) + 0.0 for row, value in values.items()}  # no "-0.00"
    known = [value for row in among if (value := rounded[row]) is not None]
    winner = (max if highest else min)(known, default=None)
    return {
        row: "–" if value is None else f"{BEST} {value:.2f}" if value == winner and row in among else f"{value:.2f}"
        for row, value in rounded.items()
    }


def _strip(levels: Sequence[Level], damage: Degradation, row: str) -> None:
    st.markdown(f"**{ROWS[row]}** at each level, and what the network said")
    with st.container(horizontal=True):
        for level in levels:
            found, amount = level.maps[row], f"{damage.symbol} = {level.amount:g}"
            overlaid = encode_jpeg(overlay(level.photo, found.values, extent=found.extent))
            said = f"{level.answer}, {level.probability:.0%}"
            alt = f"{ROWS[row]} at {amount}, where the network said {said}"
            picture(overlaid, f"{amount}: {said}", alt, 150)
