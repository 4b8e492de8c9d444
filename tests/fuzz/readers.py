"""Every reader of a person's bytes as one function of bytes, with sound files to begin from.

A reader passes when it returns, or raises an ExplorerError whose text is one sentence. Anything else is a find: put the
file into `tests/fuzz/cases/READER/`, where `make test` tries it from then on.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from scipy.io import savemat

from engine import bundle
from engine.archive import pack, unpack
from engine.bundle import IMAGE, Bundle, Place, RawMap
from engine.errors import ExplorerError
from engine.evaluation import results
from engine.evaluation.unpack import unpack as unpack_data
from engine.fixation_files import read_csv, read_fixations
from engine.images import decode, measure
from engine.lessons import Known, read_step
from engine.map_files import read_map
from engine.matfile import read_mat
from engine.models import weights
from pages.widgets import session
from tests.fuzz import folders
from tests.hostile.corpus import cases, sentence_problem

CASES = Path(__file__).parent / "cases"
SIZE = (96, 64)
"""Of the photo that a fixation file or a map belongs to; as the hostile pictures have it."""
TABLE = b"image,subject,x,y\na.png,Ada,10,20\na.png,Ben,30.5,4e1\n"
LESSON = b"""---
title: First
page: compare
state: photo=cat
---
First $p - e_Q$.

## Question
Which one?

- [ ] The first
- [x] The second
  Well seen.

Because.
"""


@dataclass(frozen=True)
class Reader:
    """One reader: `read` takes a file's bytes; `seeds` makes sound ones."""

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]

    def attempt(self, content: bytes) -> object:
        """What it reads, or the ExplorerError; raises what no person should ever see."""
        try:
            return self.read(content)
        except ExplorerError as error:
            problem = sentence_problem(re.sub("“[^”]*”", "“…”", str(error)))  # what it quotes is the file's own
            if problem is not None:
                raise AssertionError(problem) from error
            return error


def pictures() -> list[bytes]:
    """A small sound file of every kind that the corpus of hostile pictures has."""
    return [case.content for case in cases() if case.outcome == "picture" and len(case.content) < 20_000][::4]


def matlab() -> list[bytes]:
    return [_mat(fixLocs=np.eye(64, 96, dtype=np.uint8)), _mat(a="text", b={"c": [1.0, 2.0]}, d=np.arange(3.0))]


def fixated() -> bytes:
    """A picture with the fixated pixels bright on black."""
    buffer = io.BytesIO()
    Image.fromarray(np.eye(64, 96, dtype=np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()


def maps() -> list[bytes]:
    files = []
    for values in (np.eye(6, 9, dtype=np.float32), np.eye(64, 96, dtype=np.float64)):
        buffer = io.BytesIO()
        np.save(buffer, values)
        files.append(buffer.getvalue())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, map=np.eye(64, 96, dtype=np.float32))
    return [*files, buffer.getvalue(), *pictures()[:6]]


@cache
def parts() -> dict[str, bytes]:
    """The files of a sound bundle by name."""
    photo = decode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)), "a.png")
    values = RawMap({"values": np.eye(5, 7, dtype=np.float32)}, {"title": "Grad-CAM"})
    whole = Bundle(Place("compare", {"photo": "cat"}), "", {IMAGE: photo}, {"gradcam": values}, {}, b"<!DOCTYPE html>")
    return unpack(bundle.write(whole), lambda _: 2**24, "The bundle")


def with_manifest(manifest: bytes) -> object:
    """A bundle is packed with checksums that chance does not find: here only its manifest is somebody's."""
    return bundle.read(pack(parts() | {"manifest.json": manifest}), "a.zip")


def weights_file(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.safetensors"
        path.write_bytes(content)
        weights.outline(path)
        return weights.read(path)


def published_zip(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "data.zip"
        archive.write_bytes(content)
        unpack_data(archive, Path(folder) / "data", {".png", ".csv"}, lambda done, total: None)
        outside = {path.name for path in Path(folder).iterdir()} - {"data.zip", "data"}
        assert not outside, f"written outside its folder: {outside}"
        return archive


def lesson(content: bytes) -> object:
    known = Known({"compare": ()}, ("panels",), lambda page, query: "")
    return read_step(content.decode("utf-8", "replace"), "01-step.md", known)


def address(content: bytes) -> object:
    """A link's parameters: never an error, and written again they say the same."""
    choice = session.from_address(dict(parse_qsl(content.decode("utf-8", "replace"))))
    assert session.from_address(session.to_address(choice)) == choice
    return choice


def _mat(**variables: object) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables)
    return buffer.getvalue()


def _results() -> list[bytes]:
    path = Path(__file__).parents[2] / "assets" / "benchmarks" / "osie.json"
    return [path.read_bytes()]


READERS = {
    "picture": Reader(lambda content: decode(content, "a.png"), pictures),
    "size": Reader(lambda content: measure(content, "a.png"), pictures),
    "table": Reader(lambda content: read_csv(content), lambda: [TABLE, TABLE.replace(b",", b";"), b"x\ty\n1\t2\n"]),
    "fixations": Reader(
        lambda content: read_fixations(content, SIZE, "a.png", "a.csv"), lambda: [TABLE, matlab()[0], fixated()]
    ),
    "matlab": Reader(read_mat, matlab),
    "map": Reader(lambda content: read_map(content, SIZE, "a.npy"), maps),
    **{f"data set {name}": Reader(folders.data_set(name), folders.data_set_seeds(name)) for name in folders.DATA_SETS},
    "data zip": Reader(published_zip, lambda: [pack({"a/b.png": b"picture", "c.csv": TABLE})]),
    "quality tid": Reader(folders.quality_set("mos_with_names.txt"), lambda: [folders.TID]),
    "quality kadid": Reader(folders.quality_set("dmos.csv"), lambda: [folders.KADID]),
    "quality csiq": Reader(folders.quality_set("csiq.csv"), lambda: [folders.CSIQ]),
    "quality live": Reader(folders.quality_set("dmos.mat"), lambda: [folders.live()[0]]),
    "quality names": Reader(folders.quality_set("refnames_all.mat"), lambda: [folders.live()[1]]),
    "quality picture": Reader(folders.judged_picture, pictures),
    "labels": Reader(folders.labels, lambda: [folders.LABELS]),
    "photo zip": Reader(folders.photo_zip, folders.photo_zips),
    "results": Reader(lambda content: results.read(content, "results.json"), _results),
    "bundle": Reader(lambda content: bundle.read(content, "a.zip"), lambda: [pack(parts())]),
    "manifest": Reader(with_manifest, lambda: [parts()["manifest.json"]]),
    "lesson": Reader(lesson, lambda: [LESSON]),
    "weights": Reader(weights_file, lambda: [save({"a": torch.ones(3), "b": torch.zeros(2, 2, dtype=torch.half)})]),
    "address": Reader(address, lambda: [b"photo=coffee&foil=3&panels=gradcam,contrast&options=vectors:4&size=128"]),
}
