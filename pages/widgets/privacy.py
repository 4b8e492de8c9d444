"""What becomes of a person's photos and clicks, in one line below every page; and a log that names none of them."""

import logging
import traceback

import streamlit as st

LINE = (
    "Your photos, clicks and maps stay in the memory of the computer that runs this app. Nobody else sees them, and "
    "they go with your session."
)


def privacy() -> None:
    """Draw the line."""
    st.caption(LINE)


def _without_words(record: logging.LogRecord) -> bool:
    """Log an error of the app itself by its kind and place: its words may name a person's file."""
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        kind, _, place = record.exc_info
        record.exc_text = "".join(["Traceback:\n", *traceback.format_tb(place), kind.__name__])
        record.exc_info = None
    return True


logging.getLogger("streamlit.error_util").addFilter(_without_words)
