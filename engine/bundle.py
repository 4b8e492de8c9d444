"""A view as one file that anyone can open: photos, raw maps, settings, and a report to read without the app.

A bundle is a zip (:mod:`engine.archive`) of

- ``manifest.json``: everything below that is not a file, and of every file its SHA-256 and size
- ``image.png``: the photo as it was judged, pixel by pixel; ``reference.png`` where there is one
- ``upload.png``, ``upload-reference.png``: what a person brought, where it is not one of those two
- ``files/NAME``: other files that a person brought, as they were
- ``maps/NAME.npz``: the raw maps, float32, signed and unscaled
- ``report.html``: one page without scripts (:mod:`engine.report`)

It holds no date: the same view gives the same bytes, so opening a bundle and saving it again gives it back.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import archive, render
from engine.errors import BundleError
from engine.images import Photo, decode, measure, plain_name
from engine.map_files import read_array

FORMAT = 1
"""Raised whenever a bundle's meaning changes."""

IMAGE, REFERENCE, UPLOAD, UPLOAD_REFERENCE = "image", "reference", "upload", "upload-reference"
"""What the pictures are: as judged, what it was judged beside, and both as a person brought them."""

MAX_PIXELS = 100_000_000
"""Of all pictures in a bundle together."""
_MANIFEST, _REPORT = "manifest.json", "report.html"
_NAME = r"[a-z0-9][a-z0-9.~-]{0,39}"
_MEGABYTE = 2**20
_MOST = (
    (re.compile(re.escape(_MANIFEST)), _MEGABYTE),
    (re.compile(re.escape(_REPORT)), 32 * _MEGABYTE),
    (re.compile(rf"(?:{IMAGE}|{REFERENCE}|{UPLOAD}|{UPLOAD_REFERENCE})\.png"), archive.MAX_BYTES),
    (re.compile(rf"maps/{_NAME}\.npz"), 64 * _MEGABYTE),
    (re.compile(rf"files/{_NAME}"), 64 * _MEGABYTE),
)
_NOTE = re.compile(r"[A-Za-z0-9 ,.+-]{0,200}")  # it is shown as it is, so only plain words count


def software() -> dict[str, str]:
    """The installed versions of what maps depend on."""
    return {package: version(package) for package in ("expectancy-explorer", "torch", "torchvision", "numpy", "pillow")}


@dataclass(frozen=True)
class File:
    """A file that a person brought: its plain name and its content."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a person is: all that another session needs to show the same.

    `page` is the page's name; `state` its query parameters; `photos` and `files` are what the person brought, by what
    they are (`UPLOAD`, `UPLOAD_REFERENCE`; a page's own words for files).
    """

    page: str
    state: Mapping[str, str]
    photos: Mapping[str, Photo] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A digest: equal for places that show the same."""
        brought = {name: photo.digest for name, photo in self.photos.items()}
        brought |= {name: _sha256(file.content) for name, file in self.files.items()}
        return _sha256(_json({"page": self.page, "state": dict(self.state), "brought": brought}))


@dataclass(frozen=True, eq=False)
class RawMap:
    """One map: `arrays` are float32 (h, w), signed and unscaled, "values" among them; `facts` what is known of it."""

    arrays: Mapping[str, NDArray[np.float32]]
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a bundle holds.

    `view` says how the maps were looked at (the text that the browser keeps in the address's fragment). `photos` are
    `IMAGE` and, where there is one, `REFERENCE`. `maps` are by file name. `facts` say what else is known: the network
    and its weights, the answer. `versions` name the software.
    """

    place: Place
    view: str
    photos: Mapping[str, Photo]
    maps: Mapping[str, RawMap]
    facts: Mapping[str, Any]
    report: bytes = field(repr=False)
    versions: Mapping[str, str] = field(default_factory=software)

    def same_maps(self, maps: Mapping[str, RawMap]) -> bool:
        """Whether other maps are these, bit for bit."""
        return {name: _bits(one) for name, one in self.maps.items()} == {name: _bits(one) for name, one in maps.items()}


def write(bundle: Bundle) -> bytes:
    """The bundle as a zip. Equal bundles give equal bytes."""
    files: dict[str, bytes] = {_REPORT: bundle.report}
    pictures: dict[str, Any] = {}
    written: dict[str, str] = {}  # digest -> file
    for role, photo in sorted((*bundle.photos.items(), *bundle.place.photos.items())):
        if photo.digest not in written:
            written[photo.digest] = f"{role}.png"
            files[f"{role}.png"] = render.png(photo.pixels)
        width, height = photo.size
        pictures[role] = {
            "file": written[photo.digest], "digest": photo.digest, "width": width, "height": height,
            "name": photo.name, "note": photo.note,
        }  # fmt: skip
    for role, file in bundle.place.files.items():
        files[f"files/{role}"] = file.content
    for name, one in bundle.maps.items():
        files[f"maps/{name}.npz"] = npz(one.arrays)
    manifest = {
        "format": FORMAT,
        "page": bundle.place.page,
        "state": dict(bundle.place.state),
        "view": bundle.view,
        "pictures": pictures,
        "files": {role: file.name for role, file in bundle.place.files.items()},
        "maps": {name: dict(one.facts) for name, one in bundle.maps.items()},
        "facts": dict(bundle.facts),
        "versions": dict(bundle.versions),
        "contents": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()},
    }
    return archive.pack({**files, _MANIFEST: _json(manifest)})


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a .npz file's content, the same for equal arrays."""
    files = {}
    for name, values in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(values, "<f4"), (1, 0), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
    return archive.pack(files)


