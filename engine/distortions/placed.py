"""Distortions of TID2013 that sit in places: types 14 and 15. Signature: see noise.py."""

import numpy as np
from numpy.random import Generator

from engine.distortions.solve import Image, Pixels, reach, target_psnr, to_pixels

_TID_AREA = 512 * 384
_PATCH = 15  # side of a misplaced patch
_REACH = 12  # how far a patch is misplaced at most
_BLOCK = 32  # side of a coloured block
_BLOCKS = (32, 24, 16, 10, 6)  # on a TID image, by level: fewer and stronger, at one PSNR
_BLOCK_PSNR = 23.3  # what all five levels share


def pattern_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 14: non-eccentricity pattern noise, small patches copied from a few pixels away."""
    height, width = image.shape[:2]
    side = max(1, min(_PATCH, height // 3, width // 3))
    goal = 255**2 / 10 ** (target_psnr(level) / 10) * image.size
    result, error, total = image.copy(), np.zeros(image.shape, np.float32), 0.0
    for _ in range(max(50, 30 * height * width // side**2)):
        y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        dy, dx = rng.integers(-_REACH, _REACH + 1, 2)
        from_y, from_x = np.clip(y + dy, 0, height - side), np.clip(x + dx, 0, width - side)
        here = np.s_[y : y + side, x : x + side]
        total -= float(error[here].sum())
        result[here] = image[from_y : from_y + side, from_x : from_x + side]
        error[here] = (result[here] - image[here]) ** 2
        total += float(error[here].sum())
        if total >= goal:
            break
    return to_pixels(result)


def block_wise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 15: local block-wise distortions of different intensity.

    Blocks take on a colour of their own; from level 1 to 5 there are fewer of them and each is stronger, so
    that PSNR stays about the same (TID2013 does this; opinions even rise with the level).
    """
    height, width = image.shape[:2]
    side = max(1, min(_BLOCK, height // 2, width // 2))
    count = max(1, round(_BLOCKS[level - 1] * height * width / _TID_AREA))
    corners = np.stack([rng.integers(0, height - side + 1, count), rng.integers(0, width - side + 1, count)], 1)
    colours = rng.uniform(0, 255, (count, 3)).astype(np.float32)

    def paint(strength: float) -> Image:
        result = image.copy()
        for (y, x), colour in zip(corners, colours, strict=True):
            here = np.s_[y : y + side, x : x + side]
            mean = image[here].mean((0, 1))
            result[here] = mean + (colour - mean) * np.float32(strength)
        return np.clip(result, 0, 255)

    return reach(image, level, paint, (0.5, 0.7, 0.9, 1.2, 1.5), (0.02, 9.0), target=_BLOCK_PSNR)
