import numpy as np
import pytest
from PIL import Image

from engine import Answer, Engine, Trace
from engine.errors import LayerError, QuestionError
from engine.foils import by_difference, contrasts, worth_showing
from tests.networks import seeded, small


def answer_of(count: int) -> Answer:
    logits = np.random.default_rng(0).normal(size=count).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum()
    return Answer(logits, p.astype(np.float32), tuple(str(index) for index in range(count)))


@pytest.mark.parametrize("count", [1, 2, 7, 22, 23])
def test_of_few_classes_all_are_worth_showing(count: int) -> None:
    assert sorted(worth_showing(answer_of(count))) == list(range(count))


def test_of_many_the_likeliest_the_least_likely_and_those_asked_for() -> None:
    answer = answer_of(1000)
    order = np.argsort(-answer.logits)
    middle = int(order[500])
    found = worth_showing(answer, (middle, middle, 5000, -1))
    assert found == (*order[:20], middle, *order[-3:])
    probabilities = answer.probabilities[list(found)]
    assert (np.diff(probabilities) <= 0).all()


def test_contrasts_obey_linearity(shared: Engine, small_trace: Trace) -> None:
    """Contrast(Q) = sum_c p_c M_c − M_Q, from the table of class maps."""
    table = small_trace.class_maps("last").numpy()
    p = small_trace.answer.probabilities
    expected = np.einsum("c,chw->hw", p, table)
    for foil in contrasts(shared, small_trace, "last", 0, range(7)):
        np.testing.assert_allclose(foil.contrast.values, expected - table[foil.index], rtol=1e-3, atol=1e-6)
        assert foil.probability == pytest.approx(float(p[foil.index]))
        assert foil.name == small_trace.answer.names[foil.index]


def test_the_difference_is_to_grad_cam_of_the_fact_asked_about(shared: Engine, small_trace: Trace) -> None:
    for fact in (0, 3):
        why = shared.explain(small_trace, "gradcam", "middle", fact).values.ravel()
        for foil in contrasts(shared, small_trace, "middle", fact, [1, 2]):
            assert foil.differs == pytest.approx(1 - np.corrcoef(why, foil.contrast.values.ravel())[0, 1], abs=1e-5)


def test_the_most_different_come_first_and_the_unknown_last(shared: Engine, photo: Image.Image) -> None:
    trace = shared.trace(shared.wrap(seeded(lambda: small(30)), size=64), photo)
    found = contrasts(shared, trace, "last", 0, worth_showing(trace.answer))
    ordered = by_difference(found)
    values = [foil.differs for foil in ordered]
    known = [value for value in values if value is not None]
    assert {foil.index for foil in ordered} == {foil.index for foil in found}
    assert known == sorted(known, reverse=True) and None not in values[: len(known)]


def test_progress_is_told_and_what_cannot_be_asked_is_said(shared: Engine, small_trace: Trace) -> None:
    told: list[float] = []
    contrasts(shared, small_trace, "last", 0, range(7), told.append)
    assert told == sorted(told) and len(told) == 8 and told[-1] == 1
    with pytest.raises(QuestionError):
        contrasts(shared, small_trace, "last", 0, [7])
    with pytest.raises(LayerError):
        contrasts(shared, small_trace, "none", 0, [1])
