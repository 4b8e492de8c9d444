"""Benchmark: maps against human fixations over a whole data set, beside the published figures."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from engine import METHODS
from engine.errors import DataError
from engine.evaluation.published import PUBLISHED
from engine.evaluation.results import Results, order, read
from engine.evaluation.summary import Row
from engine.models import catalogue
from engine.scores import SCORES
from pages.widgets import benchmark_run, fixation_data
from pages.widgets.style import style

MEASURED = Path(__file__).parents[1] / "assets" / "benchmarks" / "osie.json"
TITLES = {method.id: method.title for method in METHODS}
USUAL = ("gradcam", "contrastive-saliency", "guided-backprop", "features")
SCORE_TITLES = {score.id: score.title for score in SCORES}


def page() -> None:
    st.markdown("## Do the maps agree with where people look?")
    st.markdown(
        "Every map is held against the fixations of people who looked at the same photos. "
        "Centre bias, a map that ignores the photo, is the score to beat."
    )
    results = chosen_results()
    if results is not None:
        show(results)
    st.markdown("### What was published")
    published()
    st.markdown("### Measure a data set yourself")
    measure()


def chosen_results() -> Results | None:
    """The results that are shown: a file that was opened, a run of this session, or those that come with the app."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        given = st.file_uploader("Results of a run (JSON)", type="json", key="results_file", width=420)
    sources = [(given.name, given.getvalue())] if given is not None else []
    if "benchmark_results" in st.session_state:
        sources.append(("the run of this session", st.session_state["benchmark_results"]))
    if MEASURED.is_file():
        sources.append(("the results that come with the app", MEASURED.read_bytes()))
    for name, content in sources:
        try:
            results = read(content, name)
        except DataError as error:
            st.error(str(error), icon=":material/error:")
            continue
        st.caption(
            f"Shown: {name}, {results.photos} photos of {results.data}. Intervals are 95 % bootstraps over photos."
        )
        return results
    st.info("No results are there yet: open a file, or measure a data set below.")
    return None


def show(results: Results) -> None:
    """Table and plot of one run."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        score = st.selectbox(
            "Order by", list(SCORE_TITLES), format_func=SCORE_TITLES.__getitem__, width=220, key="score"
        )
        blurs = sorted({row.case.blur for row in results.rows})
        blur = st.selectbox(
            "Photos blurred by", blurs, format_func=lambda r: f"{r:g} px" if r else "nothing", width=180
        )
    rows = order([row for row in results.rows if row.case.blur == blur or not row.case.method], score)
    st.plotly_chart(plot(rows, score), width="stretch", key="means")
    st.dataframe(
        table(rows), hide_index=True, width="stretch",
        column_config={s.title: st.column_config.TextColumn(s.title, help=s.meaning) for s in SCORES},
    )  # fmt: skip
    if results.errors:
        st.warning(f"{results.errors} photos could not be scored; the file names them.")


def name_of(row: Row) -> str:
    """A case in words: "Grad-CAM, layer4, smoothed 1°"."""
    case = row.case
    method, _, options = case.method.partition(":")
    parts = [TITLES.get(method, method.replace("-", " ").capitalize()), options.replace(":", ", "), case.layer]
    parts += [f"smoothed {case.smooth:g}°" if case.smooth else "", case.model if case.model != "embedded" else ""]
    return ", ".join(part for part in parts if part)


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a case; the best of each score carries a star."""
    best = {score.id: name_of(order(rows, score.id)[0]) for score in SCORES if rows}
    lines = []
    for row in rows:
        cells = {"map": name_of(row)}
        for score in SCORES:
            mean = row.scores.get(score.id)
            known = mean is not None and not math.isnan(mean.mean)
            star = " ★" if known and best[score.id] == name_of(row) else ""
            cells[score.title] = f"{mean.mean:.3f} ± {(mean.high - mean.low) / 2:.3f}{star}" if mean and known else "–"
        drop = row.drop.get("nss")
        cells["NSS drop"] = f"{drop.mean:.3f}" if drop else ""
        lines.append(cells)
    return pd.DataFrame(lines)


def plot(rows: Sequence[Row], score: str) -> go.Figure:
    """Means with their intervals, the best on top."""
    known = [row for row in rows if score in row.scores and not math.isnan(row.scores[score].mean)][::-1]
    means = [row.scores[score] for row in known]
    figure = go.Figure(
        go.Bar(
            x=[mean.mean for mean in means], y=[name_of(row) for row in known], orientation="h",
            error_x={
                "type": "data", "symmetric": False,
                "array": [mean.high - mean.mean for mean in means],
                "arrayminus": [mean.mean - mean.low for mean in means],
            },
            marker={"color": ["#8a979d" if not row.case.model else "#0b8a92" for row in known]},
        )
    )  # fmt: skip
    figure.update_layout(
        height=90 + 34 * len(known), margin={"l": 10, "r": 10, "t": 10, "b": 40}, xaxis_title=SCORE_TITLES[score],
    )  # fmt: skip
    return figure


def published() -> None:
    """The tutorial's tables, each with its source and what differs."""
    for tab, entry in zip(st.tabs([entry.title for entry in PUBLISHED]), PUBLISHED, strict=True):
        with tab:
            names = [catalogue.title(column) for column in entry.columns]
            lines = [
                {"map": TITLES.get(row, row), **dict(zip(names, values, strict=True))}
                for row, values in entry.rows.items()
            ]
            st.dataframe(pd.DataFrame(lines), hide_index=True, width="stretch")
            st.caption(f"Source: {entry.source}. Not as measured here: {entry.differs}")


def measure() -> None:
    """Start a run on one of the folders that this app may read, and follow it."""
    folders = fixation_data.offered()
    if not folders:
        st.markdown(
            "This app was started without a data set. Start it with `EXPECTANCY_DATA=FOLDER make run`, where the "
            "folder holds MIT1003, CAT2000, SALICON, OSIE, Toronto, or photos with a `fixations.csv` "
            "(columns image, x, y). From the command line:"
        )
        st.code(
            "expectancy evaluate saliency --data FOLDER --layers principal --blur 0,5,15,50 --json results.json", "bash"
        )
        return
    run: benchmark_run.Run | None = st.session_state.get("benchmark_run")
    if run is None or not run.going:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.selectbox("Data set", list(folders), width=200)
            limit = st.number_input("Photos at most", 1, 100_000, 20, width=160)
            methods = st.multiselect("Maps", list(TITLES), USUAL, format_func=TITLES.__getitem__, width=520)
            if st.button("Start", type="primary", disabled=not methods):
                options = ["--data", str(folders[folder]), "--limit", str(limit), "--methods", ",".join(methods)]
                st.session_state["benchmark_run"] = benchmark_run.start(options)
                st.rerun()
    if run is not None:
        follow()


@st.fragment(run_every=1.0)
def follow() -> None:
    """The progress of the run, once a second."""
    run: benchmark_run.Run = st.session_state["benchmark_run"]
    if run.going:
        st.progress(run.share, text=run.said)
        st.button(
            "Stop", on_click=benchmark_run.stop, args=(run,), help="What is done stays; the same run goes on later."
        )
        return
    results = run.results
    if results is None:
        st.warning(f"The run ended before it was done: {run.said}")
    elif st.session_state.get("benchmark_results") != results:
        st.session_state["benchmark_results"] = results
        st.rerun()
    else:
        st.success("Done: the results are shown above.")
        st.download_button("Results (JSON)", results, "results.json", "application/json", on_click="ignore")


style()
page()
