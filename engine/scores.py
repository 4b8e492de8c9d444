"""Scores of a saliency map against human fixations. Pure functions of numpy arrays.

Definitions follow the MIT/Tuebingen saliency benchmark: Judd, Durand and Torralba 2012 (MIT-CSAIL-TR-2012-001);
Bylinskii, Judd, Oliva, Torralba and Durand 2018, "What do different evaluation metrics tell us about saliency
models?" (TPAMI, arXiv 1604.03605). Values equal pysaliency's.

Everywhere: ``saliency`` is a finite map (H, W) on the photo's own pixel grid, of any range, larger meaning more
salient; ``x`` and ``y`` are fixations (N,) in pixels from the upper left, 0 <= x < W, 0 <= y < H, of which the
integer part names the pixel; ``density`` and ``baseline`` are non-negative maps (H, W), whose sum is brought to 1.

Nothing is random: ties are resolved by counting them half (the trapezoid rule), where reference code adds a
little noise. A constant map says nothing and gets each score's value at chance. Every function raises
:class:`DataError` for maps that are not finite or differ in shape, for no fixations, and for fixations outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import DataError

EPSILON = 2.2204e-16  # as in the benchmark's code: keeps logarithms finite
UNIFORM_SHARE = 0.1  # of the uniform density in the information gain of maps that are no densities by themselves


@dataclass(frozen=True)
class Score:
    """A score's name and what it means, for tables."""

    id: str
    title: str
    meaning: str
    higher_is_better: bool
    chance: float


SCORES = (
    Score("nss", "NSS", "Mean height of the map at the fixations, in standard deviations; chance is 0.", True, 0.0),
    Score("cc", "CC", "Correlation of the map with the density of the fixations, from -1 to 1.", True, 0.0),
    Score(
        "auc_judd",
        "AUC-Judd",
        "Probability that a fixated pixel lies higher than one that was not fixated; chance is 0.5.",
        True,
        0.5,
    ),
    Score(
        "auc_shuffled",
        "shuffled AUC",
        "The same against pixels fixated in other photos, so that a bias to the centre earns nothing.",
        True,
        0.5,
    ),
    Score("sim", "SIM", "Overlap of the map with the density of the fixations, from 0 to 1.", True, 0.0),
    Score("kl", "KL", "Kullback-Leibler divergence of the map from the density, in nats; 0 is perfect.", False, np.inf),
    Score(
        "information_gain",
        "IG",
        "Bits for each fixation by which the map predicts better than the centre bias; below 0 it predicts worse.",
        True,
        0.0,
    ),
)


def nss(saliency: ArrayLike, x: ArrayLike, y: ArrayLike) -> float:
    """Normalised scanpath saliency: the mean over fixations of (map - mean) / standard deviation.

    Invariant to positive affine changes of the map. Peters, Iyer, Itti and Koch 2005, equation 1. A constant
    map gives 0.
    """
    values = _map(saliency)
    return _nss(_centred(values), _pixels(values.shape, x, y))


def cc(saliency: ArrayLike, density: ArrayLike) -> float:
    """Pearson's correlation of two maps, -1 to 1. Bylinskii 2018, equation 8.

    A constant saliency map gives 0; a constant density leaves the score undefined: NaN.
    """
    values, truth = _pair(saliency, density)
    return _cc(_centred(values), _centred(truth))


def auc_judd(saliency: ArrayLike, x: ArrayLike, y: ArrayLike) -> float:
    """Area under the ROC curve, 0 to 1, fixated pixels against all pixels that were never fixated.

    As Judd 2012: the curve is drawn at the fixated values alone, with straight lines between (which draws
    scores of maps below chance towards 0.5). Invariant to increasing changes of the map. Where every pixel is
    fixated the score is undefined: NaN.
    """
    values = _map(saliency)
    return _auc_judd(values, _pixels(values.shape, x, y))


