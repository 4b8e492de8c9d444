"""What every page begins with: the few lines of style that Streamlit's theme has no setting for."""

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

_STYLE = Path(__file__).with_suffix(".css")


def style() -> None:
    """Put the style into the page.

    A folder named pages/ beside app.py makes Streamlit run a page without app.py when it is the very first thing that
    a fresh server is asked for; then the app is started over, with its navigation.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()
    st.html(_STYLE)
