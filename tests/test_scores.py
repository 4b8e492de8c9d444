"""Properties of the saliency scores; parity with pysaliency is in tests/peers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.errors import DataError
from engine.scores import (
    SCORES,
    UNIFORM_SHARE,
    Truth,
    as_density,
    auc,
    auc_judd,
    auc_shuffled,
    cc,
    information_gain,
    kl,
    nss,
    sim,
)

H, W = 9, 12
# Few levels make ties, as in maps that are zero over large parts.
maps = arrays(np.float64, (H, W), elements=st.integers(-8, 8).map(float)) | arrays(
    np.float64, (H, W), elements=st.floats(-1e3, 1e3, allow_subnormal=False)
)
positive_maps = arrays(np.float64, (H, W), elements=st.floats(0, 1, width=32))
points = st.lists(
    st.tuples(st.floats(0, W, exclude_max=True), st.floats(0, H, exclude_max=True)), min_size=1, max_size=20
).map(lambda p: np.array(p).T)
varied = maps.filter(lambda m: m.std() > 1e-3)


@given(varied, points, st.floats(0.01, 100), st.floats(-100, 100))
def test_nss_and_cc_do_not_change_with_affine_maps(m: np.ndarray, p: np.ndarray, scale: float, shift: float) -> None:
    assert nss(scale * m + shift, *p) == pytest.approx(nss(m, *p), rel=1e-6, abs=1e-6)
    assert nss(-m, *p) == pytest.approx(-nss(m, *p), abs=1e-9)
    other = np.random.default_rng(0).random((H, W))
    assert cc(scale * m + shift, other) == pytest.approx(cc(m, other), abs=1e-6)
    assert cc(-m, other) == pytest.approx(-cc(m, other), abs=1e-9)


@given(maps, points, points)
def test_aucs_depend_on_the_order_of_values_alone(m: np.ndarray, p: np.ndarray, other: np.ndarray) -> None:
    ranks = np.unique(m, return_inverse=True)[1].reshape(m.shape)
    for changed in (ranks, ranks.astype(float) ** 3, np.exp(ranks / 20)):
        assert auc_judd(changed, *p) == pytest.approx(auc_judd(m, *p), abs=1e-12)
        assert auc_shuffled(changed, *p, *other) == pytest.approx(auc_shuffled(m, *p, *other), abs=1e-12)
    assert auc_shuffled(-m, *p, *other) == pytest.approx(1 - auc_shuffled(m, *p, *other), abs=1e-12)


@given(arrays(float, st.integers(1, 12), elements=st.integers(0, 5)), arrays(float, 9, elements=st.integers(0, 5)))
def test_auc_is_the_probability_over_all_pairs(positives: np.ndarray, negatives: np.ndarray) -> None:
    pairs = [(p > n) + (p == n) / 2 for p, n in itertools.product(positives, negatives)]
    assert auc(positives, negatives) == pytest.approx(np.mean(pairs))


@given(positive_maps, positive_maps, points)
@settings(max_examples=200)
def test_ranges(m: np.ndarray, q: np.ndarray, p: np.ndarray) -> None:
    assert 0 <= auc_judd(m, *p) <= 1
    assert 0 <= sim(m, q) <= 1 + 1e-12
    assert sim(m, q) == pytest.approx(sim(q, m))
    assert kl(m, q) >= -1e-9
    assert kl(q, q) == pytest.approx(0, abs=1e-9)
    assert sim(q, q) == pytest.approx(1)
    assert as_density(m).sum() == pytest.approx(1)
    assert as_density(m).min() >= 0


@given(positive_maps, positive_maps, points, st.floats(0, 1))
def test_information_gain_is_a_difference_of_log_likelihoods(
    m: np.ndarray, b: np.ndarray, p: np.ndarray, uniform: float
) -> None:
    flat = np.ones((H, W))
    both = information_gain(m, flat, *p) - information_gain(b, flat, *p)
    assert information_gain(m, b, *p) == pytest.approx(both, abs=1e-9)
    assert information_gain(m, flat, p[0], p[1], uniform=1) == pytest.approx(0, abs=1e-9)
    assert information_gain(m, flat, p[0], p[1], uniform=uniform) <= np.log2(H * W) + 1e-9


def test_by_hand() -> None:
    m = np.array([[0.0, 0.0], [0.0, 4.0]])
    assert nss(m, [1.9], [1.0]) == pytest.approx(3 / np.sqrt(3))
    assert auc_judd(m, [1], [1]) == 1
    assert auc_judd(m, [0], [0]) == 0.5  # one threshold, at which everything is found: a straight line
    assert auc_judd(m, [0, 1], [0, 1]) == 0.75
    assert auc_shuffled(m, [1], [1], [0, 1], [0, 1]) == 0.75
    q = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert sim(m, q) == 0.25
    assert kl(q, m) == pytest.approx(np.log(4))
    assert information_gain(m, q, [1], [1]) == pytest.approx(2)
    assert information_gain(m, q, [0], [1], uniform=0.5) == pytest.approx(-1)


def test_perfect_and_inverse_maps() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 40, 30), rng.integers(0, 30, 30)
    perfect = np.zeros((30, 40))
    perfect[y, x] = 1
    assert auc_judd(perfect, x, y) == 1
    ramp = np.arange(30.0 * 40).reshape(30, 40)
    assert auc_judd(ramp, np.arange(40), np.full(40, 29)) == 1
    assert auc_judd(-ramp, np.arange(40), np.full(40, 29)) == pytest.approx(1 / 80)  # the first straight line
    assert auc(perfect[y, x], perfect[perfect == 0]) == 1
    assert auc(-perfect[y, x], -perfect[perfect == 0]) == 0
    assert nss(perfect, x, y) > 3
    assert cc(perfect, perfect) == pytest.approx(1)
    assert cc(-perfect, perfect) == pytest.approx(-1)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_map_is_at_chance(value: float, dtype: type) -> None:
    flat: np.ndarray = np.full((30, 41), value, dtype)
    x, y = np.array([1, 5, 5]), np.array([2, 7, 9])
    q = np.random.default_rng(0).random((30, 41))
    assert nss(flat, x, y) == 0
    assert cc(flat, q) == 0
    assert auc_judd(flat, x, y) == 0.5
    assert auc_shuffled(flat, x, y, [3], [3]) == 0.5
    assert information_gain(flat, np.ones((30, 41)), x, y) == pytest.approx(0, abs=1e-9)
    assert np.isnan(cc(q, flat))


def test_a_score_that_is_not_defined_is_nan() -> None:
    assert np.isnan(auc_judd([[1.0, 2.0]], [0, 1], [0, 0]))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_tiny_and_huge_maps_score_like_others(scale: float) -> None:
    rng = np.random.default_rng(1)
    m, q = rng.random((H, W)), rng.random((H, W))
    assert nss(m * scale, [1, 2], [3, 4]) == pytest.approx(nss(m, [1, 2], [3, 4]))
    assert cc(m * scale, q) == pytest.approx(cc(m, q))
    assert sim(m * scale, q) == pytest.approx(sim(m, q))
    assert kl(m * scale, q) == pytest.approx(kl(m, q))


def test_wrong_input_is_told_in_a_sentence() -> None:
    m = np.random.default_rng(0).random((5, 6))
    with pytest.raises(DataError, match="no fixations"):
        nss(m, [], [])
    with pytest.raises(DataError, match="1 of 2 fixations lie outside the map of 6 x 5"):
        auc_judd(m, [1, 6], [1, 1])
    with pytest.raises(DataError, match="outside"):
        nss(m, [np.nan], [1])
    with pytest.raises(DataError, match="outside"):
        nss(m, [-0.5], [1])
    with pytest.raises(DataError, match="same length"):
        nss(m, [1, 2], [1])
    with pytest.raises(DataError, match="differ in shape"):
        cc(m, m.T)
    with pytest.raises(DataError, match="NaN"):
        sim(np.where(m > 0.5, np.nan, m), m)
    with pytest.raises(DataError, match="two dimensions"):
        kl(m[0], m[0])
    with pytest.raises(DataError, match="at least one"):
        auc([], [1.0])


def test_a_prepared_truth_gives_the_same_scores() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, W, 9), rng.uniform(0, H, 9)
    other = rng.uniform(0, W, 30), rng.uniform(0, H, 30)
    q, b = rng.random((2, H, W))
    truth, alone = Truth(x, y, q, b, *other), Truth(x, y, q)
    for m in (rng.normal(size=(H, W)), np.maximum(rng.normal(size=(H, W)), 0).astype(np.float32), np.ones((H, W))):
        expected = {
            "nss": nss(m, x, y),
            "cc": cc(m, q),
            "auc_judd": auc_judd(m, x, y),
            "auc_shuffled": auc_shuffled(m, x, y, *other),
            "sim": sim(m, q),
            "kl": kl(m, q),
            "information_gain": information_gain(m, b, x, y, UNIFORM_SHARE),
        }
        assert truth.scores(m) == pytest.approx(expected, abs=1e-12)
        assert [name for name, v in alone.scores(m).items() if np.isnan(v)] == ["auc_shuffled", "information_gain"]
    assert list(expected) == [score.id for score in SCORES]
    for score in SCORES[:4]:
        assert truth.scores(np.ones((H, W)))[score.id] == score.chance
    with pytest.raises(DataError, match="differ in shape"):
        truth.scores(np.ones((W, H)))
    with pytest.raises(DataError, match="outside"):
        Truth([W], [0], q)


@given(maps | positive_maps, points)
def test_auc_judd_counts_as_sorting_does(m: np.ndarray, p: np.ndarray) -> None:
    x, y = p.astype(int)
    free = np.ones((H, W), bool)
    free[y, x] = False
    thresholds = np.unique(m[y, x])[::-1]
    hits = [0, *((m[y, x] >= t).mean() for t in thresholds), 1]
    false_alarms = [0, *((m[free] >= t).mean() for t in thresholds), 1]
    assert auc_judd(m, *p) == pytest.approx(np.trapezoid(hits, false_alarms), abs=1e-12)
