"""Whole data sets of photos with human fixations, read from a folder laid out as their authors publish them.

Nothing is unpacked or copied: photos are read one at a time, also out of a zip. ``open_data`` finds the layout
by itself; ``LAYOUTS`` says for each where to get it and how its folder looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from engine.archive import open_zip, read_file, read_member
from engine.errors import DataError, ImageError
from engine.fixation_files import from_map, from_mask, from_matlab, osie_table, read_csv
from engine.fixations import Fixations, Size
from engine.images import MAX_BYTES, MAX_PIXELS, Photo, decode, measure, plain_name
from engine.matfile import Value, read_mat

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
USUAL_DEGREE = 0.03  # of the longer side, where the viewing distance is not known


@dataclass(frozen=True)
class Stimuli:
    """The photos' files, in a folder or in one zip. ``members`` maps a photo's name to its path inside."""

    where: Path
    members: Mapping[str, str] = field(repr=False)

    def content(self, name: str) -> bytes:
        """The file of one photo; DataError if it cannot be had."""
        title, member = f"The photo {plain_name(name)}", self.members[name]
        if not self.where.is_file():
            return read_file(self.where / member, MAX_BYTES, title)
        with open_zip(self.where) as archive:
            return read_member(archive, member, MAX_BYTES, title)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Photos with fixations.

    Attributes:
        title: the data set's name.
        fixations: each photo's fixations by its name, in the data set's order; each has at least one.
        pixels_per_degree: of visual angle, in the photo's pixels; None where it is not known.
        notes: what was left out, in sentences.
    """

    title: str
    stimuli: Stimuli
    fixations: Mapping[str, Fixations] = field(repr=False)
    pixels_per_degree: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The photos' names in order."""
        return tuple(self.fixations)

    def photo(self, name: str) -> Photo:
        """One photo at its own size, in whose pixels fixations are counted. Raises DataError, ImageError."""
        return decode(self.stimuli.content(name), name, max_side=MAX_PIXELS)

    def degree(self, name: str) -> float:
        """One degree of visual angle in pixels of one photo."""
        return self.pixels_per_degree or USUAL_DEGREE * max(self.fixations[name].size)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and all fixations: two runs with equal digests score against the same truth."""
        digest = hashlib.sha256(f"{self.title} {self.pixels_per_degree}".encode())
        for name, one in self.fixations.items():
            digest.update(f"{name} {one.size}".encode())
            digest.update(one.x.tobytes() + one.y.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Layout:
    """How a data set's folder looks. ``fits`` tells whether a folder is one, ``read`` reads it."""

    id: str
    title: str
    folder: str
    source: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], DataSet]


def open_data(folder: Path, layout: str | None = None) -> DataSet:
    """Read a data set.

    Args:
        folder: where it lies.
        layout: the id of one of LAYOUTS; found out by itself if None.

    Raises:
        DataError: no such folder, no or an unknown layout, photos and fixations that do not pair, damaged files.
    """
    known = {one.id: one for one in LAYOUTS}
    if layout is not None and layout not in known:
        raise DataError(f"There is no layout {layout}; choose one of {', '.join(known)}.")
    if not folder.is_dir():
        wanted = f"get {known[layout].title} ({known[layout].source})" if layout else "give the data set's folder"
        raise DataError(f"There is no folder {folder}; {wanted}.")
    chosen = known[layout] if layout else next((one for one in LAYOUTS if one.fits(folder)), None)
    if chosen is None:
        raise DataError(
            f"The folder {folder.name} holds no known data set; lay it out as plain: {known['plain'].folder}."
        )
    if not chosen.fits(folder):
        raise DataError(
            f"The folder {folder.name} is not laid out as {chosen.title}: {chosen.folder} ({chosen.source})."
        )
    try:
        return chosen.read(folder)
    except OSError as error:
        raise DataError(f"The folder {folder.name} cannot be read; check its permissions.") from error


