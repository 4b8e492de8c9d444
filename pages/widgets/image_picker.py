"""Choosing the photo: a sample, a file, or the camera."""

from importlib.resources import files

import streamlit as st
from PIL import Image

from engine.errors import ImageError
from engine.images import READABLE, Photo, decode
from pages.widgets import session
from pages.widgets.session import UPLOAD, Choice
from pages.widgets.words import refused

# Photos that come with scikit-image, none is distributed here (the motorbike: Middlebury stereo benchmark, 2014):
# name -> (file, words, the part that is shown: left, upper, right, lower). A small network wants its subject large.
SAMPLES = {
    "cat": ("chelsea.png", "Cat", None),
    "motorbike": ("motorcycle_left.png", "Motorbike", None),
    "coffee": ("coffee.png", "Coffee", (130, 0, 470, 340)),
    "rocket": ("rocket.jpg", "Rocket", (210, 105, 520, 415)),
    "astronaut": ("astronaut.png", "Astronaut", (128, 0, 384, 256)),
}
PRIVACY = "It stays in this session's memory on the computer that runs the app, and goes with the session."


@st.cache_data(show_spinner=False)
def sample(name: str) -> Photo:
    """One of the sample photos."""
    file, words, part = SAMPLES[name]
    with (files("skimage.data") / file).open("rb") as content, Image.open(content) as image:
        photo = decode(image.crop(part), name=words)
    session.leases().public.add(photo.digest)
    return photo


def photo_of(choice: Choice) -> Photo:
    """The photo that is chosen; a sample where an uploaded one is no longer there."""
    if choice.photo == UPLOAD and "upload" in st.session_state:
        uploaded: Photo = st.session_state["upload"]
        return uploaded
    return sample(choice.photo if choice.photo in SAMPLES else "cat")


def image_picker(choice: Choice) -> Photo:
    """Draw the row of photos to choose from, and give the chosen one."""
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="photos"):
        offered = [*SAMPLES, *([UPLOAD] if "upload" in st.session_state else [])]
        st.segmented_control(
            "Photo",
            offered,
            format_func=_words,
            **session.bound("photo", choice.photo if choice.photo in offered else "cat", "photo"),
        )
        with st.popover("Your photo", icon=":material/add_photo_alternate:"):
            _own_photo()
    if choice.photo == UPLOAD and "upload" not in st.session_state:
        st.info(
            "This link was made with an uploaded photo, which a link cannot carry: open that photo with “Your photo”."
        )
    elif choice.photo not in (*SAMPLES, UPLOAD):
        st.warning("There is no sample of the name in this link, so the cat is shown.")
    return photo_of(choice)


def _words(name: str) -> str:
    if name != UPLOAD:
        return SAMPLES[name][1]
    # Markdown is text to a person's file name: everything that could format is escaped.
    label = st.session_state["upload"].name or "your photo"
    return "".join(f"\\{mark}" if mark in r"\`*_{}[]()#+-.!|<>~:$" else mark for mark in label)


def _own_photo() -> None:
    st.file_uploader(f"A photo ({READABLE})", key="upload_file", on_change=lambda: _take("upload_file"))
    if st.toggle("Use the camera", key="camera_on"):
        st.camera_input("Take a photo", key="upload_camera", on_change=lambda: _take("upload_camera"))
    if "upload_error" in st.session_state:
        refused(st.session_state["upload_error"])
    st.caption(PRIVACY)


def _take(key: str) -> None:
    """Read what was given; on an error the photo that was there stays."""
    st.session_state.pop("upload_error", None)
    given = st.session_state[key]
    if given is None:
        return
    try:
        st.session_state["upload"] = decode(given.getvalue(), name=given.name)
    except ImageError as error:
        st.session_state["upload_error"] = str(error)
        return
    session.change(photo=UPLOAD)
