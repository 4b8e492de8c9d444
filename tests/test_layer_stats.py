from dataclasses import replace

import numpy as np
import pytest

from engine import Engine, Map, Trace, scores
from engine.fixations import Fixations, nobody
from engine.layer_stats import difference, nss
from engine.maps import WHOLE, frozen
from engine.render import enlarge

SIZE = (120, 80)


def a_map(values: object, **changes: object) -> Map:
    usual = Map(frozen(np.asarray(values, np.float32)), "contrast", "last", 0, 1, (), (), True, 1.0, False, WHOLE)
    return replace(usual, **changes)  # type: ignore[arg-type]


def people() -> Fixations:
    rng = np.random.default_rng(0)
    return Fixations(rng.uniform(0, 60, 50), rng.uniform(0, 80, 50), SIZE)


def test_nss_is_that_of_the_enlarged_positive_map() -> None:
    found = a_map([[2.0, -1.0], [1.0, -3.0]])
    at = people()
    expected = scores.nss(enlarge(found.positive, *SIZE), at.x, at.y)
    value = nss(found, at)
    assert value == pytest.approx(expected) and value is not None and value > 0.5
    negative_changed = nss(a_map([[2.0, -9.0], [1.0, -8.0]]), at)
    assert negative_changed == pytest.approx(expected), "ReLU comes first"


def test_nss_takes_the_place_of_the_grid_into_account() -> None:
    bright_left = a_map([[1.0, 0.0]])
    moved = replace(bright_left, extent=(-0.9, 0.0, 0.1, 1.0))
    here, there = nss(bright_left, people()), nss(moved, people())
    assert here is not None and there is not None and here > there


def test_nobody_looked_and_nothing_to_see() -> None:
    assert nss(a_map([[1.0, 0.0]]), nobody(SIZE)) is None
    assert nss(a_map([[-1.0, -2.0]]), people()) == 0


def test_difference_is_one_minus_pearson(shared: Engine, small_trace: Trace) -> None:
    first, second = shared.explain(small_trace, "contrast"), shared.explain(small_trace, "gradcam")
    expected = 1 - np.corrcoef(first.values.ravel(), second.values.ravel())[0, 1]
    assert difference(first, second) == pytest.approx(expected)


def test_difference_forgets_scale_and_sees_signs() -> None:
    values = np.random.default_rng(1).normal(size=(5, 5))
    assert difference(a_map(values), a_map(3 * values + 1)) == pytest.approx(0, abs=1e-6)
    assert difference(a_map(values), a_map(-values)) == pytest.approx(2)
    assert difference(a_map(values), a_map(np.full((5, 5), 2.0))) is None
    assert difference(a_map(np.zeros((5, 5))), a_map(values)) is None
