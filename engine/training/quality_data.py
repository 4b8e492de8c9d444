"""Pictures and labels for the quality networks: TID2013 made again, and many other contents.

TID2013's references are crops of the Kodak photos, so its 3,000 pictures can be made again from those with
:mod:`engine.distortions` and given their real opinion scores. Its 25th reference is an artificial picture and
is left out. Everything is written to a working folder once, file by file, and found again on resumption.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from engine.archive import open_zip, read_member
from engine.distortions import KINDS, LEVELS, distort
from engine.errors import DataError
from engine.images import MAX_BYTES, plain_name
from engine.models.weights import whole

Pixels = NDArray[np.uint8]
Progress = Callable[[str, float], None]
Opinions = dict[tuple[int, int, int], float]

REFERENCES = tuple(range(1, 25))
TEST_REFERENCES = (3, 7, 13, 21, 23)
VARIANTS = len(KINDS) * len(LEVELS)

_CROP = (384, 512)  # height and width of a TID2013 picture
# Top-left corner (y, x) of the crop in the Kodak photo. Those listed are exact, found by matching published
# pictures; TID2013's authors chose the rest by hand, so a typical place stands in for them.
_CORNERS = {1: (126, 104), 3: (44, 73), 4: (206, 0), 6: (43, 66), 7: (93, 153), 8: (4, 71), 19: (255, 0), 21: (60, 28)}
_LANDSCAPE, _PORTRAIT = (62, 82), (230, 0)

CONTENT_SIDE = 128
_PER_CONTENT = 5  # distorted pictures of each content
_SHARD = 200  # contents a file


def tid_reference(kodak: Path, number: int) -> Pixels:
    """TID2013's reference 1..24, (384, 512, 3), cut from a folder of Kodak photos."""
    path = kodak / f"kodim{number:02d}.png"
    if not path.is_file():
        raise DataError(f"The Kodak photo {path} is missing; put the 24 photos kodim01.png to kodim24.png there.")
    photo = np.asarray(PIL.Image.open(path).convert("RGB"))
    y, x = _CORNERS.get(number, _LANDSCAPE if photo.shape[1] > photo.shape[0] else _PORTRAIT)
    return photo[y : y + _CROP[0], x : x + _CROP[1]]


def variant(kind: int, level: int) -> int:
    """The place of a kind 1..24 at a level 1..5 among a reference's pictures; 0 is the reference itself."""
    return (kind - 1) * len(LEVELS) + level


def read_opinions(path: Path) -> Opinions:
    """(reference, kind, level) -> opinion score 0..1, the mean opinion score divided by 9.

    Reads columns ref, distortion, level and mos.
    """
    try:
        with path.open(newline="") as file:
            return {
                (int(row["ref"]), int(row["distortion"]), int(row["level"])): float(row["mos"]) / 9
                for row in csv.DictReader(file)
            }
    except FileNotFoundError:
        raise DataError(f"The opinion scores {path} are missing.") from None
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is no table of ref, distortion, level and mos: {error}.") from None


def typical_opinions(opinions: Opinions) -> NDArray[np.float32]:
    """Mean score of every variant over the training references; the pristine one (place 0) counts 1."""
    table = np.ones(VARIANTS + 1, np.float32)
    for kind in KINDS:
        for level in LEVELS:
            scores = [
                score
                for (reference, *which), score in opinions.items()
                if which == [kind.number, level] and reference in REFERENCES and reference not in TEST_REFERENCES
            ]
            table[variant(kind.number, level)] = np.mean(scores)
    return table


def kodak_variants(kodak: Path, work: Path, number: int) -> NDArray[np.uint8]:
    """The reference and its 120 distorted pictures (121, 384, 512, 3), made once and mapped from disk."""
    path = work / "kodak" / f"{number:02d}.npy"
    if not path.exists():
        reference = tid_reference(kodak, number)
        pictures = [reference]
        for kind in KINDS:
            pictures += [distort(reference, kind.number, level, seed=number) for level in LEVELS]
        _save(path, np.stack(pictures))
    return np.load(path, mmap_mode="r")


