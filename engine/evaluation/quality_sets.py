"""Readers of picture-quality data sets, and TID2013 made again from the Kodak photos.

All give :class:`Judged` pictures with an opinion score from 0 (bad) to 1, the higher the better.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.archive import leaves, read_file
from engine.distortions import KINDS, LEVELS
from engine.errors import DataError
from engine.images import MAX_PIXELS, decode, plain_name
from engine.matfile import read_mat
from engine.training.quality_data import TEST_REFERENCES, kodak_variants, read_opinions, variant

Pixels = NDArray[np.uint8]

MOST_BYTES = 4 * 2**20
"""Of a file of labels; the largest, KADID-10k's, has a tenth of it."""
_DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, csv.Error)
"""What reading labels raises where a column, a number or a part of a name is missing."""


@dataclass(frozen=True)
class Judged:
    """A picture people have judged: its reference's name, its distortion and level, and their score 0..1.

    `load` gives the pixels of (picture, reference), both uint8 (H, W, 3).
    """

    reference: str
    distortion: str
    level: int
    opinion: float
    load: Callable[[], tuple[Pixels, Pixels]]


def kodak(data: Path, work: Path, references: tuple[int, ...] = TEST_REFERENCES) -> list[Judged]:
    """TID2013's pictures of some references, made again from `data`/kodak, with the real opinion scores.

    Each reference counts itself as well, as a picture of the distortion "pristine" at level 0 and score 1.
    """
    opinions = read_opinions(data / "tid2013" / "mos.csv")

    def load(number: int, place: int) -> tuple[Pixels, Pixels]:
        stack = kodak_variants(data / "kodak", work, number)
        return np.array(stack[place]), np.array(stack[0])

    found = []
    for number in references:
        name = f"I{number:02d}"
        found.append(Judged(name, "pristine", 0, 1.0, partial(load, number, 0)))
        for kind in KINDS:
            for level in LEVELS:
                opinion, place = opinions[number, kind.number, level], variant(kind.number, level)
                found.append(Judged(name, kind.name, level, opinion, partial(load, number, place)))
    return found


def read_set(folder: Path) -> list[Judged]:
    """A data set as it is distributed: TID2008 or TID2013, KADID-10k, CSIQ, or LIVE release 2.

    Told apart by their label files: mos_with_names.txt, dmos.csv, csiq.csv (the sheet "all_by_image" of
    csiq.DMOS.xlsx saved as CSV), dmos.mat. Raises DataError where none is there, where it cannot be used, or where it
    names pictures that are missing or lie outside of the folder.
    """
    title = f"The folder {plain_name(folder.name)}"
    readers = {"mos_with_names.txt": _tid, "dmos.csv": _kadid, "csiq.csv": _csiq, "dmos.mat": _live}
    _listing.cache_clear()  # the folder may have changed since it was last read
    for name, reader in readers.items():
        if (folder / name).is_file():
            try:
                found = list(reader(folder, folder / name))
            except _DAMAGED as error:
                raise DataError(f"{name} is not the label file of its data set: {plain_name(str(error))}.") from error
            except OSError as error:
                raise DataError(f"{title} cannot be read; check its permissions.") from error
            if not found:
                raise DataError(f"{name} lists no pictures.")
            return found
    known = ", ".join(readers)
    raise DataError(f"{title} holds no known data set; one of {known} must be there.")


def _labels(path: Path) -> bytes:
    return read_file(path, MOST_BYTES, f"The file {path.name}")


def _rows(labels: Path) -> csv.DictReader:
    return csv.DictReader(io.StringIO(_labels(labels).decode("utf-8-sig"), newline=""))


def _tid(folder: Path, labels: Path) -> Iterator[Judged]:
    """TID2008, TID2013: lines "5.51429 i01_01_1.bmp", mean opinion scores 0..9."""
    titles = {kind.number: kind.name for kind in KINDS}
    for line in _labels(labels).decode("utf-8-sig").split("\n"):
        if not line.strip():
            continue
        score, name = line.split()
        reference, kind, level = name.rsplit(".", 1)[0].split("_")
        yield _judged(
            folder,
            f"distorted_images/{name}",
            f"reference_images/{reference}.bmp",
            titles[int(kind)],
            int(level),
            float(score) / 9,
        )


def _kadid(folder: Path, labels: Path) -> Iterator[Judged]:
    """KADID-10k: columns dist_img, ref_img, dmos; scores 1..5, 5 being best."""
    for row in _rows(labels):
        _, kind, level = row["dist_img"].rsplit(".", 1)[0].split("_")
        opinion = (float(row["dmos"]) - 1) / 4
        pictures = f"images/{row['dist_img']}", f"images/{row['ref_img']}"
        yield _judged(folder, *pictures, f"KADID {int(kind)}", int(level), opinion)


_CSIQ = {
    "noise": "awgn",
    "blur": "blur",
    "contrast": "contrast",
    "fnoise": "fnoise",
    "jpeg": "jpeg",
    "jpeg 2000": "jpeg2000",
}


def _csiq(folder: Path, labels: Path) -> Iterator[Judged]:
    """CSIQ: columns image, dst_type, dst_lev, dmos; scores 0..1, 0 being best."""
    for row in _rows(labels):
        kind, level = _CSIQ[row["dst_type"].strip().lower()], int(float(row["dst_lev"]))
        picture = f"dst_imgs/{kind}/{row['image']}.{kind}.{level}.png"
        yield _judged(folder, picture, f"src_imgs/{row['image']}.png", kind, level, 1 - float(row["dmos"]))


_LIVE = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}


def _live(folder: Path, labels: Path) -> Iterator[Judged]:
    """LIVE release 2: dmos.mat (dmos and orgs, 0..100, 0 being best) and refnames_all.mat, in the order of folders."""
    table = read_mat(_labels(labels), labels.name)
    names_path = folder / "refnames_all.mat"
    if not names_path.is_file():
        raise DataError(f"{names_path.name} is missing; it names the reference of every picture of LIVE.")
    names = read_mat(_labels(names_path), names_path.name)["refnames_all"]
    scores, originals = (np.asarray(table[key], float).ravel() for key in ("dmos", "orgs"))
    place = 0
    for kind, count in _LIVE.items():
        for index in range(1, count + 1):
            if not originals[place]:
                opinion = 1 - float(np.clip(scores[place], 0, 100)) / 100
                yield _judged(folder, f"{kind}/img{index}.bmp", f"refimgs/{names[place]}", kind, 0, opinion)
            place += 1


def _judged(folder: Path, picture: str, reference: str, distortion: str, level: int, opinion: float) -> Judged:
    if not math.isfinite(opinion):
        raise ValueError("a score is no number")
    paths = _find(folder, picture), _find(folder, reference)
    return Judged(paths[1].stem.upper(), distortion, level, opinion, lambda: (_read(paths[0]), _read(paths[1])))


def _find(folder: Path, name: str) -> Path:
    """A file by its name, whatever its case: distributions differ in theirs."""
    shown = plain_name(name)
    if leaves(name):
        raise DataError(f"The labels name a picture outside of their folder, {shown}; fetch the data set again.")
    path = _listing(folder / Path(name).parent).get(Path(name).name.lower())
    if path is None:
        raise DataError(f"The picture {shown} is missing; unpack the data set whole.")
    return path


@cache
def _listing(folder: Path) -> dict[str, Path]:
    return {path.name.lower(): path for path in folder.iterdir()} if folder.is_dir() else {}


def _read(path: Path) -> Pixels:
    """A picture as people judged it: never reduced."""
    return decode(path, max_side=MAX_PIXELS).pixels
