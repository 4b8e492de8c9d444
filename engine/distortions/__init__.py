"""Distortions of photographs: the 24 types of TID2013 at five levels, in a region, and combined.

``distort(pixels, "jpeg", 3)`` is deterministic: type, level and seed fix the picture. Levels are set by PSNR
over the distorted area, as in TID2013 (33, 30, 27, 24 and 21 dB); type 15 keeps one PSNR at all levels. The
plain degradations by radius, sigma, quality or factor are in :mod:`engine.distortions.plain`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engine.distortions import appearance, coding, noise, placed
from engine.distortions.plain import PLAIN
from engine.distortions.solve import LEVEL_PSNR, LEVELS, Image, Pixels, interruptible, psnr
from engine.errors import ImageError, QuestionError

__all__ = [
    "KINDS", "LEVELS", "LEVEL_PSNR", "PLAIN", "Kind", "Step", "combine", "distort", "find", "interruptible", "psnr",
]  # fmt: skip

_SEED = 20130
_MARGIN = 16  # pixels around a region that filters and coders may look at


@dataclass(frozen=True)
class Kind:
    """One type of distortion: TID2013's number, a short name, a title to show, and its function."""

    number: int
    name: str
    title: str
    apply: Callable[[Image, int, Generator], Pixels]


KINDS: tuple[Kind, ...] = (
    Kind(1, "gaussian-noise", "Additive Gaussian noise", noise.gaussian_noise),
    Kind(2, "colour-noise", "Noise stronger in colour components", noise.colour_noise),
    Kind(3, "correlated-noise", "Spatially correlated noise", noise.correlated_noise),
    Kind(4, "masked-noise", "Masked noise", noise.masked_noise),
    Kind(5, "high-frequency-noise", "High-frequency noise", noise.high_frequency_noise),
    Kind(6, "impulse-noise", "Impulse noise", noise.impulse_noise),
    Kind(7, "quantisation-noise", "Quantisation noise", noise.quantisation_noise),
    Kind(8, "gaussian-blur", "Gaussian blur", appearance.gaussian_blur),
    Kind(9, "image-denoising", "Image denoising", appearance.image_denoising),
    Kind(10, "jpeg", "JPEG compression", coding.jpeg),
    Kind(11, "jpeg2000", "JPEG 2000 compression", coding.jpeg2000),
    Kind(12, "jpeg-errors", "JPEG transmission errors", coding.jpeg_transmission_errors),
    Kind(13, "jpeg2000-errors", "JPEG 2000 transmission errors", coding.jpeg2000_transmission_errors),
    Kind(14, "pattern-noise", "Non-eccentricity pattern noise", placed.pattern_noise),
    Kind(15, "block-wise", "Local block-wise distortions", placed.block_wise),
    Kind(16, "mean-shift", "Mean shift (intensity)", appearance.mean_shift),
    Kind(17, "contrast", "Contrast change", appearance.contrast_change),
    Kind(18, "colour-saturation", "Change of colour saturation", appearance.colour_saturation),
    Kind(19, "multiplicative-noise", "Multiplicative Gaussian noise", noise.multiplicative_noise),
    Kind(20, "comfort-noise", "Comfort noise", noise.comfort_noise),
    Kind(21, "noisy-compression", "Lossy compression of a noisy image", coding.noisy_compression),
    Kind(22, "colour-quantisation", "Colour quantisation with dither", coding.colour_quantisation),
    Kind(23, "chromatic-aberration", "Chromatic aberrations", appearance.chromatic_aberration),
    Kind(24, "sparse-sampling", "Sparse sampling and reconstruction", appearance.sparse_sampling),
)


@dataclass(frozen=True)
class Step:
    """One distortion of a combination: a kind's name, a level, and where (None: everywhere)."""

    kind: str
    level: int
    region: NDArray[np.bool_] | None = None


def find(kind: str | int) -> Kind:
    """The kind with this name or TID2013 number; :class:`QuestionError` names the choices otherwise."""
    for candidate in KINDS:
        if kind in (candidate.name, candidate.number):
            return candidate
    choices = ", ".join(candidate.name for candidate in KINDS)
    raise QuestionError(f"There is no distortion {kind!r}; choose one of {choices}, or 1 to 24.")


def distort(
    pixels: Pixels, kind: str | int, level: int, seed: int = 0, region: NDArray[np.bool_] | None = None
) -> Pixels:
    """Distort uint8 (H, W, 3) ``pixels`` with a kind (name or number 1..24) at a level 1..5.

    With ``region``, a boolean mask (H, W), only pixels inside it change, and the level is set by the PSNR
    over the region's bounding box, so that local damage is as strong as global damage of the same level.
    Raises :class:`QuestionError` for an unknown kind, level or a mask of another size, and
    :class:`ImageError` for anything but an RGB picture of at least 8 x 8 pixels.
    """
    chosen = find(kind)
    if level not in LEVELS:
        raise QuestionError(f"A distortion has the levels 1 to 5; {level} was asked for.")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < 8:
        raise ImageError("Only an RGB picture of at least 8 x 8 pixels, 8 bits a channel, can be distorted.")
    rng = np.random.default_rng([_SEED, seed, chosen.number])
    if region is None:
        return chosen.apply(pixels.astype(np.float32), level, rng)
    if region.shape != pixels.shape[:2]:
        raise QuestionError(
            f"The region is {region.shape[1]} x {region.shape[0]} and the picture "
            f"{pixels.shape[1]} x {pixels.shape[0]} pixels; give a mask of the picture's size."
        )
    if not region.any():
        return pixels.copy()
    rows, columns = np.nonzero(region)
    box = (_span(rows, pixels.shape[0]), _span(columns, pixels.shape[1]))
    result = pixels.copy()
    damaged = chosen.apply(pixels[box].astype(np.float32), level, rng)
    result[box] = np.where(region[box][..., None], damaged, pixels[box])
    return result


def _span(places: NDArray[np.intp], size: int) -> slice:
    """The stretch of one axis that holds all places, with a margin for context."""
    return slice(max(0, int(places.min()) - _MARGIN), min(size, int(places.max()) + 1 + _MARGIN))


def combine(pixels: Pixels, steps: Sequence[Step] | Iterable[Step], seed: int = 0) -> Pixels:
    """Several distortions one after the other, each with a seed of its own."""
    for index, step in enumerate(steps):
        pixels = distort(pixels, step.kind, step.level, seed + index, step.region)
    return pixels
