"""What the screen asks about quality besides the maps: how evidence divides at every Q, and passes that refine."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.distortions import KINDS
from engine.models.quality_networks import PATCH
from engine.quality import MOS_AT_ONE, STRIDES, Floats, QualityResult

PRISTINE = "No distortion"
PASSES = (32, 8, 4)
"""Strides of the first map and of those that refine it; each costs about sixteen, then four times the one before."""
USUAL_MOST = 80_000
"""Patches that are judged without being asked for: a quarter of a minute on one core."""
MOST_CELLS = 320
"""Cells a side of a map that is sent to a screen."""
_AT_ONCE = 1_200  # patches that need no coarser map before them


@dataclass(frozen=True, eq=False)
class Curve:
    """Shares of a picture's evidence, float64 (n,), at `foils` (n,): they add up to 1, or to 0 without evidence.

    `above` keeps the score above Q, `below` holds it below Q, `for_foil` speaks for Q itself.
    """

    foils: NDArray[np.float64]
    above: NDArray[np.float64]
    below: NDArray[np.float64]
    for_foil: NDArray[np.float64]


def curve(result: QualityResult, count: int = 51) -> Curve:
    """Divide the absolute evidence at `count` foils, evenly from 0 to 1.

    ``above + below`` is the first number of :meth:`QualityResult.balance`.
    """
    foils = np.linspace(0, 1, count)
    shares = np.array([_divided(result, float(foil)) for foil in foils])
    return Curve(foils, shares[:, 0], shares[:, 1], shares[:, 2])


def _divided(result: QualityResult, foil: float) -> tuple[float, float, float]:
    sides = result.sides(foil)
    parts = (
        float(np.maximum(sides, 0).sum()),
        float(np.maximum(-sides, 0).sum()),
        float(np.maximum(-result.map(foil), 0).sum()),
    )
    total = sum(parts)
    return (parts[0] / total, parts[1] / total, parts[2] / total) if total else (0.0, 0.0, 0.0)


def extent(result: QualityResult) -> tuple[float, float, float, float]:
    """What the maps' grid covers: left, top, right, bottom as shares of the picture.

    The last cells may reach past its right and lower edge.
    """
    (rows, columns), (width, height) = result.evidence.shape, result.size
    return 0.0, 0.0, columns * result.cell / width, rows * result.cell / height


def screened(result: QualityResult, most: int = MOST_CELLS) -> QualityResult:
    """The result with maps of at most `most` cells a side, each the mean of a square of cells; small ones as they are.

    The maps of large photos have more cells than a screen has room for. The score and the patches stay.
    """
    factor = math.ceil(max(result.evidence.shape) / most)
    if factor == 1:
        return result

    def mean(values: Floats) -> Floats:
        """Squares that reach past the map repeat its last cells."""
        padded = np.pad(values, [(0, -side % factor) for side in values.shape], mode="edge")
        rows, columns = (side // factor for side in padded.shape)
        return padded.reshape(rows, factor, columns, factor).mean((1, 3))

    return replace(
        result,
        cell=result.cell * factor,
        patch_scores=mean(result.patch_scores),
        evidence=mean(result.evidence),
        score_evidence=mean(result.score_evidence),
    )


def likeness(result: QualityResult, count: int = 3) -> list[tuple[str, float]]:
    """What the damage looks like to the network: the likeliest of "No distortion" and TID2013's 24 types."""
    titles = (PRISTINE, *(kind.title for kind in KINDS))
    order = np.argsort(-result.distortions, kind="stable")[:count]
    return [(titles[index], float(result.distortions[index])) for index in order]


def opinion(result: QualityResult) -> float:
    """The score on TID2013's scale of mean opinion scores, 0 to 9."""
    return result.score * MOS_AT_ONE


def patches(size: tuple[int, int], stride: int) -> int:
    """How many patches a picture of `size` (width, height) has, one every `stride` pixels."""
    across, down = (max(0, math.ceil((side - PATCH) / stride)) + 1 for side in size)
    return across * down


def passes(size: tuple[int, int], stride: int | None = None) -> tuple[int, ...]:
    """The strides at which a picture is judged one after the other, from a map at once to the finest.

    `stride` None: 4 pixels, or a coarser one where that would be more than :data:`USUAL_MOST` patches.
    """
    if stride is None:
        stride = next((each for each in STRIDES if patches(size, each) <= USUAL_MOST), STRIDES[-1])
    if patches(size, stride) <= _AT_ONCE:
        return (stride,)
    return (*(each for each in PASSES if each > stride), stride)
