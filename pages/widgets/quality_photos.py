"""What is judged on the page Image quality: a sample or one's own photo, distorted in the lab or beside a reference."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from engine import align, distortions
from engine.errors import ImageError
from engine.images import READABLE, Photo, decode, encode_jpeg
from pages.widgets.frontend import Parcel
from pages.widgets.image_picker import PRIVACY, SAMPLES, sample
from pages.widgets.map_panel import PanelPhoto
from pages.widgets.quality_state import ALIGN, CROP, UPLOAD, WHOLE, Box, LabStep, QualityChoice, state
from pages.widgets.words import refused
from pages.widgets.work import wanted

MAX_SIDE = 6000
"""Pixels of the longer side up to which a photo is judged at its own size: 24 megapixels at 3 to 2."""
LAB_SIDE = 1024
"""Pixels of the longer side in the lab: the strength of some distortions is found by trying."""
THUMBNAIL_SIDE = 640
CLOSE_UP_SIDE = 1024
OWN, REFERENCE = "quality_upload", "quality_reference"
_BY_CONTENT: dict[str | type[Any], Callable[[Any], Any]] = {Photo: lambda photo: photo.digest}


@dataclass(frozen=True)
class Judged:
    """The photo that is judged, its reference where there is one, and the lab's undistorted photo.

    `notes` say what was done to the photos; `problem` why there is a reference that cannot be used as it is;
    `suggestion` that the reference seems to be moved.
    """

    photo: Photo
    reference: Photo | None = None
    original: Photo | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""
    suggestion: str = ""


def picker(choice: QualityChoice) -> None:
    """Draw the row of photos, with one's own and its reference."""
    offered = [*SAMPLES, *([UPLOAD] if OWN in st.session_state else [])]
    shown = choice.photo if choice.photo in offered else "coffee"
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="photos"):
        st.segmented_control(
            "Photo", offered, format_func=lambda name: SAMPLES[name][1] if name in SAMPLES else "Your photo",
            **state.bound("quality_photo", shown, "photo"),
        )  # fmt: skip
        with st.popover("Your photo", icon=":material/add_photo_alternate:"):
            st.file_uploader(f"A photo ({READABLE})", key="quality_file", on_change=lambda: _take("quality_file", OWN))
            st.file_uploader(
                "Its undistorted original, the reference (optional)", key="quality_reference_file",
                on_change=lambda: _take("quality_reference_file", REFERENCE),
            )  # fmt: skip
            if "quality_error" in st.session_state:
                refused(st.session_state["quality_error"])
            if REFERENCE in st.session_state:
                st.button("Leave the reference out", on_click=_leave_reference, icon=":material/close:")
            st.caption(f"{PRIVACY} A photo of up to {MAX_SIDE} pixels is judged at its own size.")
    if choice.photo == UPLOAD and OWN not in st.session_state:
        st.info("This link was made with an uploaded photo, which a link cannot carry: open it with “Your photo”.")
    elif choice.photo not in (*SAMPLES, UPLOAD):
        st.warning("There is no sample of the name in this link, so the coffee is shown.")


def judged(choice: QualityChoice) -> Judged:
    """The photo and its reference, as chosen: from the lab, or a pair."""
    if choice.photo == UPLOAD and OWN in st.session_state:
        own: Photo = st.session_state[OWN]
        notes = (f"Your photo was {own.note}.",) if own.note else ()
        if REFERENCE in st.session_state:
            return _pair(own, st.session_state[REFERENCE], choice.fit, notes)
        return _in_lab(own, choice.steps, notes)
    return _in_lab(sample(choice.photo if choice.photo in SAMPLES else "coffee"), choice.steps, ())


@st.cache_data(show_spinner=False, max_entries=16, scope="session", hash_funcs=_BY_CONTENT)
def panel_photo(photo: Photo) -> PanelPhoto:
    """The photo as the browser gets it."""
    return PanelPhoto.of(photo.pil(), photo.name or "your photo")


@st.cache_data(show_spinner=False, max_entries=16, scope="session", hash_funcs=_BY_CONTENT)
def thumbnail(photo: Photo) -> bytes:
    """The photo as a small JPEG file."""
    return encode_jpeg(photo.pixels, THUMBNAIL_SIDE, 92)


