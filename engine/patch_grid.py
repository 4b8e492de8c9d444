"""Where the patches of a picture lie, and how what was found in each becomes one map of the picture."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.models.quality_networks import CELLS, PATCH

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

CELL = PATCH // CELLS
"""Pixels that a cell of a patch's map stands for."""
BLOCK = 32
"""Rows and columns of patches at a time; with it memory does not grow with the picture."""


def blocks(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of patches, cut into blocks of about one size; narrow pictures have longer ones."""
    down = min(rows, BLOCK)
    for top in _parts(rows, down):
        for left in _parts(columns, max(1, BLOCK**2 // down)):
            yield top, left


def _parts(length: int, most: int) -> list[slice]:
    """The range of `length` in as few parts of at most `most` as possible, none much shorter than others."""
    count = math.ceil(length / most)
    return [slice(length * part // count, length * (part + 1) // count) for part in range(count)]


def cut(picture: Pixels, place: tuple[slice, slice], stride: int) -> Pixels:
    """The pixels under a block of patches; beyond its right and lower edge the picture is mirrored."""
    lines = []
    for side, patches in zip(picture.shape[:2], place, strict=True):
        at = np.arange(patches.start * stride, (patches.stop - 1) * stride + PATCH) % (2 * side)
        lines.append(np.minimum(at, 2 * side - 1 - at))
    return picture[np.ix_(*lines)]


def grid(pixels: Pixels, stride: int) -> tuple[int, int]:
    """Rows and columns of patches; the last ones may reach past the picture's edges."""
    rows, columns = (max(0, math.ceil((side - PATCH) / stride)) + 1 for side in pixels.shape[:2])
    return rows, columns


def blend(maps: Floats, stride: int, size: tuple[int, int]) -> Floats:
    """Average the patches' maps (rows, columns, 4, 4) over a picture of `size`, weighted by a smooth window."""
    cell = min(stride, CELL)
    step, side, repeat = stride // cell, PATCH // cell, CELL // cell
    window = np.sin(np.pi * (np.arange(side, dtype=np.float32) + 0.5) / side) ** 2
    rows, columns = maps.shape[:2]
    total = np.zeros(((rows - 1) * step + side, (columns - 1) * step + side), np.float32)
    weight = np.zeros_like(total)
    for i in range(side):
        for j in range(side):
            here = np.s_[i : i + rows * step : step, j : j + columns * step : step]
            total[here] += window[i] * window[j] * maps[:, :, i // repeat, j // repeat]
            weight[here] += window[i] * window[j]
    height, width = (math.ceil(side / cell) for side in size)
    return np.divide(total, weight, out=total)[:height, :width]