def auc_shuffled(saliency: ArrayLike, x: ArrayLike, y: ArrayLike, other_x: ArrayLike, other_y: ArrayLike) -> float:
    """Area under the ROC curve, 0 to 1, fixations of this photo against those of other photos.

    Zhang, Tong, Marks, Shan and Cottrell 2008; Borji, Sihite and Itti 2013. All the other photos' fixations
    are used, with their multiplicity and scaled to this photo's size by the caller, instead of random draws.
    A centre bias common to all photos earns 0.5.
    """
    values = _map(saliency)
    return auc(values[_pixels(values.shape, x, y)], values[_pixels(values.shape, other_x, other_y)])


def auc(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Probability, 0 to 1, that a positive value exceeds a negative one, ties counting half (Mann-Whitney)."""
    positive, negative = np.asarray(positives, float), np.sort(np.asarray(negatives, float))
    if positive.size == 0 or negative.size == 0:
        raise DataError("An AUC needs at least one positive and one negative value; give more fixations.")
    less = np.searchsorted(negative, positive, side="left")
    less_or_equal = np.searchsorted(negative, positive, side="right")
    return float((less + less_or_equal).sum() / (2 * positive.size * negative.size))


def sim(saliency: ArrayLike, density: ArrayLike) -> float:
    """Similarity: the sum over pixels of the smaller of the two densities, 0 to 1. Judd 2012, section 4."""
    p, q = (as_density(values) for values in _pair(saliency, density))
    return _sim(p, q)


def kl(saliency: ArrayLike, density: ArrayLike) -> float:
    """Kullback-Leibler divergence of the map from the density, in nats, 0 (equal) to about 36.

    sum of Q log(eps + Q / (eps + P)) with P the map and Q the density of the fixations, Bylinskii 2018,
    equation 11, with the benchmark's eps.
    """
    p, q = (as_density(values) for values in _pair(saliency, density))
    return _kl(p, q)


def information_gain(
    saliency: ArrayLike, baseline: ArrayLike, x: ArrayLike, y: ArrayLike, uniform: float = 0.0
) -> float:
    """Information gain over a baseline such as the centre bias, in bits for each fixation.

    The mean over fixations of log2(eps + P) - log2(eps + B). Kuemmerer, Wallis and Bethge 2015 (PNAS),
    Bylinskii 2018, equation 12.

    Args:
        uniform: share, 0 to 1, of the uniform density that is mixed into both. Without any, one fixation
            where a map is zero counts up to 50 bits.
    """
    p, b = (as_density(values) for values in _pair(saliency, baseline))
    at = _pixels(p.shape, x, y)
    return float((_bits(p, at, uniform) - _bits(b, at, uniform)).mean())


class Truth:
    """What the maps of one photo are scored against, prepared once for many maps.

    Args:
        x, y: the photo's fixations.
        density: their density (H, W).
        baseline: what the information gain is taken over, such as the centre bias (H, W); None: no such score.
        other_x, other_y: other photos' fixations on this photo's grid; none: no shuffled AUC.
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        density: ArrayLike,
        baseline: ArrayLike | None = None,
        other_x: ArrayLike = (),
        other_y: ArrayLike = (),
    ) -> None:
        truth = _map(density)
        self.shape = truth.shape
        self._at = _pixels(self.shape, x, y)
        self._others = _pixels(self.shape, other_x, other_y) if np.size(other_x) else None
        self._centred, self._density = _centred(truth), as_density(truth)
        self._baseline = (
            None if baseline is None else _bits(as_density(_pair(baseline, density)[0]), self._at, UNIFORM_SHARE)
        )

    def scores(self, saliency: ArrayLike) -> dict[str, float]:
        """Every score of SCORES by its id, as the functions give them; NaN for what the truth lacks.

        The information gain is taken with the share ``UNIFORM_SHARE`` of the uniform density.
        """
        values = _map(saliency)
        _check_same(values, self._density)
        centred, p = _centred(values), _as_density(values)
        return {
            "nss": _nss(centred, self._at),
            "cc": _cc(centred, self._centred),
            "auc_judd": _auc_judd(values, self._at),
            "auc_shuffled": float("nan") if self._others is None else auc(values[self._at], values[self._others]),
            "sim": _sim(p, self._density),
            "kl": _kl(p, self._density),
            "information_gain": float("nan")
            if self._baseline is None
            else float((_bits(p, self._at, UNIFORM_SHARE) - self._baseline).mean()),
        }


