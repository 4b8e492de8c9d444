"""Files of fixations: CSV tables, fixation maps as pictures, and the MATLAB files of the usual data sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from engine.errors import DataError, ImageError
from engine.fixations import Fixations, Size, inside, merge, nobody
from engine.images import MAX_PIXELS, decode, plain_name
from engine.matfile import Value, read_mat

MAX_BYTES = 64 * 2**20
COLUMNS = ("image", "subject", "x", "y", "duration_ms")
_SYNONYMS = {
    "image": ("image", "filename", "file", "stimulus", "photo"),
    "subject": ("subject", "observer", "participant", "viewer", "user"),
    "x": ("x", "fix_x", "x_px"),
    "y": ("y", "fix_y", "y_px"),
    "duration_ms": ("duration_ms", "duration", "dur", "fix_duration"),
}


@dataclass(frozen=True, eq=False)
class Table:
    """Fixations of several photos as a table of columns, in the file's order, not yet checked for size."""

    image: np.ndarray
    x: np.ndarray
    y: np.ndarray
    subject: np.ndarray
    duration_ms: np.ndarray

    @property
    def images(self) -> tuple[str, ...]:
        """The photos' names in order of appearance; ("",) where the table names none."""
        return tuple(dict.fromkeys(self.image.tolist()))

    def of(self, image: str, size: Size, outside: Literal["refuse", "drop"] = "refuse") -> Fixations:
        """One photo's fixations, found by its file name, or else by that without the suffix.

        A table that names no photos belongs to the photo that is asked for.
        """
        image = plain_name(image)
        rows = np.ones(len(self.image), bool) if self.images == ("",) else self.image == image
        if not rows.any():
            stems = np.array([Path(name).stem for name in self.images])
            named = [n for n, stem in zip(self.images, stems, strict=True) if stem == Path(image).stem]
            rows = np.isin(self.image, named)
        if not rows.any():
            raise DataError(
                f"The fixations name {_listed(self.images)} but not {image or 'this photo'}; check the image column."
            )
        columns = self.x[rows], self.y[rows], size, self.subject[rows], self.duration_ms[rows]
        return inside(*columns) if outside == "drop" else Fixations(*columns)


def read_csv(content: bytes, title: str = "The fixation file") -> Table:
    """Read a table with the columns x and y and, if wanted, image, subject and duration_ms.

    UTF-8, separated by comma, semicolon or tab, with a header line; the columns may be in any order and have
    usual other names (``observer``, ``filename``, ``duration``).

    Raises:
        DataError: empty, not text, without x or y, or with a cell that is no number (the line is told).
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"{title} is larger than {MAX_BYTES // 2**20} MB; split it.")
    try:
        text = content.decode("utf-8-sig")
        lines = text.splitlines()
        header = next((line for line in lines if line.strip()), "")
        delimiter = max(",;\t", key=header.count)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in next((r for r in rows if any(r)), [])]
        places = {
            column: next((names.index(s) for s in synonyms if s in names), None)
            for column, synonyms in _SYNONYMS.items()
        }
        if places["x"] is None or places["y"] is None:
            found = plain_name(", ".join(names)) or "none"
            raise DataError(f"{title} needs a header line with the columns x and y; found: {found}.")
        return _table(rows, places, title)
    except UnicodeDecodeError as error:
        raise DataError(f"{title} is not a text in UTF-8; save the table as CSV.") from error
    except csv.Error as error:
        raise DataError(f"{title} is not a well-formed CSV table; save it again.") from error


def _table(rows: Iterable[list[str]], places: Mapping[str, int | None], title: str) -> Table:
    """The table's body, each row checked."""
    columns: dict[str, list] = {column: [] for column in COLUMNS}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = {c: row[i].strip() if i is not None and i < len(row) else "" for c, i in places.items()}
        line = getattr(rows, "line_num", 0)
        columns["x"].append(_number(cells["x"], "x", line, title))
        columns["y"].append(_number(cells["y"], "y", line, title))
        duration = cells["duration_ms"]
        columns["duration_ms"].append(_number(duration, "duration", line, title) if duration else np.nan)
        columns["image"].append(plain_name(cells["image"]))
        columns["subject"].append(plain_subject(cells["subject"]))
    if not columns["x"]:
        raise DataError(f"{title} has no rows; give at least one fixation.")
    return Table(
        np.array(columns["image"]),
        np.array(columns["x"]),
        np.array(columns["y"]),
        np.array(columns["subject"]),
        np.array(columns["duration_ms"]),
    )


