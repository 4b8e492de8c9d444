"""The results of a run over a data set on the screen: means with intervals, and what blur takes away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine import METHODS
from engine.evaluation.published import PUBLISHED, Published
from engine.evaluation.results import Results, at_best_layers, order
from engine.evaluation.saliency_work import OWN_MAP
from engine.evaluation.summary import Mean, Row, by_blur, lost
from engine.human_curves import USUAL_SMOOTHING
from engine.methods import Option
from engine.models import catalogue
from engine.models.catalogue import EMBEDDED
from engine.scores import SCORES, Score
from pages.widgets.fixation_scores import BEST, COLOURS, DASHES, MARKS, help_of

TITLES = {method.id: method.title for method in METHODS}
HERE = "“Here” is each map at the layer where it scores best in the results above. "
_BAR, _REFERENCE, _ENDS = "rgb(11,138,146)", "rgb(138,151,157)", "rgb(200,120,40)"


def draw_results(results: Results) -> None:
    """Plot and table of one run, ordered by a score that can be chosen; where photos were blurred, what that takes."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scores = {score.id: score for score in SCORES}
        chosen = st.selectbox(
            "Order by", list(scores), format_func=lambda name: scores[name].title, width=220, key="score",
        )  # fmt: skip
        maps = _narrowed(results.rows, scores[chosen])
        blurs = sorted({row.case.blur for row in maps})
        blur = 0.0 if len(blurs) < 2 else st.selectbox(
            "Photos blurred by", blurs, format_func=lambda r: f"{r:g} px" if r else "nothing", width=180,
        )  # fmt: skip
    score = scores[chosen]
    rows = order([row for row in maps if row.case.blur == blur or not row.case.model], chosen)
    st.plotly_chart(
        _bars(rows, score), width="stretch", key="means", config={"displayModeBar": False}, alt=_spoken(rows, score)
    )
    st.dataframe(
        table(rows), hide_index=True, width="stretch", column_config={
            "Map": st.column_config.TextColumn(width=360),
            **{one.title: st.column_config.TextColumn(one.title, help=help_of(one)) for one in SCORES},
        },
    )  # fmt: skip
    st.caption(f"{BEST} best of its column; ± half a 95 % interval. Hover a column’s title for what it means.")
    if results.errors:
        st.warning(f"{results.errors} photos could not be scored; the file names them.")
    if by_blur(maps):
        _draw_blur(maps, score)


def _narrowed(rows: Sequence[Row], score: Score) -> list[Row]:
    """Draw what can be chosen of a large run; gives the rows of one smoothing, of the best layers or of all."""
    smoothings = sorted({row.case.smooth for row in rows if row.case.model})
    if len(smoothings) > 1:
        smooth = st.selectbox(
            "Maps smoothed by", smoothings, width=180,
            index=smoothings.index(USUAL_SMOOTHING) if USUAL_SMOOTHING in smoothings else 0,
            format_func=lambda degrees: f"{degrees:g}°" if degrees else "nothing",
            help="In degrees of visual angle: the eye lands within about one degree of what it aims at.",
        )  # fmt: skip
        rows = [row for row in rows if row.case.smooth == smooth or not row.case.model]
    elif any(smoothings):
        st.markdown(f"Maps smoothed by {smoothings[0]:g}°.")
    best = at_best_layers(rows, score.id)
    if len(best) < len(rows) and not st.checkbox(
        "Every layer", help=f"Else each map at the one layer where its {score.title} is best on these photos."
    ):
        return best
    return list(rows)


def name_of(row: Row) -> str:
    """A case in words, but for its smoothing, which all that is shown at once have in common: "Grad-CAM, layer4"."""
    case = row.case
    method, _, options = case.method.partition(":")
    title = case.model if _is_own(row) else TITLES.get(method, method.replace("-", " ").capitalize())
    network = "" if case.model == EMBEDDED or _is_own(row) else case.model
    return ", ".join(part for part in (title, *_in_words(method, options), case.layer, network) if part)


def _in_words(name: str, options: str) -> list[str]:
    """Options as they are written on the command line, in the words that the other pages have for them."""
    known = {option.name: option for method in METHODS if method.id == name for option in method.options}
    return [_said(known.get(part.partition("=")[0]), part) for part in options.split(":") if part]


def _said(option: Option | None, part: str) -> str:
    if option is None:
        return part
    value = part.partition("=")[2]
    word = {str(choice): words for choice, words in option.choices.items()}.get(value, value)
    speaks = set(option.choices) == {True, False} and word not in ("yes", "no")
    return word if speaks else f"{option.title.lower()}: {word}"


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a case; the best of each score carries a star."""
    best = {score.id: name_of(order(rows, score.id)[0]) for score in SCORES if rows}
    lines = []
    for row in rows:
        cells = {"Map": name_of(row)}
        for score in SCORES:
            mean = row.scores.get(score.id)
            star = f"{BEST} " if best[score.id] == name_of(row) else ""
            cells[score.title] = f"{star}{mean.mean:.3f} ± {_half(mean):.3f}" if mean and _known(mean) else "–"
        lines.append(cells)
    return pd.DataFrame(lines)


def _half(mean: Mean) -> float:
    return (mean.high - mean.low) / 2


def _known(mean: Mean) -> bool:
    return not math.isnan(mean.mean)


def _with_score(rows: Sequence[Row], score: Score) -> list[tuple[Row, Mean]]:
    return [(row, row.scores[score.id]) for row in rows if score.id in row.scores and _known(row.scores[score.id])]


def _spoken(rows: Sequence[Row], score: Score) -> str:
    return f"{score.title}: " + "; ".join(f"{name_of(row)} {mean.mean:.3f}" for row, mean in _with_score(rows, score))


def _bars(rows: Sequence[Row], score: Score) -> go.Figure:
    """Means with their intervals, the best on top."""
    known = _with_score(rows, score)[::-1]
    means = [mean for _, mean in known]
    figure = go.Figure(
        go.Bar(
            x=[mean.mean for mean in means], y=[name_of(row) for row, _ in known], orientation="h",
            error_x=_ends(means) | {"color": _ENDS},
            marker={"color": [_BAR if row.case.model else _REFERENCE for row, _ in known]},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        height=70 + 34 * len(known), margin={"l": 10, "r": 10, "t": 10, "b": 40}, xaxis_title=score.title, bargap=0.25,
    )  # fmt: skip
    return figure


def _ends(means: Sequence[Mean]) -> dict[str, object]:
    """Plotly's error bars for 95 % intervals, which need not lie evenly about the mean."""
    above, below = ([abs(end - mean.mean) for mean, end in zip(means, ends, strict=True)]
                    for ends in ([mean.high for mean in means], [mean.low for mean in means]))  # fmt: skip
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.2}


