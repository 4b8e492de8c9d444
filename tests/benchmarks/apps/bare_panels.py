"""As little as a page with three panels and a choice of foil can be: pictures that were encoded beforehand."""

from io import BytesIO

import numpy as np
import streamlit as st
from PIL import Image

FOILS = 6
PANELS = 3
SIDE = 448


@st.cache_resource
def ready() -> list[list[bytes]]:
    """For every foil the bytes of three JPEG pictures."""

    def picture(seed: int) -> bytes:
        coarse = np.random.default_rng(seed).integers(0, 255, (14, 14, 3), dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=88)
        return buffer.getvalue()

    return [[picture(PANELS * foil + panel) for panel in range(PANELS)] for foil in range(FOILS)]


st.set_page_config(page_title="Bare", layout="wide")
st.session_state.setdefault("foil", 0)
answers, *places = st.columns(1 + PANELS)
with answers:
    for foil in range(FOILS):
        st.button(f"class {foil}", on_click=lambda foil=foil: st.session_state.update(foil=foil))
for place, picture in zip(places, ready()[st.session_state["foil"]], strict=True):
    place.image(picture)
