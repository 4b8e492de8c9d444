"""Data sets of human fixations fetched from where their authors publish them, and laid out as `datasets` reads them.

Addresses and MD5 sums are those that pysaliency 0.2.22 has (``pysaliency.external_datasets``). Two kinds of files have
no hash that is publicly known, and are checked by what they are: MIT1003's fixation maps, which pysaliency does not
fetch (it computes fixations from the raw gaze by MATLAB; the address is that of the authors' page), by the zip's own
checksums, and OSIE's photos, which must be pictures. An MD5 shows that a file is the published one; the plain http of
some authors' hosts is no worry then.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import DataError, ExplorerError
from engine.evaluation.datasets import LAYOUTS, PICTURES, Layout
from engine.evaluation.runner import Progress, lock
from engine.evaluation.unpack import unpack
from engine.images import measure
from engine.models.weights import fetch

MOST_BYTES = 16 << 30
"""The largest file that is fetched."""
UNFINISHED = ".part"
"""Ends the name of a folder in which a data set is still being gathered."""
_WANTED = (*PICTURES, ".mat", ".txt")
_CSAIL = "http://people.csail.mit.edu/tjudd/WherePeopleLook"
_OSIE = "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels"
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Part:
    """A published file. `to` is its path in the data set's folder; of a zip, the folder that it is unpacked to.

    `md5` is None where no hash is publicly known.
    """

    url: str
    to: str
    md5: str | None = None
    zipped: bool = False

    @property
    def name(self) -> str:
        """What the file is called: as at its address, or else after what it holds."""
        last = urllib.parse.urlsplit(self.url).path.rsplit("/", 1)[-1]
        return last if Path(last).suffix else f"{self.to}.zip"


PARTS: dict[str, tuple[Part, ...]] = {
    "mit1003": (
        Part(f"{_CSAIL}/ALLFIXATIONMAPS.zip", "fixations", None, True),
        Part(f"{_CSAIL}/ALLSTIMULI.zip", "stimuli", "0d7df8b954ecba69b6796e77b9afe4b6", True),
    ),
    "cat2000": (
        Part("http://saliency.mit.edu/trainSet.zip", "train", "56ad5c77e6c8f72ed9ef2901628d6e48", True),
    ),
    "toronto": (
        Part(
            "http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip",
            "eyetrackingdata",
            "38d5c02217060d4d2d1a4649cc632af1",
            True,
        ),
    ),
    "osie": (
        Part(f"{_OSIE}/blob/master/data/eye/fixations.mat?raw=true", "eye/fixations.mat",
             "8efdf6fe66f38b6e70f854c7ff45aa70"),
        *(Part(f"{_OSIE}/raw/master/data/stimuli/{n}.jpg", f"stimuli/{n}.jpg") for n in range(1001, 1701)),
    ),
    "salicon": (
        Part(f"{_DRIVE}1P-jeZXCsjoKO79OhFUgnj6FGcyvmLDPj", "fixations", "462b70f4f9e8ea446ac628e46cea8d3d", True),
        Part(f"{_DRIVE}1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5", "stimuli", "eb2a1bb706633d1b31fc2e01422c5757", True),
    ),
}  # fmt: skip
"""What each data set is made of, by the id of its layout; the smaller files first."""


def by_hand(layout: Layout) -> str:
    """Where a data set is, and how its folder looks, as the end of a sentence."""
    return f"get it from {layout.source}, and lay it out as {layout.folder}"


def get(name: str, folder: Path, tell: Tell = lambda _: None) -> None:
    """Fetch a data set into `folder`, unless it lies there already. What broke off goes on where it broke.

    Until all is there it is gathered beside `folder`, in one with ``UNFINISHED`` after its name.

    Args:
        name: one of PARTS.
        folder: becomes the data set's; not there yet, or empty.
        tell: told how far it is.

    Raises:
        DataError: an unknown name, a folder with other files in it, no network (the sentence says where the data set
            is and how to lay it out), a wrong or damaged file, a full disk, or another run that fetches it now.
    """
    layout = next((one for one in LAYOUTS if one.id == name), None)
    if layout is None or name not in PARTS:
        raise DataError(f"The data set {name} cannot be fetched; those that can are {', '.join(PARTS)}.")
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not (folder.is_dir() and layout.fits(folder)):
                _gather(layout, folder, tell)
    except OSError as error:
        raise DataError(f"The folder {folder.name} cannot be written; choose another place.") from error


def _gather(layout: Layout, folder: Path, tell: Tell) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"The folder {folder.name} holds other files and not {layout.title}; name a new folder.")
    gathered = folder.with_name(folder.name + UNFINISHED)
    for number, part in enumerate(PARTS[layout.id]):
        _get(part, gathered, layout, tell, number)
    if not layout.fits(gathered):
        raise DataError(f"{layout.title} is not published as it was any more; {by_hand(layout)}.")
    if folder.exists():
        folder.rmdir()
    gathered.replace(folder)


def _get(part: Part, gathered: Path, layout: Layout, tell: Tell, number: int) -> None:
    """Fetch one part, and unpack it where it is a zip, unless that was done before."""
    path = gathered / part.to
    if path.exists():
        return
    archive = gathered / part.name if part.zipped else path
    count = len(PARTS[layout.id])
    if not archive.exists():
        few = count < 10
        words = f"MB of {part.name} ({number + 1} of {count})"
        told = _counting(tell, words, 1e6) if few else _ignore
        host = urllib.parse.urlsplit(part.url).netloc
        unreachable = f"{layout.title} could not be fetched from {host}; {by_hand(layout)}."
        check = functools.partial(_check, part=part, layout=layout)
        fetch(part.url, archive, check, unreachable, DataError, told, MOST_BYTES)
        if not few:
            tell(Progress(number + 1, count, 0, 0.0, f"files of {layout.title}"))
    if part.zipped:
        try:
            unpack(archive, path, _WANTED, _counting(tell, f"files of {part.name} unpacked"))
        except DataError as error:
            if not isinstance(error.__cause__, OSError):  # the disk was well, so the file is not: it is fetched anew
                archive.unlink()
            raise
        archive.unlink()


def _ignore(done: int, total: int) -> None:
    """Files that are many and small are counted, not weighed."""


def _counting(tell: Tell, unit: str, size: float = 1) -> Callable[[int, int], None]:
    """Tell bytes or files as progress, with the rate since the first call."""
    first: list[tuple[int, float]] = []

    def told(done: int, total: int) -> None:
        now = time.monotonic()
        if not first:
            first.append((done, now))
        before, start = first[0]
        tell(Progress(round(done / size), round(total / size), round((done - before) / size), now - start, unit))

    return told


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _check(partial: Path, part: Part, layout: Layout) -> None:
    """Whether a fetched file is the one that was published; a wrong one is deleted."""
    try:
        if part.md5 is not None:
            with partial.open("rb") as file:
                right = hashlib.file_digest(file, _md5).hexdigest() == part.md5
        elif part.zipped:
            right = zipfile.is_zipfile(partial)
        else:
            right = min(measure(partial.read_bytes(), part.name)) > 0
    except ExplorerError:
        right = False
    if not right:
        partial.unlink()
        raise DataError(
            f"{part.name} of {layout.title} is not the published file and was deleted; try again, or {by_hand(layout)}."
        )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second run from fetching into the same folder."""
    path = folder.with_name(f".{folder.name}.lock")
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock(file, folder)
        yield
    finally:
        os.close(file)
        path.unlink(missing_ok=True)
