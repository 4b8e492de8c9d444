"""Where the fixations on a photo come from: the person's own clicks, a file, or a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from engine.clicks import Clicks
from engine.errors import ExplorerError
from engine.fixation_files import read_csv, read_fixations
from engine.fixations import Fixations
from engine.human import Values
from engine.images import Photo
from pages.widgets import fixation_data, fixation_state
from pages.widgets.click_board import Looked, click_board
from pages.widgets.fixation_state import CLICKS, DATA, FILE, Looking
from pages.widgets.image_picker import SAMPLES, image_picker, sample
from pages.widgets.map_panel import PanelPhoto
from pages.widgets.session import Choice
from pages.widgets.words import refused

_WORDS = {CLICKS: "Your clicks", FILE: "A file", DATA: "A data set"}
_SUFFIXES = ["csv", "tsv", "txt", "png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "mat"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo and what is known of where people looked.

    `others` are fixations on other photos; `degree` is one degree of visual angle in the photo's pixels, where the data
    set tells it; `no_others` says why a score that needs other photos is missing; `maps` are those of other models by
    row, and `maps_told` is what is wrong with some of them.
    """

    photo: Photo
    fixations: Fixations | None
    others: Fixations | None
    degree: float | None
    no_others: str
    maps: Mapping[str, Values] = field(default_factory=dict)
    maps_told: tuple[str, ...] = ()


def scene(choice: Choice, looking: Looking) -> Scene | None:
    """Draw the choice of source and photo; None after saying what keeps the photo from being had."""
    folders = fixation_data.offered()
    can_data = bool(folders) or fixation_data.may_type()
    offered = [CLICKS, FILE, *([DATA] if can_data else [])]
    source = looking.source if looking.source in offered else CLICKS
    st.segmented_control(
        "Where people looked", offered, format_func=_WORDS.__getitem__,
        **fixation_state.bound("fixation_source", source, "source"),
    )  # fmt: skip
    if source != looking.source:
        st.info(
            "This link is about a data set, and this app was started without one: give its folder in EXPECTANCY_DATA."
        )
    if source == DATA:
        return _from_data(looking, folders)
    photo = image_picker(choice)
    if source == FILE:
        return Scene(
            photo, _from_file(photo), None, None,
            "Shuffled AUC needs fixations on other photos too: use a data set, or gather clicks on several photos.",
        )  # fmt: skip
    clicks = gathered()
    return Scene(
        photo, clicks.on(photo), clicks.others(photo), None,
        "Shuffled AUC needs clicks on other photos too: look at another sample as well.",
    )  # fmt: skip


def board(shown: Scene, photo: PanelPhoto, looking: Looking) -> None:
    """Draw the photo with its fixations and, below, what belongs to the source."""
    asks = looking.source not in (FILE, DATA)
    people = shown.fixations.subjects if shown.fixations is not None else ()
    click_board(
        photo, shown.fixations, key="board", ask=asks, person=f"person {len(people) + 1}",
        on_looked=lambda looked: _take(shown.photo, looked),
    )  # fmt: skip
    if asks:
        _class_room(shown.photo)
    elif looking.source == FILE:
        _file_chooser(shown)
    elif shown.fixations is not None:
        st.caption(f"{_count(shown.fixations)}, as the data set has them.")


def gathered() -> Clicks:
    """All clicks of this session."""
    clicks: Clicks = st.session_state.setdefault("clicks", Clicks())
    return clicks


def _count(fixations: Fixations) -> str:
    people = [person for person in fixations.subjects if person]
    of = f" of {len(people)} {'person' if len(people) == 1 else 'people'}" if people else ""
    return f"{len(fixations)} {'fixation' if len(fixations) == 1 else 'fixations'}{of}"


# --- clicks -------------------------------------------------------------------------------------------------


def _take(photo: Photo, looked: Looked) -> None:
    _try(lambda: gathered().with_person(photo, looked.person, looked.places))


def _try(make: Callable[[], Clicks]) -> None:
    """Change the clicks; what is wrong is told, and what was there stays."""
    st.session_state.pop("clicks_told", None)
    try:
        st.session_state["clicks"] = make()
    except ExplorerError as error:
        st.session_state["clicks_told"] = (False, str(error))


def _class_room(photo: Photo) -> None:
    clicks = gathered()
    here = clicks.on(photo)
    with st.container(horizontal=True, vertical_alignment="center", key="class"):
        with st.popover("A class", icon=":material/groups:", help="Gather many persons' clicks"):
            _gather(photo, clicks, here)
        if len(here):
            st.caption(f"{_count(here)}, clicked from memory")
    if "clicks_told" in st.session_state:
        good, words = st.session_state["clicks_told"]
        (st.success if good else st.error)(words)
    if not len(here):
        st.caption("No eye tracker was here: the sample photos come without fixations, until you give some.")


