"""Words that come from elsewhere, shown as they are: what Streamlit writes it reads as Markdown."""

import re

import streamlit as st

_MARKS = re.compile(r"[\\`*_\[\]$~<>#|]|:(?=\S)|^\s*[-+=]|(?<=\d)[.)](?=\s)", re.MULTILINE)
"""What is Markdown, or a word of Streamlit's own such as :red[…]: anywhere, or where a line begins."""


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return _MARKS.sub(r"\\\g<0>", text)


def refused(problem: object) -> None:
    """Say in a sentence of the app what is wrong; it may hold the name of a person's file."""
    st.error(plain(str(problem)), icon=":material/error:")
