"""Data sets of human fixations on the computer that runs the app, and folders of maps for them.

Which folders are read is up to whoever starts the app: the folder in EXPECTANCY_DATA, those given on the command line
(`streamlit run app.py -- --data FOLDER`), and the one to which the page "Benchmark" fetches data sets. Visitors can
type a path of their own only with EXPECTANCY_ALLOW_PATHS=1, since on a public host that would let them look around in
its files.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from engine.errors import DataError
from engine.evaluation.datasets import LAYOUTS, DataSet, open_data
from engine.evaluation.downloads import UNFINISHED
from engine.fixations import Fixations, Pool
from engine.human import Values
from engine.images import Photo, plain_name
from engine.map_files import check_all, maps_in, read_map_file
from pages.widgets.fixation_state import MOST_FOLDERS, brought_row
from pages.widgets.words import refused

MAY_TYPE = "EXPECTANCY_ALLOW_PATHS"


@dataclass(frozen=True, eq=False)
class Opened:
    """A data set with the fixations of all its photos pooled."""

    data: DataSet
    pool: Pool

    def others(self, name: str) -> Fixations:
        """The fixations on all photos but one, brought to that one's size."""
        return self.pool.without(self.data.names.index(name), self.data.fixations[name].size)


def may_type() -> bool:
    """Whether visitors may name folders of the computer that runs the app."""
    return os.environ.get(MAY_TYPE, "") == "1"


def offered() -> dict[str, Path]:
    """The data sets that there are: name -> folder."""
    folders = [*_given(), home()]
    if may_type() and st.session_state.get("typed_folder"):
        folders.append(Path(st.session_state["typed_folder"]))
    return {path.name: path for folder in folders for path in _data_sets(str(folder))}


def unusable() -> tuple[str, ...]:
    """A sentence on each folder that the app was started with and that holds no data set."""
    return tuple(
        f"The folder {plain_name(folder.name)}, with which the app was started, "
        f"{'holds no known data set' if folder.is_dir() else 'is not there'}; the page Benchmark tells what is known."
        for folder in _given()
        if not _data_sets(str(folder))
    )


def home() -> Path:
    """Where data sets go that are fetched: to the caches, as torchvision's weights do."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "expectancy" / "data"


def look_again() -> None:
    """Forget which data sets there are: one has just come."""
    _data_sets.clear()


@st.cache_resource(max_entries=3, show_spinner="Reading the data set …")
def opened(folder: str) -> Opened:
    """The data set in a folder; raises DataError."""
    data = open_data(Path(folder))
    return Opened(data, Pool.of(list(data.fixations.values())))


@st.cache_resource(max_entries=8, show_spinner=False)
def photo_in(folder: str, name: str) -> Photo:
    """One photo of a data set; raises DataError, ImageError."""
    return opened(folder).data.photo(name)


@st.cache_data(show_spinner=False, ttl=60)
def _data_sets(folder: str) -> list[Path]:
    """The data sets right below a folder, or else the folder itself where it is one."""
    path = Path(folder)
    try:
        below = [child for child in sorted(path.iterdir()) if child.is_dir() and _is_whole(child)]
        return below or ([path.resolve()] if _fits(path) else [])
    except OSError:
        return []


def _is_whole(folder: Path) -> bool:
    return not folder.name.endswith(UNFINISHED) and _fits(folder)


def _fits(folder: Path) -> bool:
    return any(layout.fits(folder) for layout in LAYOUTS)


def _given() -> list[Path]:
    """The folders of whoever started the app."""
    named = [part for part in os.environ.get("EXPECTANCY_DATA", "").split(os.pathsep) if part]
    return [Path(part) for part in (*named, *_arguments())]


def _arguments() -> list[str]:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--data", action="append", default=[])
    try:
        found: list[str] = parser.parse_known_args(sys.argv[1:])[0].data
    except argparse.ArgumentError:
        return []
    return found


def typed(folder: str) -> str:
    """Take a folder that a visitor typed; gives what is wrong with it, or ""."""
    if not folder:
        return ""
    try:
        opened(folder)
    except DataError as error:
        return str(error)
    return ""


# --- maps of other models -----------------------------------------------------------------------------------


def ask_for_maps(told: tuple[str, ...]) -> None:
    """Draw the field for folders of maps; `told` is what is wrong with those that are named."""
    st.text_input(
        "Folders of maps of other models", key="map_folders", placeholder="SalGAN=/maps/salgan, ML-Net=/maps/mlnet",
        help=f"Up to {MOST_FOLDERS}, with commas. Each holds a map for every photo of the data set, named as the "
        "photo: a picture, NPY or NPZ.",
    )  # fmt: skip
    for sentence in told:
        refused(sentence)


def maps_of(data: DataSet, item: str) -> tuple[dict[str, Values], tuple[str, ...]]:
    """The maps of one photo in the folders that a visitor named, by row; and what is wrong with them, in sentences."""
    named = [part.strip() for part in str(st.session_state.get("map_folders", "")).split(",") if part.strip()]
    found: dict[str, Values] = {}
    told = [f"Only the first {MOST_FOLDERS} folders of maps are shown."] if len(named) > MOST_FOLDERS else []
    for at, text in enumerate(named[:MOST_FOLDERS] if may_type() else [], start=1):
        name, equals, folder = text.rpartition("=")
        title = plain_name(name if equals else Path(folder).name)[:40] or f"maps {at}"
        try:
            files = _maps_in(folder.strip(), data.names)
            check_all(files, [item], Path(folder))
            found[brought_row(at, title)] = read_map_file(files[item], data.fixations[item].size)
        except DataError as error:
            told.append(str(error))
    return found, tuple(told)


@st.cache_data(show_spinner=False, ttl=60, max_entries=8)
def _maps_in(folder: str, photos: tuple[str, ...]) -> dict[str, Path]:
    return maps_in(Path(folder), photos)