@st.cache_resource(show_spinner=False, max_entries=4, scope="session", hash_funcs=_BY_CONTENT)
def close_up(photo: Photo) -> Parcel:
    """The photo for the magnifier: its very pixels up to 1024 a side, for JPEG would add damage of its own; a larger
    one reduced to that."""
    if max(photo.size) > CLOSE_UP_SIDE:
        return Parcel.of({"type": "image/jpeg"}, encode_jpeg(photo.pixels, CLOSE_UP_SIDE, 92))
    buffer = BytesIO()
    photo.pil().save(buffer, "PNG", compress_level=1)
    return Parcel.of({"type": "image/png"}, buffer.getvalue())


def _take(key: str, place: str) -> None:
    """Read what was given; on an error what was there stays."""
    st.session_state.pop("quality_error", None)
    given = st.session_state[key]
    if given is None:
        return
    try:
        st.session_state[place] = decode(given.getvalue(), name=given.name, max_side=MAX_SIDE)
    except ImageError as error:
        st.session_state["quality_error"] = str(error)
        return
    if place == OWN:
        st.session_state.pop(REFERENCE, None)  # it was another photo's
        state.change(photo=UPLOAD)
    else:
        state.change(fit="", steps=(), **({"photo": UPLOAD} if OWN in st.session_state else {}))


def _leave_reference() -> None:
    st.session_state.pop(REFERENCE, None)
    state.change(fit="")


def _in_lab(photo: Photo, steps: tuple[LabStep, ...], notes: tuple[str, ...]) -> Judged:
    if not steps:
        return Judged(photo, original=photo, notes=notes)
    original = _small(photo)
    if original.note and original is not photo:
        notes = (*notes, f"For the lab the photo was {original.note}.")
    return Judged(_distorted(original, steps), original, original, notes)


def _pair(photo: Photo, reference: Photo, fit: str, notes: tuple[str, ...]) -> Judged:
    if reference.note:
        notes = (*notes, f"The reference was {reference.note}.")
    try:
        if fit in (CROP, ALIGN):
            photo, reference, done = _fitted(photo, reference, fit)
            return Judged(photo, reference, notes=(*notes, f"The pair was fitted: {done}."))
        align.check(photo.pixels, reference.pixels)
    except ImageError as error:
        return Judged(photo, notes=notes, problem=str(error))
    shift = _moved(photo, reference)
    said = f"The photo seems to be moved against its reference by {shift}." if shift else ""
    return Judged(photo, reference, notes=notes, suggestion=said)


# These hold photos: few, found only by their content, and the same objects for all.


@st.cache_resource(show_spinner=False, max_entries=2, scope="session", hash_funcs=_BY_CONTENT)
def _small(photo: Photo) -> Photo:
    if max(photo.size) <= LAB_SIDE:
        return photo
    return decode(photo.pil(), photo.name, LAB_SIDE)


@st.cache_resource(show_spinner="Distorting the photo …", max_entries=8, scope="session", hash_funcs=_BY_CONTENT)
def _distorted(photo: Photo, steps: tuple[LabStep, ...]) -> Photo:
    done = [distortions.Step(step.kind, step.level, _mask(step.box, photo.size)) for step in steps]
    with distortions.interruptible(wanted):
        return decode(Image.fromarray(distortions.combine(photo.pixels, done)), photo.name)


@st.cache_resource(show_spinner="Fitting the pair …", max_entries=2, scope="session", hash_funcs=_BY_CONTENT)
def _fitted(photo: Photo, reference: Photo, fit: str) -> tuple[Photo, Photo, str]:
    pair = (align.crop if fit == CROP else align.align)(photo.pixels, reference.pixels)
    first, second = (
        decode(Image.fromarray(np.ascontiguousarray(pixels)), one.name, MAX_SIDE)
        for pixels, one in ((pair.picture, photo), (pair.reference, reference))
    )
    return first, second, pair.note


@st.cache_data(show_spinner="Comparing the pair …", max_entries=16, scope="session", hash_funcs=_BY_CONTENT)
def _moved(photo: Photo, reference: Photo) -> str:
    shift = align.moved(photo.pixels, reference.pixels)
    return str(shift) if shift else ""


def _mask(box: Box | None, size: tuple[int, int]) -> np.ndarray | None:
    """The region of a box in thousandths as pixels (H, W), at least one."""
    if box is None:
        return None
    width, height = size
    left, top, right, bottom = box
    mask = np.zeros((height, width), bool)
    rows = slice(top * height // WHOLE, -(-bottom * height // WHOLE))
    columns = slice(left * width // WHOLE, -(-right * width // WHOLE))
    mask[rows, columns] = True
    return mask
