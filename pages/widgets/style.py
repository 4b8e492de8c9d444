"""The few lines of style that Streamlit's theme has no setting for."""

from pathlib import Path

import streamlit as st

_STYLE = Path(__file__).with_suffix(".css")


def style() -> None:
    """Put the style into the page."""
    st.html(_STYLE)