@dataclass(frozen=True)
class Contents:
    """Other photos: ``pictures`` (n, 6, 128, 128, 3), the first pristine, and each one's ``variants`` (n, 6)."""

    pictures: list[NDArray[np.uint8]]
    variants: NDArray[np.int64]


def contents(data: Path, work: Path, count: int, seed: int, progress: Progress) -> Contents:
    """Up to ``count`` small photos with five random distortions each, made once and mapped from disk."""
    shards, variants = [], []
    photos: Iterator[Pixels] | None = None
    for first in range(0, count, _SHARD):
        path = work / "contents" / f"{first:06d}.npy"
        chosen_path = path.with_suffix(".variants.npy")
        if not chosen_path.exists():
            if photos is None:
                photos = _photos(data, seed, skip=first)
            rng = np.random.default_rng([seed, first])
            shard, chosen = [], []
            for index, photo in enumerate(next(photos, None) for _ in range(min(_SHARD, count - first))):
                if photo is None:
                    break
                places = rng.choice(VARIANTS, _PER_CONTENT, replace=False)
                pictures = [photo]
                for place in places:
                    kind, level = place // len(LEVELS) + 1, place % len(LEVELS) + 1
                    pictures.append(distort(photo, int(kind), int(level), seed=1000 + first + index))
                shard.append(np.stack(pictures))
                chosen.append(np.concatenate([[0], places + 1]))
            if not shard:
                break
            _save(path, np.stack(shard))
            _save(chosen_path, np.stack(chosen))
        progress("other contents", min(1.0, (first + _SHARD) / count))
        shards.append(np.load(path, mmap_mode="r"))
        variants.append(np.load(chosen_path))
    if not shards:
        raise DataError(f"No photos were found in {data}; expected zips of JPEG pictures in osie, val and pool.")
    return Contents(shards, np.concatenate(variants))


def _photos(data: Path, seed: int, skip: int) -> Iterator[Pixels]:
    """Squares of 128 pixels cut from photos that were made smaller first, which hides their own JPEG artefacts.

    Sources take turns, the cleanest ones being used up several times over.
    """
    entries: list[tuple[Path, str, int]] = []
    for folder, name, turns in (("osie", "stimuli.zip", 4), ("val", "val_*.zip", 1), ("pool", "pool_*.zip", 1)):
        for path in sorted((data / folder).glob(name)):
            with open_zip(path) as archive:
                names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
            entries += [(path, entry, turn) for entry in names for turn in range(turns)]
    clean = [entry for entry in entries if entry[0].parent.name != "pool"]
    small = [entry for entry in entries if entry[0].parent.name == "pool"]
    rng = np.random.default_rng([seed, 7])
    order = [clean[i] for i in rng.permutation(len(clean))] + [small[i] for i in rng.permutation(len(small))]
    archives: dict[Path, zipfile.ZipFile] = {}
    for place, (path, entry, _) in enumerate(order):
        if place < skip:
            continue
        if path not in archives:
            archives[path] = open_zip(path)
        content = read_member(archives[path], entry, MAX_BYTES, f"The photo {plain_name(entry)}")
        photo = PIL.Image.open(io.BytesIO(content)).convert("RGB")
        yield _square(photo, np.random.default_rng([seed, 8, place]))


def _square(photo: PIL.Image.Image, rng: np.random.Generator) -> Pixels:
    short = min(photo.size)
    side = rng.uniform(CONTENT_SIDE, max(CONTENT_SIDE + 1, min(320, 0.7 * short)))
    scale = side / short
    photo = photo.resize(
        (max(CONTENT_SIDE, round(photo.width * scale)), max(CONTENT_SIDE, round(photo.height * scale))),
        PIL.Image.Resampling.LANCZOS,
    )
    x = int(rng.integers(0, photo.width - CONTENT_SIDE + 1))
    y = int(rng.integers(0, photo.height - CONTENT_SIDE + 1))
    return np.asarray(photo.crop((x, y, x + CONTENT_SIDE, y + CONTENT_SIDE)))


def _save(path: Path, array: NDArray) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        np.save(file, array)
