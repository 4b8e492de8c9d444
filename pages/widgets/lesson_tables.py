"""What was measured here and what was published, one above the other."""

from functools import cache
from pathlib import Path

import streamlit as st

from engine.errors import DataError
from engine.evaluation.results import Results, order, read
from pages.widgets.benchmark_results import draw_published, table

MEASURED = Path(__file__).parents[2] / "assets" / "benchmarks" / "osie.json"


def tables() -> None:
    """Draw the results that come with the app, where there are any, and every published table with its source."""
    results = measured()
    if results is not None:
        st.markdown("**Measured here**, with this app’s embedded network")
        rows = [row for row in results.rows if not row.case.blur and not row.case.smooth]
        st.dataframe(table(order(rows, "nss")), hide_index=True, width="stretch")
        st.caption(
            f"{results.photos} photos of {results.data.upper()}, maps not smoothed; ± is half a 95 % bootstrap "
            "interval over photos. The centre bias does not look at the photo."
        )
    st.markdown("**Published**, with other networks on other photos")
    draw_published(results)


@cache
def measured() -> Results | None:
    """The results that come with the app; None where they are not there or not readable."""
    try:
        return read(MEASURED.read_bytes(), MEASURED.name)
    except (OSError, DataError):
        return None
