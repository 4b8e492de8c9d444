"""Does the network look where people look? The maps of one photo, scored against its fixations.

Everything here works on one grid, the photo's own reduced to at most ``SCORED_SIDE`` pixels, with smoothing given in
degrees of visual angle.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from engine import scores
from engine.engine import Engine
from engine.errors import DataError
from engine.fixations import Fixations, density
from engine.maps import WHOLE, Extent, Map
from engine.methods import method
from engine.render import enlarge
from engine.scores import Score, cc
from engine.trace import Trace

Values = NDArray[np.float32]
Scores = dict[str, float | None]

SCORED_SIDE = 800
"""Longer photos are scored on a grid reduced to this side: scores do not change visibly, and come much sooner."""
USUAL_DEGREE = 0.03
"""One degree of visual angle as a share of the photo's longer side, where the viewing distance is not known."""
CENTRE_SPREAD = (0.22, 0.19)
"""Standard deviation of fixations as a share of width and height, measured on 200 photos of OSIE."""
ENOUGH = 500
"""Fixations on other photos from which on the centre bias is theirs, and no longer a Gaussian."""
CENTRE, OWN = "centre", "own"
_SMOOTHING_SIDE = 200


@dataclass(frozen=True)
class Candidate:
    """A map to score: a method of the engine, smoothed by so many degrees of visual angle."""

    id: str
    title: str
    method: str
    degrees: float = 0.0


CANDIDATES = (
    Candidate("contrastive-saliency", "Contrastive saliency", "contrastive-saliency"),
    Candidate("gradcam", "Grad-CAM", "gradcam"),
    Candidate("guided-backprop", "Guided backprop", "guided-backprop"),
    Candidate("guided-backprop-smooth", "Guided backprop, smoothed", "guided-backprop", 1.0),
    Candidate("features", "Feed-forward features", "features"),
)


