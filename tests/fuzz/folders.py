"""Readers of whole folders, as functions of the one file in them that is somebody's; the rest is sound."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from engine.archive import pack
from engine.evaluation.datasets import open_data
from engine.evaluation.quality_sets import read_set
from engine.evaluation.recognition import read_labels
from engine.training.pool import photos, square
from tests.evaluation import test_datasets as layouts
from tests.hostile.case import encoded, scene

TID = b"5.5 I01_08_3.bmp\n4.25 i01_01_1.bmp\n"
KADID = b"dist_img,ref_img,dmos,var\nI01_08_3.bmp,I01.bmp,2.0,0.4\n"
CSIQ = b"image,dst_idx,dst_type,dst_lev,dmos_std,dmos\n1600,1,jpeg 2000,2,0.1,0.25\n"
LABELS = b"name,class_index\na.png,3\nb.png,999\n"

DATA_SETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "plain": (layouts.plain, "fixations.csv"),
    "plain zip": (layouts.plain_zip, "stimuli.zip"),
    "osie": (layouts.osie, "eye/fixations.mat"),
    "mit1003": (layouts.mit1003, "ALLFIXATIONMAPS/a_fixPts.jpg"),
    "cat2000": (layouts.cat2000, "trainSet/FIXATIONLOCS/A/001.mat"),
    "toronto": (layouts.toronto, "fixdens/origfixdata.mat"),
    "salicon": (layouts.salicon, "fixations/train/COCO_a.mat"),
}
"""Who writes a sound data set of each layout, and which file of it is somebody's."""


@cache
def sound(write: Callable[[Path], None]) -> tempfile.TemporaryDirectory:
    """A sound folder, written once; it goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="sound-")
    write(Path(folder.name))
    return folder


def data_set(name: str) -> Callable[[bytes], object]:
    """Read a data set and all its photos."""
    write, place = DATA_SETS[name]

    def read(content: bytes) -> object:
        folder = Path(sound(write).name)
        (folder / place).write_bytes(content)
        data = open_data(folder, name.split()[0])
        return data, [data.photo(photo) for photo in data.names]

    return read


def data_set_seeds(name: str) -> Callable[[], list[bytes]]:
    """The sound file; where it is MATLAB's, also unpacked, so that what is inside can be changed."""

    def seeds() -> list[bytes]:
        write, place = DATA_SETS[name]
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            content = (Path(folder) / place).read_bytes()
        return [content, unsqueezed(content)] if place.endswith(".mat") else [content]

    return seeds


def unsqueezed(content: bytes) -> bytes:
    """A MATLAB file with its variables unpacked: element 15 holds one of another kind, compressed."""
    at, plain = 128, content[:128]
    while at < len(content):
        kind, size = struct.unpack_from("<II", content, at)
        assert kind == 15
        plain += zlib.decompress(content[at + 8 : at + 8 + size])
        at += 8 + size
    return plain


def quality_folder(folder: Path) -> None:
    """Pictures as TID2013, KADID-10k, CSIQ and LIVE have them."""
    names = ("reference_images/I01.BMP", "distorted_images/i01_08_3.bmp", "distorted_images/I01_01_1.bmp",
             "images/I01.bmp", "images/I01_08_3.bmp", "src_imgs/1600.png", "dst_imgs/jpeg2000/1600.jpeg2000.2.png",
             "refimgs/bikes.bmp", "jp2k/img1.bmp", "jp2k/img2.bmp")  # fmt: skip
    for name in names:
        layouts.put(folder / name, encoded(scene(16, 24), "PNG"))


def quality_set(place: str) -> Callable[[bytes], object]:
    """Read a data set of judged pictures, and all its pictures."""

    def read(content: bytes) -> object:
        folder = Path(sound(quality_folder).name)
        for other in ("mos_with_names.txt", "dmos.csv", "csiq.csv", "dmos.mat", "refnames_all.mat"):
            (folder / other).unlink(missing_ok=True)
        live_scores, live_names = live()
        if place.endswith(".mat"):
            (folder / "dmos.mat").write_bytes(live_scores)
            (folder / "refnames_all.mat").write_bytes(live_names)
        (folder / place).write_bytes(content)
        return [judged.load() for judged in read_set(folder)[:4]]

    return read


@cache
def live() -> tuple[bytes, bytes]:
    """LIVE's scores and names of references: two pictures are judged, all others are originals."""
    scores, originals, names = np.full(982, 30.0), np.ones(982), np.empty(982, object)
    names[:] = "bikes.bmp"
    originals[:2] = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.mat"
        savemat(path, {"dmos": scores, "orgs": originals})
        first = path.read_bytes()
        savemat(path, {"refnames_all": names})
        return first, path.read_bytes()


def kadid_folder(folder: Path) -> None:
    quality_folder(folder)
    (folder / "dmos.csv").write_bytes(KADID)


def judged_picture(content: bytes) -> object:
    """A data set of judged pictures of which one picture is somebody's."""
    folder = Path(sound(kadid_folder).name)
    (folder / "images" / "I01_08_3.bmp").write_bytes(content)
    return [judged.load() for judged in read_set(folder)]


def labels(content: bytes) -> object:
    """Labels of photos, as recognition is measured by them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_bytes(content)
        return read_labels(path)


def photo_zip(content: bytes) -> object:
    """A zip of photos, each reduced to a square as for the training."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photos.zip"
        path.write_bytes(content)
        return [square(read(), name, 32) for name, read in photos([path])]


def photo_zips() -> list[bytes]:
    photo = encoded(Image.fromarray(scene(16, 24)), "JPEG")
    return [pack({"a.jpg": photo}), pack({"a.png": encoded(scene(16, 24), "PNG"), "b/c.jpg": photo})]
