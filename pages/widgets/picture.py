"""Pictures outside the map panel, within the page itself."""

import base64
from typing import Literal

import streamlit as st


def picture(jpeg: bytes, caption: str, alt: str, width: int | Literal["stretch", "content"] = "content") -> None:
    """Show a JPEG file as a part of the page's own messages.

    Streamlit would file it under an address that others can open, and that is gone (404) when the script runs
    again before the browser has asked for it.
    """
    st.image(f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}", caption, width, alt=alt)