def as_density(values: ArrayLike) -> np.ndarray:
    """The map as a probability density: float64 (H, W), non-negative, with the sum 1.

    A map with negative values is raised to a minimum of 0 first; a map of zeros becomes uniform.
    """
    return _as_density(_map(values))


def _as_density(array: np.ndarray) -> np.ndarray:
    low, high = array.min(), array.max()
    if low < 0:
        array, high = array - low, high - low
    if high == 0:
        return np.full(array.shape, 1 / array.size)
    array = array / high  # so that the sum neither overflows nor vanishes
    return array / array.sum()


def _map(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or array.size == 0:
        raise DataError(f"A saliency map has two dimensions, not the shape {array.shape}; give one map.")
    if not np.isfinite(array).all():
        raise DataError("The saliency map holds NaN or infinite values; make the map again.")
    return array


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = _map(first), _map(second)
    _check_same(a, b)
    return a, b


def _check_same(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise DataError(f"The maps differ in shape, {a.shape} and {b.shape}; enlarge the smaller one first.")


Pixels = tuple[np.ndarray, np.ndarray]


def _pixels(shape: tuple[int, ...], x: ArrayLike, y: ArrayLike) -> Pixels:
    """The rows and columns of fixations on a map of a shape."""
    columns, rows = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if columns.ndim != 1 or columns.shape != rows.shape:
        raise DataError("Fixations need one x for each y, in two lists of the same length.")
    if columns.size == 0:
        raise DataError("There are no fixations to score against; give at least one.")
    height, width = shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)  # NaN is not inside
    if not inside.all():
        n = int((~inside).sum())
        raise DataError(f"{n} of {len(inside)} fixations lie outside the map of {width} x {height} pixels.")
    return rows.astype(int), columns.astype(int)


def _nss(centred: np.ndarray | None, at: Pixels) -> float:
    return 0.0 if centred is None else float(centred[at].mean() * np.sqrt(centred.size))


def _centred(values: np.ndarray) -> np.ndarray | None:
    """The map with mean 0 and norm 1; None if it is constant."""
    if values.min() == values.max():  # the mean of equal values may be off by a rounding error
        return None
    centred = values - values.mean()
    centred /= np.abs(centred).max()  # first, so that squares of tiny numbers do not vanish
    return centred / np.sqrt(np.vdot(centred, centred))


def _cc(centred: np.ndarray | None, truth: np.ndarray | None) -> float:
    if truth is None:
        return float("nan")
    return 0.0 if centred is None else float(np.clip(np.vdot(centred, truth), -1, 1))


def _sim(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.minimum(p, q).sum())


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    return float((q * np.log(EPSILON + q / (EPSILON + p))).sum())


def _bits(p: np.ndarray, at: Pixels, uniform: float) -> np.ndarray:
    """The log likelihoods of fixations under a density, in bits, with a share of the uniform density."""
    return np.log2(EPSILON + (1 - uniform) * p[at] + uniform / p.size)


def _auc_judd(values: np.ndarray, at: Pixels) -> float:
    positives = values[at]
    fixated = values.ravel()[np.unique(np.ravel_multi_index(at, values.shape))]  # each pixel once
    free = values.size - fixated.size
    if free == 0:
        return float("nan")
    thresholds, counts = np.unique(positives, return_counts=True)
    unfixated = _at_least(values.ravel(), thresholds) - _at_least(fixated, thresholds)
    hits = np.concatenate([[0], np.cumsum(counts[::-1]), [len(positives)]]) / len(positives)
    false_alarms = np.concatenate([[0], unfixated[::-1], [free]]) / free
    return float(np.trapezoid(hits, false_alarms))


def _at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many values reach each of the thresholds."""
    return len(values) - np.searchsorted(np.sort(values), thresholds)
