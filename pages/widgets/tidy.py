"""Garbage is collected between people's clicks, not behind each of them.

Streamlit does it after every run of a page, before the browser has been sent all of it: among the half million objects
that torch brings along that takes longer than a new map does. So `.streamlit/config.toml` forbids it, and this does it.
"""

import gc
import threading
import time

import streamlit as st

PAUSE = 10.0
"""Seconds between two collections, where anything was done in between."""


@st.cache_resource(show_spinner=False)
def tidy() -> threading.Thread:
    """Collect garbage now and then, for as long as the server runs."""
    thread = threading.Thread(target=_collect, name="tidy", daemon=True)
    thread.start()
    return thread


def _collect() -> None:
    while True:
        time.sleep(PAUSE)
        tidied()


def tidied() -> bool:
    """Collect garbage where more was done since the last time than a server does that nobody visits; whether it was."""
    if not gc.get_count()[1]:
        return False
    gc.collect()
    return True
