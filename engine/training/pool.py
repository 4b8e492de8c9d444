"""The pool: unlabelled photos from zip files or folders, decoded once, with the teacher's feature maps.

Everything lies in memory-mapped files in one working folder, so that a run can stop and go on:
``pixels.npy`` uint8 (N, side, side, 3), ``features.npy`` float16 (N, 7, 7, 1280), and ``pool.json``.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.archive import open_zip, read_file, read_member
from engine.errors import DataError, ImageError
from engine.images import MAX_BYTES, MAX_PIXELS, decode, plain_name
from engine.training import teacher as teaching

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FLUSH = 16
"""Batches between two records of how far the pool is."""
_BATCH = 64

Progress = Callable[[int, int], None]
Read = Callable[[], bytes]


@dataclass(frozen=True)
class Pool:
    """Decoded photos and what the teacher saw in them.

    pixels: uint8 (N, side, side, 3), the whole photo resized to a square. features: float16
    (N, 7, 7, 1280), the teacher's last feature map of the whole photo at 224 x 224. favoured: that many
    of the last photos are of the kind that the network will meet, and are shown more often.
    """

    pixels: NDArray[np.uint8]
    features: NDArray[np.float16]
    favoured: int = 0

    def __len__(self) -> int:
        return len(self.pixels)


def photos(sources: Sequence[str | Path]) -> Iterator[tuple[str, Read]]:
    """List the photos in zip files and folders as (name, function that reads the bytes), sorted by name.

    Raises DataError where a source is missing or holds no photo; so does the function, for one that cannot be read.
    """
    for source in map(Path, sources):
        title = plain_name(source.name)
        listed: list[tuple[str, Read]]
        if source.is_dir():
            files = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES)
            listed = [(str(p.relative_to(source)), partial(read_file, p, MAX_BYTES, _title(p.name))) for p in files]
        elif zipfile.is_zipfile(source):
            archive = open_zip(source)
            names = sorted(n for n in archive.namelist() if n.lower().endswith(SUFFIXES))
            listed = [(n, partial(read_member, archive, n, MAX_BYTES, _title(n))) for n in names]
        else:
            raise DataError(f"{title} is neither a folder nor a zip file of photos.")
        if not listed:
            raise DataError(f"{title} holds no photo ({', '.join(SUFFIXES)}).")
        yield from listed


def _title(name: str) -> str:
    return f"The photo {plain_name(name)}"


def square(data: bytes, name: str, side: int, crop: bool = False) -> NDArray[np.uint8]:
    """Decode a photo to uint8 (side, side, 3): the whole photo resized, or the middle square of it.

    Raises DataError where the bytes are no picture.
    """
    try:
        image = decode(data, name, MAX_PIXELS).pil()  # reduced once, to the pool's side, and not before
    except ImageError as error:
        raise DataError(str(error)) from error
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    box = (left, top, left + edge, top + edge) if crop else (0, 0, width, height)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3))


def build_pool(
    sources: Sequence[str | Path],
    teacher_path: str | Path,
    folder: Path,
    side: int = 160,
    device: torch.device | None = None,
    progress: Progress | None = None,
    favoured: Sequence[str | Path] = (),
) -> Pool:
    """Decode every photo and run the teacher over it once, or go on where an earlier run stopped.

    The work is redone where the photos, the teacher or the side differ from the earlier run's.
    Raises DataError for unusable sources, WeightsError for an unusable teacher.
    """
    often = list(photos(favoured))
    listed = [*photos(sources), *often]
    digest = hashlib.sha256(Path(teacher_path).read_bytes() if Path(teacher_path).is_file() else b"")
    digest.update("\n".join(name for name, _ in listed).encode())
    key = {"photos": len(listed), "side": side, "digest": digest.hexdigest()}
    record = folder / "pool.json"
    state = json.loads(record.read_text()) if record.is_file() else {}
    fresh = {k: state.get(k) for k in key} != key
    shapes = (len(listed), side, side, 3), (len(listed), teaching.GRID, teaching.GRID, teaching.CHANNELS)
    folder.mkdir(parents=True, exist_ok=True)
    mode = "w+" if fresh else "r+"
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode, np.uint8, shapes[0])
    features = np.lib.format.open_memmap(folder / "features.npy", mode, np.float16, shapes[1])
    done = 0 if fresh else int(state["done"])
    if done < len(listed):
        network = teaching.load_teacher(teacher_path).to(device).to(memory_format=torch.channels_last)
        with ThreadPoolExecutor(2) as workers, torch.inference_mode():
            for start in range(done, len(listed), _BATCH):
                part = listed[start : start + _BATCH]
                views = list(workers.map(lambda item: _views(item, side), part))
                stop = start + len(part)
                pixels[start:stop] = [small for small, _ in views]
                large = torch.from_numpy(np.stack([big for _, big in views])).permute(0, 3, 1, 2)
                maps = network.features(teaching.normalise(large.to(device)))
                features[start:stop] = maps.permute(0, 2, 3, 1).cpu().numpy()
                if stop % (_BATCH * FLUSH) == 0 or stop == len(listed):
                    pixels.flush()
                    features.flush()
                    record.write_text(json.dumps(key | {"done": stop}))
                if progress:
                    progress(stop, len(listed))
    return Pool(pixels, features, len(often))


def _views(item: tuple[str, Read], side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    name, read = item
    data = read()
    return square(data, name, side), square(data, name, teaching.SIZE)