def read(content: bytes, name: str = "") -> Bundle:
    """The bundle in a file.

    Args:
        content: the file.
        name: its name for messages.

    Raises:
        BundleError: one sentence: no bundle, damaged, altered, of a newer version, or larger than is read here.
    """
    title = f"The bundle {plain_name(name)}" if plain_name(name) else "The bundle"
    if content[:4] != b"PK\x03\x04":
        raise BundleError(f"{title} is not one that this app saved; choose a .zip file from “Share”.")
    files = archive.unpack(content, _most, title)
    damaged = BundleError(f"{title} is damaged or was altered, so it is not opened; save it again.")
    try:
        manifest = json.loads(files.pop(_MANIFEST).decode(), parse_constant=_refused)
        if manifest["format"] > FORMAT:
            raise BundleError(f"{title} was made by a newer version of the app; update this one to open it.")
        told = {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()}
        if manifest["format"] != FORMAT or manifest["contents"] != told:
            raise damaged
        pictures = {told["file"] for told in manifest["pictures"].values()}
        if sum(math.prod(measure(files[name])) for name in pictures) > MAX_PIXELS:
            raise BundleError(f"{title} holds more than {MAX_PIXELS // 10**6} megapixels, which is more than is read.")
        return _bundle(manifest, files)
    except BundleError:
        raise
    except MemoryError as error:
        raise BundleError(f"{title} needs more memory than there is.") from error
    except Exception as error:  # what is wrong with a crafted file can be nearly anything
        raise damaged from error


def _bundle(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Bundle:
    """A checked manifest and its files; what does not belong together raises ValueError or KeyError."""
    opened: dict[str, Photo] = {}
    photos = {role: _photo(told, files, opened) for role, told in manifest["pictures"].items()}
    brought = {role: photo for role, photo in photos.items() if role in (UPLOAD, UPLOAD_REFERENCE)}
    judged = {role: photo for role, photo in photos.items() if role in (IMAGE, REFERENCE)}
    if len(brought) + len(judged) < len(photos) or IMAGE not in judged:
        raise ValueError("pictures")
    own = {role: File(_plain(name), files[f"files/{role}"]) for role, name in manifest["files"].items()}
    maps = {
        name: RawMap(dict(_arrays(files[f"maps/{name}.npz"], f"The map {name}")), dict(facts))
        for name, facts in manifest["maps"].items()
    }
    place = Place(_text(manifest["page"], 40), _texts(manifest["state"]), brought, own)
    return Bundle(
        place, _text(manifest["view"], 2000), judged, maps, dict(manifest["facts"]), files[_REPORT],
        _texts(manifest["versions"]),
    )  # fmt: skip


def _photo(told: Mapping[str, Any], files: Mapping[str, bytes], opened: dict[str, Photo]) -> Photo:
    """A picture of the manifest, decoded once."""
    file, note = _text(told["file"], 40), _text(told["note"], 200)
    if not _NOTE.fullmatch(note):
        raise ValueError("note")
    if file not in opened:
        opened[file] = decode(files[file], max_side=MAX_PIXELS)
    photo = opened[file]
    if photo.digest != told["digest"] or photo.size != (told["width"], told["height"]):
        raise ValueError("digest")
    return replace(photo, name=_plain(told["name"]), note=note)


def _arrays(content: bytes, title: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for entry, data in archive.unpack(content, lambda _: 64 * _MEGABYTE, title).items():
        values = read_array(data, title)
        if values.dtype != np.dtype("<f4") or values.ndim != 2 or not np.isfinite(values).all():
            raise ValueError("map")
        values.flags.writeable = False
        yield entry.removesuffix(".npy"), values


def _most(name: str) -> int:
    """How many bytes a file of a bundle may have; 0 for a name that none has."""
    return next((most for pattern, most in _MOST if pattern.fullmatch(name)), 0)


def _texts(told: Mapping[str, Any]) -> dict[str, str]:
    if len(told) > 100:
        raise ValueError("too many")
    return {_text(name, 100): _text(value, 2000) for name, value in told.items()}


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("text")
    return value


def _plain(value: Any) -> str:
    """A file name as `plain_name` leaves it: it is shown."""
    if plain_name(_text(value, 200)) != value:
        raise ValueError("name")
    return str(value)


def _refused(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are no JSON


def _bits(one: RawMap) -> dict[str, tuple[tuple[int, ...], bytes]]:
    return {name: (values.shape, values.tobytes()) for name, values in one.arrays.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
