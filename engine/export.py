"""What was seen, as files in a folder: overlays (PNG), maps (NPZ) and a manifest (JSON)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import render
from engine.bundle import npz, software
from engine.errors import ExplorerError
from engine.images import Photo
from engine.maps import WHOLE, Extent, Map
from engine.methods import method
from engine.models.weights import write_atomically
from engine.trace import Trace

FORMAT = 1
"""Raised whenever a manifest's meaning changes."""


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
        meaning = (asked.for_.format(**words), asked.against.format(**words))
        found.append(Sheet(item.method, item.values, item.signed, meaning, map_facts(trace, item), extent=item.extent))
    return found


def map_facts(trace: Trace, item: Map) -> dict[str, Any]:
    """What a manifest says of one map."""
    words = {"P": trace.answer.names[item.fact], "Q": trace.answer.names[item.foil]}
    return {
        "method": item.method,
        "question": method(item.method).asks.format(**words),
        "layer": item.layer,
        "fact": {"index": item.fact, "name": words["P"]},
        "foil": {"index": item.foil, "name": words["Q"]},
        "options": dict(item.options),
        "notes": list(item.notes),
        "positive_share": round(item.positive_share, 6),
        "extent": item.extent,
    }


def pass_facts(trace: Trace) -> dict[str, Any]:
    """What a manifest says of the network and its answer."""
    return {
        "model": {
            "name": trace.model.name,
            "key": trace.model.key,
            "weights": trace.model.weights,
            "input_size": trace.size,
        },
        "answer": [
            {"index": index, "name": name, "probability": round(p, 6)} for index, name, p in trace.answer.top(5)
        ],
    }


def contents(photo: Photo, pages: Iterable[Sheet], trace: Trace | None = None) -> dict[str, bytes]:
    """File name -> bytes: the photo, one overlay a sheet, maps.npz, manifest.json."""
    pages = list(pages)
    files = {"photo.png": render.png(photo.pixels)}
    for sheet in pages:
        picture = render.picture(
            photo.pixels, sheet.values, signed=sheet.signed, words=sheet.words, top=sheet.top, extent=sheet.extent
        )
        files[f"{sheet.name}.png"] = render.png(picture)
    files["maps.npz"] = npz({sheet.name.replace("-", "_"): sheet.values for sheet in pages})
    files["manifest.json"] = json.dumps(manifest(photo, pages, trace), indent=2, ensure_ascii=False).encode()
    return files


def manifest(photo: Photo, pages: Iterable[Sheet], trace: Trace | None = None) -> dict[str, Any]:
    """Everything that is needed to make the maps again."""
    described: dict[str, Any] = {
        "format": FORMAT,
        "photo": {"digest": photo.digest, "width": photo.size[0], "height": photo.size[1], "note": photo.note},
    }
    if trace is not None:
        described |= pass_facts(trace)
    described["maps"] = [dict(sheet.facts, file=f"{sheet.name}.png") for sheet in pages]
    described["versions"] = software()
    return described


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder, each whole or not at all; raises ExplorerError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise ExplorerError(f"The results cannot be written to {folder}: {error.strerror or error}.") from error
