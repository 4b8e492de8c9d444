"""Curves over layers, smoothing, options and damage: complete, resumable, and equal to asking directly."""

import numpy as np
import pytest

from engine import Engine, Model, Trace, method
from engine.errors import QuestionError
from engine.fixations import Fixations
from engine.human import CANDIDATES, CENTRE, Truth, View, centre_bias, score, small, truth
from engine.human_curves import (
    DEGRADATIONS,
    SMOOTHINGS,
    by_damage,
    by_layer,
    by_option,
    by_smoothing,
    degradation,
    drop,
)  # fmt: skip
from engine.images import Photo, decode

SIZE = (96, 96)


@pytest.fixture
def cat(photos: list) -> Photo:
    return decode(photos[0])


@pytest.fixture
def against() -> Truth:
    rng = np.random.default_rng(0)
    return truth(Fixations(*(rng.random((2, 30)) * 96), SIZE), 4.0)


@pytest.fixture
def trace(shared: Engine, small_model: Model, cat: Photo) -> Trace:
    return shared.trace(small_model, cat)


def test_every_layer_is_asked_and_agrees_with_asking_directly(shared: Engine, trace: Trace, against: Truth) -> None:
    view = View(SIZE, 4.0)
    points = [step() for step in by_layer(shared, trace, view, against)]
    principal = [layer.name for layer in trace.layers if layer.principal]
    layered = [one.id for one in CANDIDATES if method(one.method).grid == "layer"]
    assert [(p.at, p.candidate) for p in points] == [(layer, one) for layer in principal for one in layered]
    last = next(p for p in points if p.at == principal[-1] and p.candidate == "features")
    features = next(one for one in CANDIDATES if one.id == "features")
    assert last.scores == score(View(SIZE, 4.0, layer=principal[-1]).saliency(shared, trace, features), against)


def test_smoothing_begins_at_the_map_as_it_is(shared: Engine, trace: Trace, against: Truth) -> None:
    points = [step() for step in by_smoothing(shared, trace, View(SIZE, 4.0, degrees=2.0), against)]
    assert {p.at for p in points} == {f"{degrees:g}" for degrees in SMOOTHINGS}
    plain = score(View(SIZE, 4.0).saliency(shared, trace, CANDIDATES[0]), against)
    assert points[0].candidate == CANDIDATES[0].id and points[0].scores == plain


def test_each_option_is_changed_alone_and_the_chosen_one_is_marked(
    shared: Engine, trace: Trace, against: Truth
) -> None:
    view = View(SIZE, 4.0, options={"channels": "maximum"})
    effects = [step() for step in by_option(shared, trace, view, against)]
    options = method("contrastive-saliency").options
    assert len(effects) == sum(len(option.choices) for option in options)
    chosen = [effect for effect in effects if effect.chosen]
    assert [effect.option for effect in chosen] == [option.title for option in options]
    now = score(view.saliency(shared, trace, CANDIDATES[0]), against)
    assert all(effect.scores == now for effect in chosen)
    assert any(effect.scores != now for effect in effects)


@pytest.mark.parametrize("kind", [one.id for one in DEGRADATIONS])
def test_damage_begins_with_the_sound_photo(
    kind: str, shared: Engine, small_model: Model, cat: Photo, trace: Trace, against: Truth
) -> None:
    view = View(SIZE, 4.0)
    fixed = {CENTRE: small(centre_bias(SIZE))}
    steps = by_damage(shared, small_model, cat, view, against, kind, fixed=fixed)
    assert len(steps) == len(degradation(kind).amounts)
    levels = [steps[at]() for at in (0, -1)]
    sound = {one.id: score(view.saliency(shared, trace, one), against) for one in CANDIDATES}
    assert {row: scores for row, scores in levels[0].scores.items() if row != CENTRE} == sound
    assert levels[0].answer == trace.answer.top(1)[0][1]
    assert levels[1].scores["features"] != levels[0].scores["features"]
    assert levels[1].scores[CENTRE] == levels[0].scores[CENTRE] and drop(levels, CENTRE, "nss") == 0
    before, after = (level.scores["features"]["nss"] for level in levels)
    assert before is not None and after is not None
    assert drop(levels, "features", "nss") == pytest.approx(before - after)
    assert drop(levels, "features", "auc_shuffled") is None


def test_an_unknown_damage_is_told(shared: Engine, small_model: Model, cat: Photo, against: Truth) -> None:
    with pytest.raises(QuestionError, match="blur"):
        by_damage(shared, small_model, cat, View(SIZE, 4.0), against, "fog")