@dataclass(frozen=True, eq=False)
class Truth:
    """What people did on one photo, on the grid that maps are scored on.

    Attributes:
        fixations: theirs, at least one, in pixels of the grid; ``fixations.size`` is the grid's width and height.
        density: float64 (H, W), sum 1: the fixations blurred by one degree.
        centre: float64 (H, W), sum 1: where people look whatever the photo is.
        centre_from_others: whether ``centre`` is made of fixations on other photos, and not a Gaussian.
        others: fixations on other photos, for the shuffled AUC; None where there are none.
        degree: one degree of visual angle in pixels of the grid.
        scorer: all of it, prepared for `engine.scores`.
    """

    fixations: Fixations
    density: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)
    centre_from_others: bool
    others: Fixations | None
    degree: float
    scorer: scores.Truth = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the grid."""
        return self.fixations.size

    @cached_property
    def digest(self) -> str:
        """BLAKE2b of all that scores depend on: equal truths have equal digests."""
        found = hashlib.blake2b(f"{self.size} {self.degree}".encode(), digest_size=16)
        for part in (self.fixations, self.others):
            if part is not None:
                found.update(part.x.tobytes() + b"|" + part.y.tobytes() + b"||")
        return found.hexdigest()


def truth(fixations: Fixations, degree: float, others: Fixations | None = None) -> Truth:
    """Prepare a photo's fixations to score maps against.

    Args:
        fixations: at least one.
        degree: one degree of visual angle in the photo's pixels; positive.
        others: fixations on other photos, brought to this photo's size (see ``fixations.Pool``).

    Raises:
        DataError: there are no fixations, or no degree.
    """
    if not degree > 0:
        raise DataError("One degree of visual angle must be more than 0 pixels; give the photo's width in degrees.")
    size = grid(fixations.size)
    sigma = degree * size[0] / fixations.size[0]
    known = others.scaled(size) if others is not None and len(others) else None
    scaled = fixations.scaled(size)
    crowd = known if known is not None and len(known) >= ENOUGH else None
    centre = centre_bias(size, sigma, crowd)
    dense = density(scaled, sigma)
    elsewhere = (known.x, known.y) if known is not None else ((), ())
    scorer = scores.Truth(scaled.x, scaled.y, dense, centre, *elsewhere)
    return Truth(scaled, dense, centre, crowd is not None, known, sigma, scorer)


def grid(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the grid that maps of a photo of this size are scored on."""
    share = min(1.0, SCORED_SIDE / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def centre_bias(size: tuple[int, int], sigma: float = 0.0, others: Fixations | None = None) -> np.ndarray:
    """Where people look whatever the photo is: float64 (H, W), >= 0, with the sum 1.

    The density of `others` blurred by `sigma` pixels; without them a Gaussian in the middle, with the spread of
    ``CENTRE_SPREAD`` (Tatler 2007; Judd 2012 stretches it to the photo's proportions too).
    """
    width, height = size
    if others is not None:
        return density(others, sigma, size)
    across = (np.arange(width) + 0.5) / width - 0.5
    down = (np.arange(height) + 0.5) / height - 0.5
    made = np.exp(-((across / CENTRE_SPREAD[0]) ** 2)[None] / 2 - ((down / CENTRE_SPREAD[1]) ** 2)[:, None] / 2)
    gaussian: np.ndarray = made / made.sum()
    return gaussian


@dataclass(frozen=True, eq=False)
class Finished:
    """A map as it is shown and scored: float32 (h, w), >= 0, and what its grid covers of the photo."""

    values: Values = field(repr=False)
    extent: Extent = WHOLE


def smooth(found: Finished, size: tuple[int, int], sigma: float) -> Finished:
    """A map smoothed by a Gaussian of `sigma` pixels of the photo of `size`; its grid may become finer.

    A coarse map is enlarged first, so that a Gaussian smaller than its cells still acts.
    """
    if sigma <= 0:
        return found
    share = min(1.0, _SMOOTHING_SIDE / max(size))
    width = max(found.values.shape[1], round(size[0] * share), 1)
    height = max(found.values.shape[0], round(size[1] * share), 1)
    fine = enlarge(found.values, width, height, found.extent)
    return Finished(gaussian_filter(fine, (sigma * height / size[1], sigma * width / size[0]), mode="nearest"))


def score(saliency: Finished, against: Truth) -> Scores:
    """Every score of SCORES for a map; None where it cannot be had."""
    found = against.scorer.scores(enlarge(saliency.values, *against.size, saliency.extent))
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def small(density: np.ndarray, side: int = 160) -> Finished:
    """A density (H, W) as a map of at most `side` cells a side with the maximum 1."""
    height, width = density.shape
    share = min(1.0, side / max(height, width))
    scaled = np.asarray(density / density.max(), np.float32)
    return Finished(enlarge(scaled, max(1, round(width * share)), max(1, round(height * share))))


def best(table: Mapping[str, Scores], asked: Score, digits: int = 3) -> tuple[str, ...]:
    """The rows that are best in one score, as far as `digits` places tell them apart; none where none has it."""
    sign = 1 if asked.higher_is_better else -1
    known = {name: round(sign * value, digits) for name, row in table.items() if (value := row[asked.id]) is not None}
    return tuple(name for name, value in known.items() if value == max(known.values()))


@dataclass(frozen=True, eq=False)
class View:
    """How the maps of one photo are made.

    At `layer` (None: each method's own), about `fact` (None: the network's answer), with `options` of contrastive
    saliency, and all smoothed by `degrees` of visual angle, of which one has `degree` pixels of the photo of `size`.
    """

    size: tuple[int, int]
    degree: float
    degrees: float = 0.0
    layer: str | None = None
    fact: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def explain(self, engine: Engine, trace: Trace, candidate: Candidate, layer: str | None = None) -> Map:
        """The map of a candidate, before ReLU and smoothing."""
        options = self.options if method(candidate.method).options else {}
        return engine.explain(trace, candidate.method, layer or self.layer, self.fact, **options)

    def finish(self, found: Finished, degrees: float = 0.0) -> Finished:
        """ReLU, as every map is shown and scored, and smoothing: by the candidate's degrees or the chosen ones."""
        positive = Finished(np.maximum(found.values, 0), found.extent)
        return smooth(positive, self.size, max(self.degrees, degrees) * self.degree)

    def saliency(self, engine: Engine, trace: Trace, candidate: Candidate, layer: str | None = None) -> Finished:
        """The finished map of a candidate."""
        found = self.explain(engine, trace, candidate, layer)
        return self.finish(Finished(found.values, found.extent), candidate.degrees)


def agreement(first: Finished, second: Finished) -> float:
    """Pearson's correlation of two maps over the photo, -1 to 1."""
    return cc(*(enlarge(one.values, _SMOOTHING_SIDE, _SMOOTHING_SIDE, one.extent) for one in (first, second)))