def _gather(photo: Photo, clicks: Clicks, here: Fixations) -> None:
    st.markdown("Each person looks, clicks and saves; put all files together here.")
    st.download_button(
        f"Save {len(clicks)} clicks (CSV)", clicks.csv, "clicks.csv", "text/csv", on_click="ignore",
        disabled=not len(clicks), icon=":material/download:",
    )  # fmt: skip
    st.file_uploader(
        "Add clicks from files (CSV)", "csv", accept_multiple_files=True, key="clicks_files",
        on_change=lambda: _merge_files(photo),
    )  # fmt: skip
    person = st.selectbox("Take away the clicks of", ["everybody", *here.subjects], key="clicks_whose")
    st.button(
        "Take them away", icon=":material/delete:", disabled=not len(here),
        on_click=lambda: _try(lambda: clicks.without_person(photo, None if person == "everybody" else person)),
    )  # fmt: skip
    st.caption("Clicks stay in this session's memory on the computer that runs the app, and go with the session.")


def _merge_files(photo: Photo) -> None:
    photos = {photo.digest: photo} | {one.digest: one for one in map(sample, SAMPLES)}
    for file in st.session_state["clicks_files"] or ():
        told: list[str] = []

        def make(content: bytes = file.getvalue(), name: str = file.name, told: list[str] = told) -> Clicks:
            merged, words = gathered().with_table(read_csv(content, f"The file {name}"), photos.values())
            told.append(words)
            return merged

        _try(make)
        if not told:
            return
        st.session_state["clicks_told"] = (True, told[0])


# --- a file -------------------------------------------------------------------------------------------------


def _keep_file() -> None:
    given = st.session_state["fixation_file"]
    st.session_state["fixations_given"] = (given.name, given.getvalue()) if given is not None else None


def _from_file(photo: Photo) -> Fixations | None:
    st.session_state["fixation_error"] = ""
    given = st.session_state.get("fixations_given")
    if given is None:
        return None
    name, content = given
    try:
        return read_fixations(content, photo.size, photo.name, name)
    except ExplorerError as error:
        st.session_state["fixation_error"] = str(error)
        return None


def _file_chooser(shown: Scene) -> None:
    st.file_uploader(
        "Fixations on this photo", _SUFFIXES, key="fixation_file", on_change=_keep_file,
        help="A CSV table with the columns x and y, and if you like subject, duration and image, in pixels from the "
        "photo's upper left; a picture with the fixated pixels bright on black; or a MATLAB file.",
    )  # fmt: skip
    if st.session_state.get("fixation_error"):
        refused(st.session_state["fixation_error"])
    elif shown.fixations is not None:
        st.caption(_count(shown.fixations))
    else:
        width, height = shown.photo.size
        st.caption(f"CSV with x and y in this photo's {width} × {height} pixels, a fixation map, or MATLAB.")


# --- a data set ---------------------------------------------------------------------------------------------


def _from_data(looking: Looking, folders: Mapping[str, Path]) -> Scene | None:
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="data"):
        if fixation_data.may_type():
            folder = st.text_input("Folder of a data set", key="typed_folder", width=260)
            wrong = fixation_data.typed(folder)
            if wrong:
                refused(wrong)
                return None
            folders = fixation_data.offered()
        if not folders:
            st.info(
                "Type the folder of a data set: photos and a fixations.csv, OSIE, MIT1003, CAT2000, SALICON, Toronto."
            )
            return None
        name = looking.data if looking.data in folders else next(iter(folders))
        if len(folders) > 1:
            st.selectbox("Data set", list(folders), width=170, **fixation_state.bound("data_name", name, "data"))
        folder = str(folders[name])
        try:
            found = fixation_data.opened(folder)
        except ExplorerError as error:
            refused(error)
            return None
        names = found.data.names
        item = looking.item if looking.item in names else names[0]
        st.selectbox(
            f"Photo of {found.data.title}", names, width=220, **fixation_state.bound("data_item", item, "item")
        )
    try:
        photo = fixation_data.photo_in(folder, item)
    except ExplorerError as error:
        refused(error)
        return None
    maps, told = fixation_data.maps_of(found.data, item)
    return Scene(photo, found.data.fixations[item], found.others(item), found.data.degree(item), "", maps, told)
