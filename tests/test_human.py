"""Maps against fixations: what a score must do when the truth is known."""

import numpy as np
import pytest

from engine import Engine, Model, Trace, human, scores
from engine.errors import DataError
from engine.fixations import Fixations, Pool, density
from engine.human import CANDIDATES, Finished, View, best, centre_bias, grid, score, smooth, truth
from engine.scores import SCORES

SIZE = (120, 80)


def people(
    count: int = 40, size: tuple[int, int] = SIZE, seed: int = 0, at: tuple[float, float] = (0.3, 0.4)
) -> Fixations:
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(at[0], 0.05, count), 0.01, 0.99) * size[0]
    y = np.clip(rng.normal(at[1], 0.05, count), 0.01, 0.99) * size[1]
    return Fixations(x, y, size)


def test_the_density_itself_scores_best_and_its_opposite_worst() -> None:
    against = truth(people(), 4.0, people(800, seed=1, at=(0.5, 0.5)))
    dense = density(people(), 4.0).astype(np.float32)
    table = {
        "right": score(Finished(dense), against),
        "wrong": score(Finished(dense.max() - dense), against),
        "flat": score(Finished(np.ones((4, 6), np.float32)), against),
    }
    for asked in SCORES:
        assert best(table, asked) == ("right",), asked.id
    assert table["right"]["cc"] == pytest.approx(1, abs=1e-6)
    assert table["right"]["sim"] == pytest.approx(1, abs=1e-5)
    assert table["flat"]["nss"] == 0 and table["flat"]["auc_judd"] == 0.5


def test_scores_are_those_of_the_engine_on_the_photos_own_grid() -> None:
    fixations = people()
    against = truth(fixations, 4.0)
    values = np.random.default_rng(3).random((SIZE[1], SIZE[0]), np.float32)
    found = score(Finished(values), against)
    assert found["nss"] == pytest.approx(scores.nss(values, fixations.x, fixations.y))
    assert found["kl"] == pytest.approx(scores.kl(values, density(fixations, 4.0)))
    assert found["auc_shuffled"] is None, "there are no other photos"


def test_the_centre_bias_gains_nothing_over_itself_and_shuffled_auc_ignores_it() -> None:
    others = people(2000, seed=5, at=(0.5, 0.5))
    against = truth(people(300, seed=6, at=(0.5, 0.5)), 4.0, others)
    assert against.centre_from_others
    found = score(Finished(against.centre.astype(np.float32)), against)
    assert found["information_gain"] == pytest.approx(0, abs=1e-4)
    assert found["auc_shuffled"] == pytest.approx(0.5, abs=0.05)
    assert found["auc_judd"] is not None and found["auc_judd"] > 0.9


def test_few_other_fixations_make_no_centre_bias() -> None:
    against = truth(people(), 4.0, people(20, seed=2))
    assert not against.centre_from_others and against.others is not None
    assert np.unravel_index(against.centre.argmax(), against.centre.shape) in {(39, 59), (39, 60), (40, 59), (40, 60)}
    assert np.allclose(centre_bias(SIZE).sum(), 1)


def test_a_large_photo_is_scored_on_a_smaller_grid_to_nearly_the_same_scores() -> None:
    large = people(200, size=(2000, 1500))
    against = truth(large, 60.0)
    assert against.size == grid((2000, 1500)) == (800, 600)
    assert against.degree == pytest.approx(24)
    values = np.random.default_rng(0).random((15, 20), np.float32)
    found = score(Finished(values), against)
    full = human.enlarge(values, 2000, 1500)
    assert found["nss"] == pytest.approx(scores.nss(full, large.x, large.y), abs=0.02)
    assert found["cc"] == pytest.approx(scores.cc(full, density(large, 60.0)), abs=0.02)


def test_a_truth_needs_fixations_and_a_degree() -> None:
    with pytest.raises(DataError, match="no fixations"):
        truth(Fixations(np.empty(0), np.empty(0), SIZE), 4.0)
    for degree in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="degree"):
            truth(people(), degree)


def test_equal_truths_have_equal_digests_and_others_do_not() -> None:
    first = truth(people(), 4.0).digest
    assert first == truth(people(), 4.0).digest
    others = (truth(people(), 5.0), truth(people(seed=9), 4.0), truth(people(), 4.0, people(seed=8)))
    assert len({first, *(one.digest for one in others)}) == 4


def test_smoothing_acts_below_the_size_of_a_cell_and_is_isotropic_on_the_photo() -> None:
    spike = np.zeros((5, 5), np.float32)
    spike[2, 2] = 1
    assert smooth(Finished(spike), SIZE, 0).values is spike
    wide = smooth(Finished(spike), SIZE, 6.0).values
    assert wide.shape == (80, 120)
    assert 0 < wide.max() < 1
    # A cell is wider than high on this photo, so take a map on the photo's own grid to see the round Gaussian.
    dot = np.zeros((80, 120), np.float32)
    dot[40, 60] = 1
    round_ = smooth(Finished(dot), SIZE, 5.0).values
    assert round_[40, 65] == pytest.approx(round_[45, 60], rel=0.05)


def test_the_extent_of_a_map_is_respected() -> None:
    left = np.array([[1, 0]], np.float32).repeat(2, 0)
    against = truth(people(at=(0.3, 0.5)), 4.0)
    inside = score(Finished(left, (0.0, 0.0, 1.0, 1.0)), against)["nss"]
    shifted = score(Finished(left, (-0.6, 0.0, 0.4, 1.0)), against)["nss"]
    assert inside is not None and shifted is not None and inside > 0.5 > shifted


def test_ties_at_the_shown_digits_share_the_star() -> None:
    empty = dict.fromkeys((score.id for score in SCORES), None)
    nss, kl = SCORES[0], next(score for score in SCORES if score.id == "kl")
    table = {"a": empty | {"nss": 1.2341, "kl": 2.0}, "b": empty | {"nss": 1.2339, "kl": 1.0}, "c": empty}
    assert best(table, nss, 2) == ("a", "b") and best(table, nss, 4) == ("a",)
    assert best(table, kl) == ("b",)
    assert best({"c": empty}, nss) == ()


def test_every_candidate_gives_a_map_without_negative_values(shared: Engine, small_model: Model, photo: object) -> None:
    trace: Trace = shared.trace(small_model, photo)  # type: ignore[arg-type]
    view = View((451, 300), 13.5, degrees=0.0)
    for candidate in CANDIDATES:
        found = view.saliency(shared, trace, candidate)
        assert found.values.min() >= 0 and np.isfinite(found.values).all()
    rough = view.saliency(shared, trace, CANDIDATES[2]).values
    fine = view.saliency(shared, trace, CANDIDATES[3]).values
    assert CANDIDATES[2].method == CANDIDATES[3].method
    assert np.abs(np.diff(fine, axis=1)).mean() / fine.mean() < np.abs(np.diff(rough, axis=1)).mean() / rough.mean()


def test_others_are_brought_to_this_photos_size() -> None:
    pool = Pool.of([people(), people(600, size=(300, 300), seed=4)])
    against = truth(people(), 4.0, pool.without(0, SIZE))
    assert against.others is not None and against.others.size == SIZE and len(against.others) == 600
