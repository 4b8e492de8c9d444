"""Fixations on the photo that the page "Layers" shows: those of this session, where they belong to this very photo."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

from engine import Map
from engine.errors import ExplorerError
from engine.fixation_files import read_csv
from engine.fixations import Fixations
from engine.images import Photo
from engine.layer_stats import nss
from pages.widgets import fixation_data, fixation_state
from pages.widgets.fixation_source import gathered
from pages.widgets.fixation_state import DATA, FILE, remember


def fixations_on(photo: Photo) -> Fixations | None:
    """What the session knows of where people looked on this photo; None where that is nothing.

    Clicks and a data set's fixations belong to their photo by its content; a file's where the file names the photo.
    """
    looking = fixation_state.current()
    found: Fixations | None = gathered().on(photo)
    try:
        if looking.source == DATA:
            found = _of_data(photo, looking.data, looking.item) or found
        elif looking.source == FILE:
            found = _of_file(photo) or found
    except ExplorerError:
        pass  # the page "Human saliency" says what is wrong with them
    return found if found is not None and len(found) else None


def scored(found: Map, key: Hashable, fixations: Fixations | None) -> float | None:
    """The NSS of a map, kept for the session under `key`; None without fixations."""
    if fixations is None:
        return None
    told = (fixations.size, fixations.x.tobytes(), fixations.y.tobytes())
    return remember(("nss", key, hash(told)), lambda: nss(found, fixations))


def _of_data(photo: Photo, name: str, item: str) -> Fixations | None:
    folders = fixation_data.offered()
    if not folders:
        return None
    folder = str(folders[name] if name in folders else next(iter(folders.values())))
    data = fixation_data.opened(folder).data
    known = item if item in data.names else data.names[0]
    if fixation_data.photo_in(folder, known).digest != photo.digest:
        return None
    return data.fixations[known]


def _of_file(photo: Photo) -> Fixations | None:
    given = st.session_state.get("fixations_given")
    if given is None:
        return None
    name, content = given
    table = read_csv(content, f"The file {name}")
    return table.of(photo.name, photo.size) if table.images != ("",) else None