def _draw_blur(rows: Sequence[Row], score: Score) -> None:
    """One score of every map against the blur of the photos, and the drops in the tutorial's form."""
    maps = by_blur(rows)
    radii = sorted({radius for _, blurred in maps for radius in blurred})
    st.markdown("### What blur takes away")
    figure = go.Figure()
    lines = []
    for at, (clean, blurred) in enumerate(maps):
        name = name_of(clean)
        points = _with_score([clean, *(blurred[radius] for radius in radii if radius in blurred)], score)
        figure.add_scatter(
            x=[f"{row.case.blur:g}" for row, _ in points], y=[mean.mean for _, mean in points], name=name,
            mode="lines+markers", error_y=_ends([mean for _, mean in points]), hovertemplate="%{y:.3f}",
            line={"color": COLOURS[at % len(COLOURS)], "dash": DASHES[at % len(DASHES)], "width": 2},
            marker={"symbol": MARKS[at % len(MARKS)], "size": 8},
        )  # fmt: skip
        mean = clean.scores[score.id]
        value = f"{mean.mean:.3f} ± {_half(mean):.3f}" if _known(mean) else "–"
        drops = [lost(blurred[radius], score) if radius in blurred else "" for radius in radii]
        lines.append([name, value, *drops])
    figure.update_layout(
        height=380, margin={"l": 0, "r": 0, "t": 10, "b": 0}, xaxis_title="radius of the blur in pixels",
        yaxis_title=score.title, xaxis_type="category", hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    said = f"{score.title} of {len(maps)} maps on photos blurred by 0 to {radii[-1]:g} pixels; a table follows."
    st.plotly_chart(figure, width="stretch", key="blur", config={"displayModeBar": False}, alt=said)
    heads = ["Map", f"{score.title} at r = 0", *(f"change at r = {radius:g}" for radius in radii)]
    st.dataframe(pd.DataFrame(lines, columns=heads), hide_index=True, width="stretch")
    st.caption(
        "Changes in percent of what a map scores above chance on the sound photos, which people saw, with intervals of "
        "95 %; “–” where that is not surely more than nothing."
    )


# --- what was published -------------------------------------------------------------------------------------


def draw_published(results: Results | None) -> None:
    """The tutorial's tables, each with its source and what differs, and beside them what these results have."""
    titles = {score.id: score.title for score in SCORES}
    tabs = st.tabs([titles[entry.score] + (" under blur" if entry.radius else "") for entry in PUBLISHED])
    for tab, entry in zip(tabs, PUBLISHED, strict=True):
        with tab:
            st.markdown(f"**{entry.title}**")
            own = {name: _here(name, entry.score, results.rows) for name in entry.rows} if results else {}
            frame = pd.DataFrame(
                [[TITLES.get(name, name), *values] for name, values in entry.rows.items()],
                columns=["Map", *(catalogue.title(column) for column in entry.columns)],
            )
            if results and any(own.values()):
                value, drop = f"here: {results.data}", f"here: drop at r = {entry.radius:g}"
                frame[value] = [_at_its_layer(own[name], entry.score) for name in entry.rows]
                if entry.radius:
                    frame[drop] = [_drop(own[name], entry, results.rows) for name in entry.rows]
            st.dataframe(frame, hide_index=True, width="stretch")
            st.caption(
                f"{HERE if any(own.values()) else ''}Source: {entry.source}. What differs there: {entry.differs}"
            )


def _here(name: str, score: str, rows: Sequence[Row]) -> Row | None:
    """The best row of a method, or of another model's maps of that name, on sound photos and not smoothed."""
    same = [
        row for row in rows
        if not (row.case.smooth or row.case.blur)
        and name.casefold() == (row.case.model.casefold() if _is_own(row) else row.case.method.partition(":")[0])
    ]  # fmt: skip
    return order(same, score)[0] if same else None


def _is_own(row: Row) -> bool:
    return row.case.method == OWN_MAP


def _at_its_layer(row: Row | None, score: str) -> str:
    if row is None or not _known(row.scores[score]):
        return "–"
    return f"{row.scores[score].mean:.4f}" + (f" at {row.case.layer}" if row.case.layer else "")


def _drop(row: Row | None, entry: Published, rows: Sequence[Row]) -> str:
    blurred = [] if row is None else [one for one in rows if one.case == replace(row.case, blur=entry.radius)]
    return f"{blurred[0].drop[entry.score].mean:.4f}" if blurred and entry.score in blurred[0].drop else "–"
