"""Words that come from elsewhere, shown as they are: what Streamlit writes it reads as Markdown."""

import re

import streamlit as st

_MARKS = re.compile(r"[\\`*_\[\]$~<>#|&]|:(?=\S)|^[-+=]", re.MULTILINE)
"""What is Markdown, or a word of Streamlit's own such as :red[…]: anywhere, or where a line begins."""
_NUMBER = re.compile(r"^(\d+)(?=[.)](\s|$))", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_LINKS = re.compile(r"www(?=\.)|@|:(?=//|[\w+-]+:)", re.IGNORECASE)
"""What Streamlit makes a link or an emoji of after it has read the Markdown, where no backslash helps."""
_JOINER = "\u2060"  # takes no room


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is, without indents."""
    marked = _NUMBER.sub(r"\1\\", _MARKS.sub(r"\\\g<0>", _INDENT.sub("", text)))
    return _LINKS.sub(rf"\g<0>{_JOINER}", marked)


def refused(problem: object) -> None:
    """Say in a sentence of the app what is wrong; it may hold the name of a person's file."""
    st.error(plain(str(problem)), icon=":material/error:")
