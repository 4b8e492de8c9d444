"""What was seen, as files: overlays (PNG), maps (NPZ) and a manifest (JSON), in a folder or one zip."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import render
from engine.errors import ExplorerError
from engine.images import Photo
from engine.maps import WHOLE, Extent, Map
from engine.methods import method
from engine.models.weights import write_atomically
from engine.trace import Trace

FORMAT = 1
"""Raised whenever a manifest's meaning changes."""

_VERSIONS = ("expectancy-explorer", "torch", "torchvision", "numpy", "pillow")


@dataclass(frozen=True, eq=False)
class Sheet:
    """One picture of an export: its file name, its map (h, w), and what the manifest says of it."""

    name: str
    values: NDArray[np.float32]
    signed: bool
    words: tuple[str, str]
    facts: Mapping[str, Any]
    top: float | None = None
    extent: Extent = WHOLE


def sheets(trace: Trace, maps: Iterable[Map]) -> list[Sheet]:
    """The sheets of explanations of one pass."""
    found = []
    for item in maps:
        asked = method(item.method)
        words = {"P": trace.answer.names[item.fact], "Q": trace.answer.names[item.foil]}
        facts = {
            "method": item.method,
            "question": asked.asks.format(**words),
            "layer": item.layer,
            "fact": {"index": item.fact, "name": words["P"]},
            "foil": {"index": item.foil, "name": words["Q"]},
            "options": dict(item.options),
            "notes": list(item.notes),
            "positive_share": round(item.positive_share, 6),
            "extent": item.extent,
        }
        meaning = (asked.for_.format(**words), asked.against.format(**words))
        found.append(Sheet(item.method, item.values, item.signed, meaning, facts, extent=item.extent))
    return found


def contents(photo: Photo, pages: Iterable[Sheet], trace: Trace | None = None) -> dict[str, bytes]:
    """File name -> bytes: the photo, one overlay a sheet, maps.npz, manifest.json."""
    pages = list(pages)
    files = {"photo.png": render.png(photo.pixels)}
    for sheet in pages:
        picture = render.picture(photo.pixels, sheet.values, signed=sheet.signed, words=sheet.words, top=sheet.top)
        files[f"{sheet.name}.png"] = render.png(picture)
    files["maps.npz"] = npz({sheet.name: sheet.values for sheet in pages})
    files["manifest.json"] = json.dumps(manifest(photo, pages, trace), indent=2, ensure_ascii=False).encode()
    return files


def manifest(photo: Photo, pages: Iterable[Sheet], trace: Trace | None = None) -> dict[str, Any]:
    """Everything that is needed to make the maps again."""
    described: dict[str, Any] = {
        "format": FORMAT,
        "photo": {"digest": photo.digest, "width": photo.size[0], "height": photo.size[1], "note": photo.note},
    }
    if trace is not None:
        described["model"] = {
            "name": trace.model.name,
            "key": trace.model.key,
            "weights": trace.model.weights,
            "input_size": trace.size,
        }
        described["answer"] = [
            {"index": index, "name": name, "probability": round(p, 6)} for index, name, p in trace.answer.top(5)
        ]
    described["maps"] = [dict(sheet.facts, file=f"{sheet.name}.png") for sheet in pages]
    described["versions"] = {package: version(package) for package in _VERSIONS}
    return described


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a compressed .npz file's content."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{name.replace("-", "_"): v for name, v in arrays.items()})
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as one zip, with fixed times, so that equal content gives equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder, each whole or not at all; raises ExplorerError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise ExplorerError(f"The results cannot be written to {folder}: {error.strerror or error}.") from error
