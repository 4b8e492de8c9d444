"""The end of a session: when its browser has been away for a while, everything of it leaves the memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

PATIENCE = 100.0
"""Seconds that a session waits for a browser whose connection broke."""


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda name: _await_return(name))
def _present() -> str:
    """The session's name; it is released when the browser is gone."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def take_leave() -> None:
    """See to it that this session ends `PATIENCE` seconds after its browser has gone, and its uploads with it.

    Streamlit itself keeps it for two minutes, and then until somebody else goes: the last visitor's photos would lie in
    the memory of a server at rest for as long as it rests.
    """
    if runtime.exists():
        _present()


def _await_return(name: str) -> None:
    with suppress(RuntimeError):  # no loop runs here where the whole server ends
        asyncio.get_running_loop().call_later(PATIENCE, _end, name)


def _end(name: str) -> None:
    """Close the session, unless its browser has come back."""
    if runtime.exists() and not runtime.get_instance().is_active_session(name):
        runtime.get_instance().close_session(name)
