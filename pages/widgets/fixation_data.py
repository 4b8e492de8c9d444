"""Data sets of human fixations on the computer that runs the app.

Which folders are read is up to whoever starts the app: the folder in EXPECTANCY_DATA, and those given on the command
line (`streamlit run app.py -- --data FOLDER`). Visitors can type a path of their own only with
EXPECTANCY_ALLOW_PATHS=1, since on a public host that would let them look around in its files.
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
from engine.fixations import Fixations, Pool
from engine.images import Photo

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
    folders = [Path(part) for part in os.environ.get("EXPECTANCY_DATA", "").split(os.pathsep) if part]
    folders += [Path(part) for part in _arguments()]
    if may_type() and st.session_state.get("typed_folder"):
        folders.append(Path(st.session_state["typed_folder"]))
    return {path.name: path for folder in folders for path in _data_sets(str(folder))}


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
        below = [child for child in sorted(path.iterdir()) if child.is_dir() and _fits(child)]
        return below or ([path.resolve()] if _fits(path) else [])
    except OSError:
        return []


def _fits(folder: Path) -> bool:
    return any(layout.fits(folder) for layout in LAYOUTS)


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
