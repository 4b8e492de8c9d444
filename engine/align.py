"""Pairs that do not lie on one another: crop them to one size, or move one over the other.

A full-reference comparison needs two pictures of one size whose pixels show the same places. Only whole pixels are
moved: interpolation would change the quality that is to be judged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.registration import phase_cross_correlation

from engine.errors import ImageError

Pixels = NDArray[np.uint8]
Grey = NDArray[np.float32]

SMALLEST = 32
"""Pixels that either side must have in common: one patch of the quality network."""
LEAST_AGREEMENT = 0.6
"""Correlation of two pictures below which they count as different scenes; TID2013's worst levels keep 0.8."""
_COARSE = 512  # longest side, in pixels, at which the two are first compared
_FINE = 768  # side of the window in which the shift is then found at full size


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture and its reference, uint8 (H, W, 3) of one shape, and what was done to them, as a label."""

    picture: Pixels
    reference: Pixels
    note: str


@dataclass(frozen=True)
class Shift:
    """The picture's pixel (x, y) shows what the reference's pixel (x - `right`, y - `down`) shows.

    `agreement` is the correlation of their grey values where they overlap, -1 to 1.
    """

    right: int
    down: int
    agreement: float

    def __str__(self) -> str:
        parts = [
            (abs(self.right), "right" if self.right > 0 else "left"),
            (abs(self.down), "down" if self.down > 0 else "up"),
        ]
        return " and ".join(f"{count} px {word}" for count, word in parts if count) or "0 px"


def check(picture: Pixels, reference: Pixels) -> None:
    """Raise ImageError, with a sentence, where the two are of different sizes."""
    if picture.shape != reference.shape:
        raise ImageError(
            f"The picture is {picture.shape[1]} x {picture.shape[0]} pixels and its reference "
            f"{reference.shape[1]} x {reference.shape[0]}, so they cannot be compared pixel by pixel; "
            "crop both to one size, or align them."
        )


def crop(picture: Pixels, reference: Pixels) -> Pair:
    """Cut the middle of the common size out of both. Raises ImageError where that is smaller than a patch."""
    height, width = (min(sides) for sides in zip(picture.shape[:2], reference.shape[:2], strict=True))
    _check(width, height)
    middle = [_window(each, (each.shape[0] - height) // 2, (each.shape[1] - width) // 2, (height, width))
              for each in (picture, reference)]  # fmt: skip
    return Pair(middle[0], middle[1], f"the middle {width} x {height} pixels of both")


def align(picture: Pixels, reference: Pixels) -> Pair:
    """Move one over the other and keep where they overlap.

    Raises ImageError where no shift makes the two agree, or too little of them overlaps.
    """
    found = find_shift(picture, reference)
    if found.agreement < LEAST_AGREEMENT:
        raise ImageError(
            "No shift lays the picture on its reference: another scene, size or angle cannot be aligned by moving; "
            "give the undistorted original, or judge without a reference."
        )
    first, second, size = _overlap(picture.shape, reference.shape, found.down, found.right)
    _check(size[1], size[0])
    note = f"moved by {found}, the {size[1]} x {size[0]} pixels that overlap"
    return Pair(_window(picture, *first, size), _window(reference, *second, size), note)


def moved(picture: Pixels, reference: Pixels) -> Shift | None:
    """The shift of a pair of one size that is clearly not aligned; None where it is, or where no shift would help."""
    found = find_shift(picture, reference)
    if not (found.right or found.down) or found.agreement < LEAST_AGREEMENT:
        return None
    now = _agreement(_grey(picture), _grey(reference), 0, 0)
    return found if 1 - found.agreement < 0.6 * (1 - now) else None


def find_shift(picture: Pixels, reference: Pixels) -> Shift:
    """The shift, in whole pixels, that lays the reference on the picture best.

    Phase correlation (Kuglin and Hines 1975; Guizar-Sicairos 2008) of reduced copies, then of a window of the
    overlap at full size. Plain cross-correlation is tried too, since blur leaves little phase to go by.
    """
    grey = [_grey(each) for each in (picture, reference)]
    factor = max(1.0, max(max(each.shape) for each in grey) / _COARSE)
    small = [_reduced(each, factor) for each in grey]
    down, right = _best(small[0], small[1], [(0, 0), *_candidates(small[0], small[1])])
    if factor > 1:
        down, right = round(down * factor), round(right * factor)
        first, second, size = _overlap(grey[0].shape, grey[1].shape, down, right)
        window = (min(size[0], _FINE), min(size[1], _FINE))
        corner = [(size[axis] - window[axis]) // 2 for axis in (0, 1)]
        parts = [_window(each, at[0] + corner[0], at[1] + corner[1], window)
                 for each, at in zip(grey, (first, second), strict=True)]  # fmt: skip
        near = [(y, x) for y, x in _candidates(parts[0], parts[1]) if max(abs(y), abs(x)) <= 2 * factor]
        y, x = _best(parts[0], parts[1], [(0, 0), *near])
        down, right = down + y, right + x
    return Shift(right, down, _agreement(grey[0], grey[1], down, right))


def _grey(pixels: Pixels) -> Grey:
    return pixels.mean(2, dtype=np.float32)


def _reduced(grey: Grey, factor: float) -> Grey:
    height, width = (max(1, round(side / factor)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX), np.float32)


def _candidates(picture: Grey, reference: Grey) -> list[tuple[int, int]]:
    """Shifts (down, right) at which the two correlate most; both stand on a field large enough for any overlap."""
    shape = [a + b for a, b in zip(picture.shape, reference.shape, strict=True)]
    fields = [np.zeros(shape, np.float32) for _ in range(2)]
    for field, each in zip(fields, (picture, reference), strict=True):
        field[: each.shape[0], : each.shape[1]] = each - each.mean()
    if not all(field.any() for field in fields):  # a flat picture lies anywhere
        return []
    found = []
    for normalization in ("phase", None):
        shift: Any = phase_cross_correlation(fields[0], fields[1], normalization=normalization)[0]
        found.append((round(shift[0]), round(shift[1])))
    return found


def _best(picture: Grey, reference: Grey, shifts: list[tuple[int, int]]) -> tuple[int, int]:
    return max(shifts, key=lambda shift: _agreement(picture, reference, *shift))


def _agreement(picture: Grey, reference: Grey, down: int, right: int) -> float:
    """Correlation of the grey values where the two overlap; -1 where less than a tenth of the smaller one does."""
    first, second, size = _overlap(picture.shape, reference.shape, down, right)
    if min(size) < 1 or size[0] * size[1] < 0.1 * min(picture.size, reference.size):
        return -1.0
    a, b = (part - part.mean() for part in (_window(picture, *first, size), _window(reference, *second, size)))
    power = float(np.sqrt((a * a).mean() * (b * b).mean()))
    return float((a * b).mean()) / power if power > 0 else 0.0


def _overlap(
    picture: tuple[int, ...], reference: tuple[int, ...], down: int, right: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Upper left corner (row, column) of the overlap in either picture, and its height and width."""
    first = (max(0, down), max(0, right))
    second = (max(0, -down), max(0, -right))
    height, width = (max(0, min(picture[axis] - first[axis], reference[axis] - second[axis])) for axis in (0, 1))
    return first, second, (height, width)


def _window(values: NDArray[Any], top: int, left: int, size: tuple[int, int]) -> NDArray[Any]:
    return values[top : top + size[0], left : left + size[1]]


def _check(width: int, height: int) -> None:
    if min(width, height) < SMALLEST:
        raise ImageError(
            f"The two pictures have only {width} x {height} pixels in common, and {SMALLEST} x {SMALLEST} are needed; "
            "give a larger reference."
        )
