"""How much damage is a level: the search for the strength that reaches a wanted peak signal-to-noise ratio.

TID2013 set the five levels of every distortion by PSNR (Ponomarenko et al., "Image database TID2013:
Peculiarities, results and perspectives", Signal Processing: Image Communication 30, 2015), about 33, 30, 27,
24 and 21 dB. A distortion is therefore a curve from one strength to an image, and a level is a point on it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Image = NDArray[np.floating]

LEVELS = (1, 2, 3, 4, 5)
LEVEL_PSNR = (33.0, 30.0, 27.0, 24.0, 21.0)

_STRENGTH_PER_DB = np.log(2) / 6.02  # additive noise: 6 dB for every doubling
_NO_ERROR_DB = 99.0
_still: ContextVar[Callable[[], None]] = ContextVar("still", default=lambda: None)


@contextmanager
def interruptible(still: Callable[[], None]) -> Iterator[None]:
    """Inside, every search calls `still` before each strength that it tries; it may raise to end the search.

    A search lies deep below whoever waits for it, and takes up to ten seconds for a large picture.
    """
    token = _still.set(still)
    try:
        yield
    finally:
        _still.reset(token)


def to_pixels(image: NDArray) -> Pixels:
    """Round and clip an image in 0..255 to uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def psnr(reference: NDArray, distorted: NDArray) -> float:
    """Peak signal-to-noise ratio in dB over all channels, peak 255; 99 for equal images."""
    error = reference.astype(np.float32) - distorted.astype(np.float32)
    mean_square = float(np.mean(error * error))
    return _NO_ERROR_DB if mean_square == 0 else min(_NO_ERROR_DB, 10 * float(np.log10(255**2 / mean_square)))


def target_psnr(level: int) -> float:
    """The PSNR in dB that a level 1..5 stands for."""
    return LEVEL_PSNR[level - 1]


def reach(
    image: Image,
    level: int,
    curve: Callable[[float], NDArray],
    typical: Sequence[float],
    bounds: tuple[float, float],
    tolerance: float = 0.1,
    steps: int = 12,
    target: float | None = None,
) -> Pixels:
    """The image on ``curve`` whose PSNR is nearest to the level's.

    ``curve`` maps a positive strength to an image in 0..255 and must get worse with it, at least roughly;
    ``typical`` is the strength usual at each level, where the search begins; ``bounds`` are almost no damage
    and the most that makes sense; ``target`` is a PSNR in dB in place of the level's own. Where it cannot be
    reached (blur on a constant image), the image that came nearest is returned.
    """
    target = target_psnr(level) if target is None else target
    low, high = np.log(bounds)
    place, best, best_gap = float(np.log(typical[level - 1])), None, np.inf
    gap_low: float | None = None
    gap_high: float | None = None
    for step in range(steps):
        _still.get()()
        candidate = to_pixels(curve(float(np.exp(place))))
        gap = psnr(image, candidate) - target  # above zero: too little damage
        if best is None or abs(gap) < best_gap:
            best, best_gap = candidate, abs(gap)
        if abs(gap) <= tolerance or high - low < 1e-3:
            break
        if gap > 0:
            low, gap_low = place, gap
        else:
            high, gap_high = place, gap
        if gap_low is None or gap_high is None:
            edge = 0.03 * (high - low)
            place = float(np.clip(place + gap * _STRENGTH_PER_DB, low + edge, high - edge))
        elif step % 3 == 2:
            place = (low + high) / 2
        else:
            share = float(np.clip(gap_low / (gap_low - gap_high), 0.05, 0.95))
            place = low + (high - low) * share
    if best is None:
        raise ValueError("the search needs at least one step")
    return best
