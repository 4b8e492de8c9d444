"""The published figures, with what was measured here beside them."""

import math
from functools import cache
from pathlib import Path

import pandas as pd
import streamlit as st

from engine import METHODS
from engine.errors import DataError
from engine.evaluation.published import PUBLISHED, Published
from engine.evaluation.results import Results, order, read
from engine.models import catalogue
from engine.scores import SCORES

MEASURED = Path(__file__).parents[2] / "assets" / "benchmarks" / "osie.json"
_TITLES = {method.id: method.title for method in METHODS}


def tables() -> None:
    """Every published table, its source, and what differs; with the measured figures where there are any."""
    results = measured()
    for tab, entry in zip(st.tabs([_short(entry) for entry in PUBLISHED]), PUBLISHED, strict=True):
        with tab:
            beside = None if _blurred(entry) else results
            st.markdown(f"**{entry.title}**")
            shown = table(entry, beside)
            right = {name: st.column_config.TextColumn(alignment="right") for name in shown.columns[1:]}
            st.dataframe(shown, hide_index=True, width="stretch", column_config=right)
            here = (
                f" The last column was measured with this app’s embedded network on {beside.photos} photos of "
                f"{beside.data.upper()}, not smoothed; ± is half a 95 % bootstrap interval over photos."
                if beside else ""
            )  # fmt: skip
            st.caption(f"Source: {entry.source}. Not as measured here: {entry.differs}{here}")


def table(entry: Published, results: Results | None) -> pd.DataFrame:
    """One line a map; with `results` what was measured here in the last column."""
    names = [catalogue.title(column) for column in entry.columns]
    lines = [
        {"map": _TITLES.get(row, row)} | {name: f"{value:.4f}" for name, value in zip(names, values, strict=True)}
        for row, values in entry.rows.items()
    ]
    if results is None:
        return pd.DataFrame(lines)
    lines.append({"map": "Centre bias (does not look at the photo)"} | dict.fromkeys(names, ""))
    for line, row in zip(lines, (*entry.rows, ""), strict=True):
        line["here, on other photos"] = _mean(results, row, entry.score)
    return pd.DataFrame(lines)


def _blurred(entry: Published) -> bool:
    return entry.id.endswith("-robustness")


def _short(entry: Published) -> str:
    """ "NSS", "NSS under blur": what tells the tables apart."""
    title = next(score.title for score in SCORES if score.id == entry.score)
    return f"{title} under blur" if _blurred(entry) else title


@cache
def measured() -> Results | None:
    """The results that come with the app; None where they are not there or not readable."""
    try:
        return read(MEASURED.read_bytes(), MEASURED.name)
    except (OSError, DataError):
        return None


def _mean(results: Results, method: str, score: str) -> str:
    """The best mean of a method on photos as they are, unsmoothed; of the centre bias for ""."""
    rows = [
        row for row in results.rows
        if not row.case.blur and not row.case.smooth
        and (row.case.method.partition(":")[0] == method if method else not row.case.model)
    ]  # fmt: skip
    if not rows or score not in rows[0].scores:
        return "–"
    best = order(rows, score)[0]
    mean = best.scores[score]
    where = f", {best.case.layer}" if best.case.layer and best.case.layer != "input" else ""
    return "–" if math.isnan(mean.mean) else f"{mean.mean:.3f} ± {(mean.high - mean.low) / 2:.3f}{where}"
