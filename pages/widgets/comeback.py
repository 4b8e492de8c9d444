"""Coming back after the server has: a browser that has found it again asks for its page anew."""

from datetime import timedelta

import streamlit as st

SELDOM = timedelta(hours=12)


@st.fragment(run_every=SELDOM)
def come_back() -> None:
    """Draw nothing, and be due again: while anything on a page is, Streamlit asks for the page when it reconnects.

    Else the page stands still as it was, and the first click after a restart is lost: for the new session it is no
    change, since there is nothing before it. Asked for anew, the page is made from its address.
    """
