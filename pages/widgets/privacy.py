"""What becomes of a person's photos and clicks, in one line below every page."""

import streamlit as st

LINE = (
    "Your photos, clicks and maps stay in the memory of the computer that runs this app. Nobody else sees them, and "
    "they go with your session."
)


def privacy() -> None:
    """Draw the line."""
    st.caption(LINE)