# --- finding files ------------------------------------------------------------------------------------------


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files below a folder with one of the suffixes, sorted; hidden ones and the output of others left out."""
    wanted = set(suffixes)
    found = (path for path in folder.rglob("*") if path.suffix.lower() in wanted and path.is_file())
    skipped = ("__MACOSX", "Output")
    return sorted(
        p for p in found if not any(part.startswith(".") or part in skipped for part in p.relative_to(folder).parts)
    )


def _one(folder: Path, name: str) -> Path | None:
    """The file of a name below a folder."""
    return next((path for path in sorted(folder.rglob(name)) if path.is_file()), None)


def _below(folder: Path, name: str) -> Path:
    """The first folder of a name below a folder, or the folder itself."""
    return next((path for path in sorted(folder.rglob(name)) if path.is_dir()), folder)


def _stimuli(folder: Path) -> Stimuli:
    """All pictures below a folder by file name, or those of the one zip that lies in it."""
    pictures = _files(folder, PICTURES)
    if pictures:
        return Stimuli(
            folder, _by_name(((path.name, path.relative_to(folder).as_posix()) for path in pictures), folder)
        )
    archives = sorted(folder.glob("*.zip"))
    if len(archives) != 1:
        raise DataError(f"The folder {folder.name} holds neither photos nor one zip of photos.")
    with open_zip(archives[0]) as archive:
        listed = [PurePosixPath(name) for name in archive.namelist()]
    wanted = [p for p in listed if p.suffix.lower() in PICTURES and "__MACOSX" not in p.parts]
    return Stimuli(archives[0], _by_name(((p.name, str(p)) for p in sorted(wanted)), archives[0]))


def _by_name(pairs: Iterable[tuple[str, str]], where: Path) -> dict[str, str]:
    members: dict[str, str] = {}
    for name, member in pairs:
        if name in members:
            raise DataError(f"Two photos in {where.name} are named {plain_name(name)}; give each its own name.")
        members[name] = member
    return members


def _size(stimuli: Stimuli, name: str) -> Size:
    try:
        return measure(stimuli.content(name), name)
    except ImageError as error:
        raise DataError(str(error)) from error


def _content(path: Path) -> bytes:
    return read_file(path, MAX_BYTES, f"The file {plain_name(path.name)}")


def _variables(path: Path) -> dict[str, Value]:
    return read_mat(_content(path), f"The file {plain_name(path.name)}")


# --- layouts ------------------------------------------------------------------------------------------------


def _read_plain(folder: Path) -> DataSet:
    """fixations.csv names its photos; each must be there, and all fixations inside."""
    table = read_csv(_content(folder / "fixations.csv"), "The file fixations.csv")
    if table.images == ("",):
        raise DataError("The file fixations.csv needs a column image, to tell whose fixations they are.")
    stimuli = _stimuli(folder)
    missing = [name for name in table.images if name not in stimuli.members]
    if missing:
        raise DataError(
            f"The file fixations.csv names {len(missing)} photos that are not there, the first is {missing[0]}."
        )
    fixations = {}
    for name in table.images:
        try:
            fixations[name] = table.of(name, _size(stimuli, name))
        except DataError as error:
            raise DataError(f"In fixations.csv, photo {name}: {error}") from error
    unseen = len(stimuli.members) - len(fixations)
    notes = (f"{unseen} photos without fixations are left out.",) if unseen else ()
    return DataSet(plain_name(folder.name), stimuli, fixations, None, notes)


def _read_osie(folder: Path) -> DataSet:
    """stimuli/1001.jpg ... and eye/fixations.mat (Xu 2014): 800 x 600 pixels, 24 to a degree."""
    path = _one(folder, "fixations.mat")
    entries = _variables(path).get("fixations") if path else None
    if not isinstance(entries, list):
        raise DataError("The file fixations.mat holds no cell array fixations; fetch OSIE again.")
    table = osie_table(entries, "The file fixations.mat")
    stimuli = _stimuli(folder)
    read = ((name, lambda size, name=name: table.of(name, size, outside="drop")) for name in table.images)
    return _paired("OSIE", stimuli, read, 24)


def _read_mit1003(folder: Path) -> DataSet:
    """ALLSTIMULI and the maps of fixated pixels in ALLFIXATIONMAPS (Judd 2009): 35 pixels to a degree."""
    stimuli = _stimuli(_below(folder, "ALLSTIMULI"))
    names = {Path(name).stem: name for name in stimuli.members}
    maps = _files(_below(folder, "ALLFIXATIONMAPS"), (".jpg", ".png"))
    read = (
        (names.get(stem, stem), lambda size, path=path: from_map(_content(path), size, f"The map {path.name}"))
        for path in maps
        if (stem := path.stem.removesuffix("_fixPts")) != path.stem
    )
    return _paired("MIT1003", stimuli, read, 35)


def _read_cat2000(folder: Path) -> DataSet:
    """Stimuli/CATEGORY/001.jpg and FIXATIONLOCS/CATEGORY/001.mat (Borji 2015): 38 pixels to a degree."""
    photos, maps = _below(folder, "Stimuli"), _below(folder, "FIXATIONLOCS")
    return _by_relative_path("CAT2000", photos, maps, 38)


def _read_salicon(folder: Path) -> DataSet:
    """images/SPLIT/*.jpg and fixations/SPLIT/*.mat (Jiang 2015); the test split has no fixations."""
    return _by_relative_path("SALICON", _below(folder, "images"), _below(folder, "fixations"), None)


def _by_relative_path(title: str, photos: Path, points: Path, degree: float | None) -> DataSet:
    """Photos and MATLAB files that share a path apart from the suffix."""
    members = {
        path.relative_to(photos).as_posix(): path.relative_to(photos).as_posix() for path in _files(photos, PICTURES)
    }
    names = {str(PurePosixPath(name).with_suffix("")): name for name in members}
    read = (
        (names.get(key, key), lambda size, path=path: from_matlab(_variables(path), size, "", f"The file {path.name}"))
        for path in _files(points, (".mat",))
        for key in [path.relative_to(points).with_suffix("").as_posix()]
    )
    return _paired(title, Stimuli(photos, members), read, degree)


def _read_toronto(folder: Path) -> DataSet:
    """Original Image Set/1.jpg to 120.jpg and origfixdata.mat with the maps ``white`` (Bruce 2006)."""
    path = _one(folder, "origfixdata.mat")
    maps = _variables(path).get("white") if path else None
    if not isinstance(maps, list):
        raise DataError("The file origfixdata.mat holds no cell array white; fetch the Toronto data set again.")
    stimuli = _stimuli(_below(folder, "Original Image Set"))
    names = {Path(name).stem: name for name in stimuli.members}
    read = (
        (names.get(str(i), f"{i}.jpg"), lambda size, i=i, mask=mask: from_mask(np.atleast_2d(mask), size, f"Map {i}"))
        for i, mask in enumerate(maps, start=1)
        if isinstance(mask, np.ndarray)
    )
    return _paired("Toronto", stimuli, read, None)


def _paired(
    title: str, stimuli: Stimuli, read: Iterable[tuple[str, Callable[[Size], Fixations]]], degree: float | None
) -> DataSet:
    """Fixations for each photo that there is; what lacks its partner is an error if nothing pairs, else a note."""
    fixations: dict[str, Fixations] = {}
    lonely = 0
    for name, fixations_of in read:
        if name in stimuli.members:
            fixations[name] = fixations_of(_size(stimuli, name))
        else:
            lonely += 1
    fixations = {name: one for name, one in fixations.items() if len(one)}
    if not fixations:
        raise DataError(f"No photo of {title} has fixations of the same name; check that both folders are complete.")
    unseen = len(stimuli.members) - len(fixations)
    notes = [f"{lonely} fixation files without a photo are left out."] * bool(lonely)
    notes += [f"{unseen} photos without fixations are left out."] * bool(unseen)
    return DataSet(title, stimuli, fixations, degree, tuple(notes))


def _has(*names: str) -> Callable[[Path], bool]:
    """Whether files or folders of all these names lie below a folder."""
    return lambda folder: all(next(folder.rglob(name), None) is not None for name in names)


LAYOUTS = (
    Layout(
        "plain",
        "plain",
        "photos in the folder or in one zip, and fixations.csv with the columns image, x, y, and if known "
        "subject and duration_ms",
        "your own, or one that was converted",
        lambda folder: (folder / "fixations.csv").is_file(),
        _read_plain,
    ),
    Layout(
        "osie",
        "OSIE",
        "stimuli with 1001.jpg to 1700.jpg, and eye with fixations.mat",
        "github.com/NUS-VIP/predicting-human-gaze-beyond-pixels, folder data",
        _has("fixations.mat"),
        _read_osie,
    ),
    Layout(
        "mit1003",
        "MIT1003",
        "ALLSTIMULI, and ALLFIXATIONMAPS with a file NAME_fixPts.jpg for each photo",
        "people.csail.mit.edu/tjudd/WherePeopleLook, ALLSTIMULI.zip and ALLFIXATIONMAPS.zip",
        _has("*_fixPts.*"),
        _read_mit1003,
    ),
    Layout(
        "cat2000",
        "CAT2000",
        "trainSet with Stimuli and FIXATIONLOCS, each with a folder for each category",
        "saliency.mit.edu/datasets.html, trainSet.zip",
        _has("FIXATIONLOCS"),
        _read_cat2000,
    ),
    Layout(
        "toronto",
        "Toronto",
        "Original Image Set with 1.jpg to 120.jpg, and origfixdata.mat",
        "www-sop.inria.fr/members/Neil.Bruce, eyetrackingdata.zip",
        _has("origfixdata.mat"),
        _read_toronto,
    ),
    Layout(
        "salicon",
        "SALICON",
        "images and fixations, each with the folders train and val",
        "salicon.net/challenge-2017, images.zip and fixations.zip",
        _has("images", "fixations", "*.mat"),
        _read_salicon,
    ),
)
