"""The page Lesson alone, at the root: no other page is run on the way to it."""

import engine  # noqa: F401  (first of all: it sets how torch's threads wait)

from pathlib import Path  # isort: skip

import streamlit as st

st.set_page_config(layout="wide")
st.navigation([st.Page(Path(__file__).parents[3] / "pages" / "lesson.py", title="Lesson")], position="hidden").run()
