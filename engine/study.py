"""A small study of image quality: which of two distorted versions differs least from the original?

A seed fixes all rounds, so that a class can look at the same pairs. What is counted is agreement between a person and
the full-reference quality network; neither of them is right or wrong.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.distortions import KINDS, LEVELS, distort
from engine.engine import Engine
from engine.errors import QuestionError

ROUNDS = 10
SIDE = 224
"""Pixels of the crop's sides: three fit side by side, shown one to one, in a window of 800 pixels."""
STRIDE = 16
_CANDIDATES = 6  # places from which the one with most to see is taken
_SEED = 71  # keeps these draws apart from others with the same seed

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Version:
    """A distortion of :data:`engine.distortions.KINDS` by name, and its level 1 to 5."""

    kind: str
    level: int


@dataclass(frozen=True)
class Round:
    """One question: a photo's name, places for its crop (left, top as shares of what is left over), two versions."""

    photo: str
    places: tuple[tuple[float, float], ...]
    versions: tuple[Version, Version]


@dataclass(frozen=True, eq=False)
class Trio:
    """The pictures of a round, each uint8 (H, W, 3): the reference and its two distorted versions."""

    reference: Pixels
    versions: tuple[Pixels, Pixels]


@dataclass(frozen=True)
class Outcome:
    """A finished round: the person's choice (0 or 1) and the network's scores of both versions, 0 to 1."""

    round: Round
    choice: int
    scores: tuple[float, float]

    @property
    def networks(self) -> int:
        """The version that the network finds closer to the reference."""
        return int(self.scores[1] > self.scores[0])

    @property
    def agree(self) -> bool:
        """Whether the person and the network chose the same version."""
        return self.choice == self.networks


def plan(seed: int, photos: Sequence[str], rounds: int = ROUNDS) -> tuple[Round, ...]:
    """The rounds of a study. `photos` are names, of which each comes equally often, as far as that goes.

    The two versions of a round are of different kinds; in half of the rounds they have one level, which means about
    the same PSNR, else neighbouring ones. Raises QuestionError without photos or rounds, or for a negative seed.
    """
    if not photos or rounds < 1 or seed < 0:
        raise QuestionError("A study needs a photo, a round, and a seed of 0 or more.")
    chance = np.random.default_rng([_SEED, seed])
    order = [str(name) for _ in range(-(-rounds // len(photos))) for name in chance.permutation(list(photos))]
    return tuple(_round(name, chance) for name in order[:rounds])


def trio(pixels: Pixels, asked: Round) -> Trio:
    """The pictures of a round from its photo, uint8 (H, W, 3). Deterministic."""
    reference = _crop(pixels, asked.places)
    first, second = (distort(reference, version.kind, version.level) for version in asked.versions)
    return Trio(reference, (first, second))


def scores(engine: Engine, pictures: Trio) -> tuple[float, float]:
    """What the full-reference network says of both versions, 0 to 1. Raises WeightsError where it is not there."""
    reference = Image.fromarray(pictures.reference)
    first, second = (engine.quality(Image.fromarray(version), reference, STRIDE).score for version in pictures.versions)
    return first, second


def agreement(outcomes: Sequence[Outcome]) -> int:
    """In how many rounds the person and the network chose the same version."""
    return sum(outcome.agree for outcome in outcomes)


def encode(pixels: Pixels) -> bytes:
    """A JPEG file that adds no visible distortion of its own: quality 100, colour at full resolution."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def _round(photo: str, chance: np.random.Generator) -> Round:
    first, second = (KINDS[int(at)].name for at in chance.choice(len(KINDS), 2, replace=False))
    level = int(chance.integers(LEVELS[0], LEVELS[-1]))
    other = level + int(chance.integers(0, 2))
    levels = (level, other) if chance.integers(0, 2) else (other, level)
    places = tuple((float(across), float(down)) for across, down in chance.random((_CANDIDATES, 2)).round(4))
    return Round(photo, places, (Version(first, levels[0]), Version(second, levels[1])))


def _crop(pixels: Pixels, places: Sequence[tuple[float, float]]) -> Pixels:
    """The place of those offered where neighbouring pixels differ most: a flat wall shows no distortion."""
    height, width = (min(SIDE, side) for side in pixels.shape[:2])
    crops = []
    for across, down in places:
        top, left = round(down * (pixels.shape[0] - height)), round(across * (pixels.shape[1] - width))
        crops.append(pixels[top : top + height, left : left + width])
    return np.ascontiguousarray(max(crops, key=_detail))


def _detail(pixels: Pixels) -> float:
    grey = pixels.astype(np.float32).mean(2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