def _number(cell: str, column: str, line: int, title: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        shown = plain_name(cell[:20]) or "nothing"
        raise DataError(f"{title} has {shown} instead of a number in line {line}, column {column}.")
    return value


def plain_subject(name: str) -> str:
    """A subject's name without characters that a page or a spreadsheet would act upon."""
    return plain_name(name).strip("=+-@ .")


def write_csv(fixations: Mapping[str, Fixations]) -> str:
    """The table of several photos' fixations by photo name; :func:`read_csv` reads it back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for image, one in fixations.items():
        for x, y, subject, duration in zip(one.x, one.y, one.subject, one.duration_ms, strict=True):
            shown = "" if np.isnan(duration) else f"{duration:.10g}"
            writer.writerow([plain_name(image), plain_subject(subject), repr(float(x)), repr(float(y)), shown])
    return buffer.getvalue()


def read_fixations(content: bytes, size: Size, image: str = "", name: str = "") -> Fixations:
    """Read one photo's fixations from a file of any kind: CSV, a fixation map as a picture, or MATLAB.

    Args:
        content: the file.
        size: the photo's width and height, to which the file's positions must belong.
        image: the photo's name, to choose rows where a table holds several photos.
        name: the file's name for error messages; its suffix is not trusted.

    Raises:
        DataError: one sentence on what is wrong with the file.
    """
    title = f"The file {plain_name(name)}" if plain_name(name) else "The fixation file"
    if not content.strip():
        raise DataError(f"{title} is empty; give at least one fixation.")
    if len(content) > MAX_BYTES:
        raise DataError(f"{title} is larger than {MAX_BYTES // 2**20} MB; split it.")
    if content[:6] == b"MATLAB" or content[:4] == b"\x89HDF":
        return from_matlab(read_mat(content, title), size, image, title)
    if content[:4] in (b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*") or content[:2] in (b"\xff\xd8", b"BM"):
        return from_map(content, size, title)
    return read_csv(content, title).of(image, size)


def from_map(content: bytes, size: Size, title: str = "The fixation map") -> Fixations:
    """The fixated pixels of a picture in which they are bright on black (above half of its maximum).

    The centre of each such pixel is one fixation, scaled to the photo. A blurred density holds no fixations
    and is refused.
    """
    try:
        grey = decode(content, max_side=MAX_PIXELS).pixels.max(axis=2)
    except ImageError as error:
        raise DataError(f"{title} is a picture that cannot be read; save it as PNG.") from error
    if not grey.any():
        raise DataError(f"{title} is black all over: it marks no fixation.")
    marked = grey > grey.max() / 2
    if marked.mean() > 0.02:
        raise DataError(
            f"{title} marks {marked.mean():.0%} of its pixels, as a blurred density does; "
            "give single bright pixels on black."
        )
    return from_mask(marked, size, title)


def from_mask(mask: np.ndarray, size: Size, title: str = "The fixation map") -> Fixations:
    """The pixels that are not zero in (H, W), as fixations of a photo of the given size and the same shape."""
    height, width = mask.shape
    if abs(width * size[1] - height * size[0]) > 0.02 * width * size[1]:
        raise DataError(
            f"{title} has {width} x {height} pixels, the photo {size[0]} x {size[1]}: "
            "their proportions differ, so check that they belong together."
        )
    y, x = np.nonzero(mask)
    if not len(x):
        raise DataError(f"{title} marks no fixation.")
    return Fixations(x + 0.5, y + 0.5, (width, height)).scaled(size)


def from_matlab(variables: Mapping[str, Value], size: Size, image: str = "", title: str = "The file") -> Fixations:
    """One photo's fixations from a MATLAB file of a usual data set, positions outside the photo left out.

    Known are: ``fixLocs``, a map (H, W) (CAT2000); ``gaze``, a structure with ``fixations`` (N, 2), counted
    from 1 (SALICON); ``fixations`` with ``img`` and ``subjects`` (OSIE; needs the photo's name); ``x`` and
    ``y``; and a single matrix of two columns.
    """
    found: Fixations | None = None
    gaze, entries = variables.get("gaze"), variables.get("fixations")
    if isinstance(variables.get("fixLocs"), np.ndarray):
        found = from_mask(_matrix(variables["fixLocs"], title), size, title)
    elif isinstance(gaze, list):
        found = _from_gaze(gaze, size, title)
    elif isinstance(entries, list):
        found = osie_table(entries, title).of(image, size, outside="drop")
    elif isinstance(variables.get("x"), np.ndarray) and isinstance(variables.get("y"), np.ndarray):
        x, y = _vector(variables["x"]), _vector(variables["y"])
        if len(x) != len(y):
            raise DataError(f"{title} has x and y of different lengths; it is damaged.")
        found = inside(x, y, size)
    else:
        matrices = [v for v in variables.values() if isinstance(v, np.ndarray) and v.ndim == 2 and v.shape[1] == 2]
        if len(matrices) == 1:
            found = inside(matrices[0][:, 0], matrices[0][:, 1], size)
    if found is None:
        names = plain_name(", ".join(variables)) or "nothing"
        raise DataError(f"{title} holds {names}, which is not a known layout; give x and y, or a CSV table.")
    if not len(found):
        raise DataError(f"{title} has no fixation inside the photo of {size[0]} x {size[1]} pixels.")
    return found


def _from_gaze(gaze: Sequence, size: Size, title: str) -> Fixations:
    """SALICON: one structure a viewer, positions counted from 1."""
    parts = []
    for number, viewer in enumerate(gaze):
        points = _matrix(viewer.get("fixations") if isinstance(viewer, dict) else None, title)
        if points.size:
            if points.shape[1] != 2:
                raise DataError(f"{title} has gaze data without two columns; give x and y.")
            parts.append(inside(points[:, 0] - 1, points[:, 1] - 1, size, np.full(len(points), str(number))))
    return merge([nobody(size), *parts])


def osie_table(entries: Sequence, title: str = "The file") -> Table:
    """OSIE's fixations.mat: for each photo ``img`` and ``subjects`` with fix_x, fix_y, fix_duration."""
    columns: dict[str, list] = {column: [] for column in COLUMNS}
    for entry in _structures(entries):
        if not isinstance(entry.get("img"), str) or not isinstance(entry.get("subjects"), list):
            raise DataError(f"{title} has fixations without img and subjects; it is not laid out as OSIE's.")
        for number, viewer in enumerate(_structures(entry["subjects"])):
            x, y = _vector(viewer.get("fix_x")), _vector(viewer.get("fix_y"))
            duration = _vector(viewer.get("fix_duration"))
            if len(x) != len(y):
                raise DataError(f"{title} has fix_x and fix_y of different lengths; it is damaged.")
            columns["x"].append(x)
            columns["y"].append(y)
            columns["duration_ms"].append(duration if len(duration) == len(x) else np.full(len(x), np.nan))
            columns["image"].append(np.full(len(x), plain_name(entry["img"])))
            columns["subject"].append(np.full(len(x), str(number)))
    if not columns["x"]:
        raise DataError(f"{title} has no fixations.")
    return Table(*(np.concatenate(columns[c]) for c in ("image", "x", "y", "subject", "duration_ms")))


def _structures(values: Sequence) -> list[dict]:
    """The dicts in nested lists: MATLAB wraps each structure in a cell."""
    flat: list[dict] = []
    for value in values:
        if isinstance(value, dict):
            flat.append(value)
        elif isinstance(value, list):
            flat.extend(_structures(value))
    return flat


def _matrix(value: object, title: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.ndim != 2:
        raise DataError(f"{title} has no matrix where one is expected; it is not laid out as usual.")
    return value


def _vector(value: object) -> np.ndarray:
    return np.asarray(value, float).ravel() if isinstance(value, np.ndarray) else np.zeros(0)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{len(names)} images ({shown}, ...)" if len(names) > 3 else shown
