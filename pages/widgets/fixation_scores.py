"""The scores of all maps as a table and as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine.human import OWN, Scores, best
from engine.scores import SCORES, Score
from pages.widgets.fixation_state import ROWS, title_of

BEST = "★"
# One mark and one line for each row: told apart without colour, and seen on light and dark alike.
COLOURS = ("rgb(214,110,30)", "rgb(52,132,204)", "rgb(150,110,200)", "rgb(196,90,150)", "rgb(30,150,120)",
           "rgb(128,138,145)", "rgb(170,140,20)", "rgb(90,120,220)", "rgb(120,160,40)", "rgb(200,80,80)")  # fmt: skip
REFERENCE = {"line_dash": "dot", "line_color": "rgb(128,138,145)"}
MARKS = ("circle", "square", "triangle-up", "triangle-down", "diamond", "x", "star", "cross", "pentagon", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash", "dot", "dashdot")


def look_of(row: str) -> tuple[str, str, str]:
    """Colour, mark and dash of a row, the same in every plot."""
    # Folders of maps come after the rows that are always there, in the order in which they were named.
    at = list(ROWS).index(row) if row in ROWS else len(ROWS) - 1 + int(row.partition(":")[0].removeprefix(OWN))
    return COLOURS[at], MARKS[at], DASHES[at]


def help_of(score: Score) -> str:
    """What a score means, in one line."""
    return f"{score.meaning} {'Higher' if score.higher_is_better else 'Lower'} is better."


def score_columns(width: int = 88, digits: str | None = "%.2f") -> dict[str, Any]:
    """Streamlit's settings for a column of each score."""
    column = st.column_config.NumberColumn
    return {one.title: column(one.title, help=help_of(one), format=digits, width=width) for one in SCORES}


def score_table(table: Mapping[str, Scores]) -> None:
    """Every row's scores; the best of each column is marked by a star, and set in bold by the screen reader's text."""
    frame = pd.DataFrame(
        [[_rounded(scores[score.id]) for score in SCORES] for scores in table.values()],
        index=[title_of(row) for row in table],
        columns=[score.title for score in SCORES],
        dtype=float,
    )
    stars = {score.title: {title_of(row) for row in best(table, score, 2)} for score in SCORES}
    styled = frame.style
    for title in frame.columns:
        for row in frame.index:
            starred = row in stars[title]
            styled = styled.format(
                lambda value, starred=starred: _number(value, starred), subset=pd.IndexSlice[[row], [title]]
            )
    st.dataframe(
        styled,
        key="score_table",
        column_config={
            "_index": st.column_config.TextColumn("Map", width=182),
            **score_columns(84, None),  # a format here would hide the stars
        },
        placeholder="–",
        alt=spoken(table),
    )
    st.caption(f"{BEST} best of its column. Hover a column's title for what it means.")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # without a zero of negative sign


def _number(value: float, starred: bool) -> str:
    shown = f"{round(value, 2) + 0.0:.2f}"
    return f"{BEST} {shown}" if starred else shown


def spoken(table: Mapping[str, Scores]) -> str:
    """The winners as a sentence, for those who do not see the table."""
    said = [f"{score.title}: {' and '.join(title_of(row) for row in best(table, score, 2))}" for score in SCORES]
    return "Scores of the maps. Best in each: " + "; ".join(one for one in said if not one.endswith(": ")) + "."


def score_bars(table: Mapping[str, Scores], asked: Score) -> None:
    """One score of every row as bars, the best on top and starred, with chance as a line."""
    known = {row: value for row, scores in table.items() if (value := scores[asked.id]) is not None}
    if not known:
        return
    order = sorted(known, key=known.__getitem__, reverse=not asked.higher_is_better)
    winners = best(table, asked, 2)
    figure = go.Figure(
        go.Bar(
            x=[known[row] for row in order],
            y=[f"{BEST} {title_of(row)}" if row in winners else title_of(row) for row in order],
            text=[f"{known[row]:.2f}" for row in order],
            textposition="auto",
            orientation="h",
            marker_color=[look_of(row)[0] for row in order],
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )
    if asked.id != "kl" and asked.chance:
        figure.add_vline(asked.chance, annotation_text="chance", annotation_position="top", **REFERENCE)
    figure.update_layout(
        height=60 + 34 * len(order), margin={"l": 0, "r": 10, "t": 22, "b": 0}, xaxis_title=asked.title,
        bargap=0.25, showlegend=False,
    )  # fmt: skip
    low, high = min(0.0, *known.values()), max(0.0, *known.values())
    room = (high - low) / 8  # for the number of a short bar, which stands beside it
    figure.update_xaxes(range=[low - room if low < 0 else 0, high + room])
    said = ", ".join(f"{title_of(row)} {known[row]:.2f}" for row in reversed(order))
    st.plotly_chart(figure, key="score_bars", config={"displayModeBar": False}, alt=f"{asked.title}: {said}.")
