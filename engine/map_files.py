"""Saliency maps that a person brings: grey pictures, or arrays in .npy or .npz files, matched to photos by name."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from engine.archive import read_file, read_member
from engine.errors import DataError, ImageError
from engine.images import decode, plain_name

MAX_BYTES = 64 * 2**20
MAX_SIDE = 2048
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".npz")
_TOLD = 3  # names of missing maps in a sentence


def maps_in(folder: Path, photos: Sequence[str]) -> dict[str, Path]:
    """The maps in a folder by the photo that each belongs to; photos without a map are left out.

    A map is named as its photo, with or without the photo's suffix: 1001.png, 1001.jpg.npy. Photos that lie in folders
    (train/a.jpg) have their maps in folders of the same names; where no two photos share a name, anywhere.

    Raises:
        DataError: no such folder, no map for any of the photos, or two for one of them.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {plain_name(folder.name) or folder}; give the folder of the maps.")
    shared = Counter(PurePosixPath(photo).stem for photo in photos)
    alone = {stem: photo for photo in photos if shared[stem := PurePosixPath(photo).stem] == 1}
    known = {str(PurePosixPath(photo).with_suffix("")): photo for photo in photos} | {photo: photo for photo in photos}
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        named = path.relative_to(folder).with_suffix("").as_posix()
        last = PurePosixPath(named).name
        owner = known.get(named) or alone.get(last) or alone.get(PurePosixPath(last).stem)
        if owner is None:
            continue
        if owner in found:
            raise DataError(
                f"The folder {folder.name} has two maps of {plain_name(owner)}, {plain_name(found[owner].name)} and "
                f"{plain_name(path.name)}; keep one."
            )
        found[owner] = path
    if not found:
        raise DataError(
            f"No map in the folder {folder.name} is named as a photo; name each as its photo, "
            f"for instance {plain_name(PurePosixPath(photos[0]).stem)}.png."
        )
    return found


def check_all(found: Mapping[str, Path], photos: Sequence[str], folder: Path) -> None:
    """Raise a DataError that names the first photos for which no map was found, where there are any."""
    missing = [plain_name(photo) for photo in photos if photo not in found]
    if missing:
        listed = ", ".join(missing[:_TOLD]) + (", ..." if len(missing) > _TOLD else "")
        many = f"the maps of {len(missing)} of {len(photos)} photos ({listed})"
        what = many if len(photos) > 1 else f"a map of {listed}"
        raise DataError(f"The folder {folder.name} lacks {what}; name each map as its photo.")


def read_map(content: bytes, size: tuple[int, int], name: str = "") -> NDArray[np.float32]:
    """The map in a file, float32 (h, w), >= 0, its longer side at most ``MAX_SIDE``.

    Args:
        content: the file. A picture counts by its brightness; an array must have two dimensions (or three of which
            one is 1). Nothing is ever unpickled.
        size: width and height of the photo; the map must have its proportions, unless it is square, as networks
            give it that see photos as squares.
        name: the file's name for messages; its suffix is not trusted.

    Raises:
        DataError: one sentence on what is wrong with the file.
    """
    title = f"The map {plain_name(name)}" if plain_name(name) else "The map"
    if len(content) > MAX_BYTES:
        raise DataError(f"{title} is larger than {MAX_BYTES // 2**20} MB; give a smaller one.")
    if content[:6] == b"\x93NUMPY":
        values = read_array(content, title)
    elif content[:4] == b"PK\x03\x04":
        values = _only(content, title)
    else:
        try:
            values = decode(content, name, max_side=MAX_SIDE).pixels.mean(2)
        except ImageError as error:
            raise DataError(f"{title} is no picture and no .npy or .npz file that can be read.") from error
    return _checked(values, size, title)


def read_map_file(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """The map in the file at `path`; see ``read_map``. Raises DataError."""
    return read_map(read_file(path, MAX_BYTES, f"The map {plain_name(path.name)}"), size, path.name)


def _checked(values: np.ndarray, size: tuple[int, int], title: str) -> NDArray[np.float32]:
    values = np.squeeze(values)
    if values.ndim != 2 or min(values.shape) < 2 or values.dtype.kind not in "fiub":
        raise DataError(f"{title} has the shape {values.shape} of {values.dtype}; a map is a table of real numbers.")
    if max(values.shape) > MAX_SIDE:
        raise DataError(f"{title} has {values.shape[1]} x {values.shape[0]} cells; give at most {MAX_SIDE} a side.")
    height, width = values.shape
    if height != width and abs(width * size[1] - height * size[0]) > 0.05 * width * size[1]:
        raise DataError(
            f"{title} has {width} x {height} cells and the photo {size[0]} x {size[1]} pixels: "
            "their proportions differ, so check that they belong together."
        )
    made = values.astype(np.float64)
    if not np.isfinite(made).all():
        raise DataError(f"{title} holds NaN or infinite values; make it again.")
    made = made - min(0.0, made.min())  # a log density counts from its lowest value
    top = made.max()
    if top == made.min():
        raise DataError(f"{title} is the same everywhere, so it says nothing; give another one.")
    return np.ascontiguousarray(made / top, np.float32)


def read_array(content: bytes, title: str) -> np.ndarray:
    """An array, after a look at its header: nothing larger than its file is ever made."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject or int(np.prod(shape, dtype=float)) * dtype.itemsize > len(content):
            raise DataError(f"{title} is damaged, or holds Python objects, which are not read.")
        return np.load(io.BytesIO(content), allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # a header is Python's own notation, and on a damaged one numpy raises nearly anything
        raise DataError(f"{title} is a damaged .npy file; save it again.") from error


def _only(content: bytes, title: str) -> np.ndarray:
    """The one two-dimensional array of a .npz file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if sum(entry.file_size for entry in members) > MAX_BYTES:
                raise DataError(f"{title} is larger than {MAX_BYTES // 2**20} MB when unpacked; give one map.")
            arrays = {}
            for entry in members:
                found = np.squeeze(read_array(read_member(archive, entry, MAX_BYTES, title), title))
                if found.ndim == 2:
                    arrays[entry.filename.removesuffix(".npy")] = found
    except DataError:
        raise
    except Exception as error:  # on damaged files zipfile raises nearly anything
        raise DataError(f"{title} is a damaged .npz file; save it again.") from error
    if len(arrays) != 1:
        named = plain_name(", ".join(arrays)) or "none"
        raise DataError(f"{title} must hold one map, and holds {len(arrays)} ({named}); save one alone.")
    return next(iter(arrays.values()))
