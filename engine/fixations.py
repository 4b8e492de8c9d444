"""Where people looked: the fixations of one photo, and their density."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import toeplitz

from engine.errors import DataError

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Fixations:
    """Fixations of one photo, immutable.

    Attributes:
        x, y: float64 (N,), pixels from the photo's upper left corner, 0 <= x < width, 0 <= y < height; the
            integer part names the pixel.
        size: the photo's width and height in pixels.
        subject: who looked, str (N,); "" where unknown.
        duration_ms: float64 (N,), milliseconds; NaN where unknown.

    Raises:
        DataError: lists of different lengths, or positions that are not finite or outside the photo.
    """

    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    size: Size
    subject: np.ndarray = field(default_factory=lambda: np.empty(0, str), repr=False)
    duration_ms: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)

    def __post_init__(self) -> None:
        x, y = np.array(self.x, float).ravel(), np.array(self.y, float).ravel()
        subject, duration = np.array(self.subject, str).ravel(), np.array(self.duration_ms, float).ravel()
        subject = subject if subject.size else np.full(len(x), "")
        duration = duration if duration.size else np.full(len(x), np.nan)
        if not len(x) == len(y) == len(subject) == len(duration):
            raise DataError("Fixations need as many x as y, subjects and durations; check the file's columns.")
        _check_inside(x, y, self.size)
        for name, values in (("x", x), ("y", y), ("subject", subject), ("duration_ms", duration)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects' names in sorted order."""
        return tuple(np.unique(self.subject).tolist())

    def of(self, subject: str) -> Fixations:
        """One subject's fixations."""
        return self._where(self.subject == subject)

    def scaled(self, size: Size) -> Fixations:
        """The same fixations relative to a photo of another size."""
        # The largest position below the edge: rounding must not carry a fixation across it.
        x = np.minimum(self.x * (size[0] / self.size[0]), np.nextafter(size[0], 0))
        y = np.minimum(self.y * (size[1] / self.size[1]), np.nextafter(size[1], 0))
        return Fixations(x, y, size, self.subject, self.duration_ms)

    def _where(self, mask: np.ndarray) -> Fixations:
        return Fixations(self.x[mask], self.y[mask], self.size, self.subject[mask], self.duration_ms[mask])


def nobody(size: Size) -> Fixations:
    """No fixations of a photo of the given size."""
    return Fixations(np.empty(0), np.empty(0), size)


def inside(x: ArrayLike, y: ArrayLike, size: Size, subject: ArrayLike = (), duration_ms: ArrayLike = ()) -> Fixations:
    """Fixations of which those outside the photo are left out, as the data sets' authors advise (blinks)."""
    x, y = np.asarray(x, float).ravel(), np.asarray(y, float).ravel()
    subject, duration = np.asarray(subject, str), np.asarray(duration_ms, float)
    keep = is_inside(x, y, size)
    return Fixations(
        x[keep],
        y[keep],
        size,
        subject[keep] if subject.size else subject,
        duration[keep] if duration.size else duration,
    )


def merge(parts: Iterable[Fixations]) -> Fixations:
    """All fixations of several viewers of one photo; the sizes must agree."""
    parts = list(parts)
    if len({part.size for part in parts}) != 1:
        raise DataError("Only fixations of one photo size can be merged; check that the photo is the same.")
    return Fixations(
        np.concatenate([p.x for p in parts]),
        np.concatenate([p.y for p in parts]),
        parts[0].size,
        np.concatenate([p.subject for p in parts]),
        np.concatenate([p.duration_ms for p in parts]),
    )


@dataclass(frozen=True, eq=False)
class Pool:
    """Fixations of many photos, relative to each photo's size: for the centre bias and the shuffled AUC."""

    across: np.ndarray = field(repr=False)
    down: np.ndarray = field(repr=False)
    photo: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, parts: Sequence[Fixations]) -> Pool:
        """The fixations of photos 0, 1, 2, ... in this order."""
        columns = [[part.x / part.size[0] for part in parts], [part.y / part.size[1] for part in parts]]
        photo = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        across, down = (np.concatenate([np.empty(0), *column]) for column in columns)
        return cls(across, down, photo)

    def without(self, photo: int | None, size: Size) -> Fixations:
        """All fixations but those of one photo (None: all), on a photo of the given size, nameless."""
        keep = self.photo != (-1 if photo is None else photo)
        x = np.minimum(self.across[keep] * size[0], np.nextafter(size[0], 0))
        y = np.minimum(self.down[keep] * size[1], np.nextafter(size[1], 0))
        return Fixations(x, y, size)


def density(fixations: Fixations, sigma: float, size: Size | None = None) -> np.ndarray:
    """The density of fixations: their histogram blurred by a Gaussian.

    Args:
        fixations: at least one.
        sigma: the Gaussian's standard deviation in pixels; about one degree of visual angle is usual.
        size: width and height of the result; the photo's by default (then ``sigma`` is in its pixels).

    Returns:
        float64 (H, W), non-negative, with the sum 1. Nothing is reflected at the border.
    """
    if not len(fixations):
        raise DataError("There are no fixations to make a density from; give at least one.")
    if size is not None and size != fixations.size:
        fixations = fixations.scaled(size)
    width, height = fixations.size
    flat = fixations.y.astype(int) * width + fixations.x.astype(int)
    counts = np.bincount(flat, minlength=width * height).reshape(height, width).astype(float)
    blurred = _gaussian(height, sigma) @ counts @ _gaussian(width, sigma)
    return blurred / blurred.sum()


def _gaussian(length: int, sigma: float) -> np.ndarray:
    """A Gaussian about every place of a line, cut off at four deviations, as the rows of a matrix (length, length).

    A Gaussian as wide as a degree covers a fifth of a photo: as a product it is ten times as fast as a filter.
    """
    away = np.arange(length, dtype=float)
    heights = np.exp(-0.5 * (away / max(sigma, 1e-9)) ** 2) * (away <= int(4 * sigma + 0.5))
    return toeplitz(heights)


def is_inside(x: np.ndarray, y: np.ndarray, size: Size) -> np.ndarray:
    """Which positions lie on the photo: bool (N,)."""
    return (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])  # NaN is not inside


def _check_inside(x: np.ndarray, y: np.ndarray, size: Size) -> None:
    outside = ~is_inside(x, y, size)
    if not outside.any():
        return
    first = int(np.argmax(outside))
    hint = "check that they are in its pixels"
    if is_inside(y, x, size).all():
        hint = "x and y look swapped"
    raise DataError(
        f"{outside.sum()} of {len(x)} fixations lie outside the photo of {size[0]} x {size[1]} pixels, "
        f"the first at ({x[first]:g}, {y[first]:g}); {hint}."
    )
