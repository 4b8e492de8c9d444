"""Numbers that go wrong: every method on every such network or photo gives a labelled result or one sentence.

What a single part does with them is tested beside that part; here they go through the public face, as a person's own
network and photo do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine import METHODS, Engine, Trace
from engine.errors import ExplorerError, ModelError
from engine.surprisal import Surprisal
from tests.hostile.corpus import sentence_problem
from tests.networks import seeded, small

EVERY = [known.id for known in METHODS]
LABELS = {"Q equals P", "no positive evidence", "estimated from 64 random vectors"}


class Spoilt(nn.Module):
    """The small network with something done to its logits."""

    def __init__(self, spoil: Callable[[Tensor], Tensor], classes: int = 7) -> None:
        super().__init__()
        self.body, self.spoil = seeded(lambda: small(classes)), spoil

    def forward(self, x: Tensor) -> Tensor:
        return self.spoil(self.body(x))


def traced(module: nn.Module, image: Image.Image, size: int = 64) -> tuple[Engine, Trace]:
    engine = Engine(device="cpu")
    return engine, engine.trace(engine.wrap(module, size=size), image)


def check(engine: Engine, trace: Trace, name: str) -> str:
    """ "map" where there is evidence, else the label or the sentence that a person reads; anything else fails."""
    try:
        found = engine.explain(trace, name)
    except ExplorerError as error:
        assert sentence_problem(str(error)) is None
        return str(error)
    assert np.isfinite(found.values).all() and found.values.dtype == np.float32
    assert {note for note in found.notes if not note.startswith("joined with ")} <= LABELS
    assert ("no positive evidence" in found.notes) == (not found.positive.any())
    return "map" if found.positive.any() else "no positive evidence"


# --- logits ----------------------------------------------------------------------------------------------------


def poked(value: float) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.cat([z[:, :2], torch.full_like(z[:, :1], value), z[:, 3:]], 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_logit_that_is_no_number_is_one_sentence(photo: Image.Image, value: float) -> None:
    with pytest.raises(ModelError, match="NaN or infinity") as told:
        traced(Spoilt(poked(value)), photo)
    assert sentence_problem(str(told.value)) is None


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("value", [3e38, -3e38])
def test_the_largest_logit_there_is(photo: Image.Image, name: str, value: float) -> None:
    engine, trace = traced(Spoilt(poked(value)), photo)
    assert np.isfinite(trace.answer.probabilities).all()
    assert trace.answer.probabilities.sum() == pytest.approx(1)
    check(engine, trace, name)


@pytest.mark.parametrize("name", EVERY)
def test_an_answer_that_is_certain(photo: Image.Image, name: str) -> None:
    """p is exactly one-hot: there is nothing between the answer and full confidence, and that is said."""
    engine, trace = traced(Spoilt(lambda z: z * 1e6), photo)
    assert trace.answer.probabilities.max() == 1
    told = check(engine, trace, name)
    assert told == "no positive evidence" if name == "confidence" else told


@pytest.mark.parametrize("name", EVERY)
def test_all_answers_alike(photo: Image.Image, name: str) -> None:
    engine, trace = traced(Spoilt(lambda z: z.mean(1, keepdim=True).expand(-1, 7)), photo)
    assert trace.answer.fact == 0 and trace.answer.runner_up == 1
    told = check(engine, trace, name)
    if name in ("contrast", "confidence", "contrast-mean", "contrast-variance"):
        # every row of the Jacobian is the same one, so what tells answers apart is nothing but rounding
        whole = abs(engine.explain(trace, "gradcam").values).max()
        assert told == "no positive evidence" or abs(engine.explain(trace, name).values).max() < 1e-5 * whole


@pytest.mark.parametrize("name", EVERY)
def test_an_answer_that_does_not_depend_on_the_photo(photo: Image.Image, name: str) -> None:
    engine, trace = traced(Spoilt(lambda z: z * 0 + torch.arange(7.0)), photo)
    expected = "map" if name == "features" else "no positive evidence"
    assert check(engine, trace, name) == expected


# --- photos ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (124, 116, 104), (255, 0, 0)])
def test_a_photo_of_one_colour(photo: Image.Image, name: str, colour: tuple[int, int, int]) -> None:
    engine, trace = traced(seeded(small), Image.new("RGB", (80, 60), colour))
    check(engine, trace, name)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
def test_the_quality_of_a_photo_of_one_colour(shared: Engine, colour: tuple[int, int, int]) -> None:
    blank = Image.new("RGB", (64, 64), colour)
    for found in (shared.quality(blank, stride=32), shared.quality(blank, blank, stride=32)):
        assert np.isfinite(found.score)
        assert all(np.isfinite(found.map(foil)).all() for foil in (None, 0.0, 0.5, 1.0, found.score))


# --- layers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layer", ["stem", "middle", "last"])
def test_a_dead_layer(photo: Image.Image, name: str, layer: str) -> None:
    """Behind a layer whose ReLU never lets anything pass, no gradient comes and no map has anything to show."""
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter(f"{layer}.1.bias").fill_(-1e6)
    engine, trace = traced(module, photo)
    told = check(engine, trace, name)
    if layer == "last" and name != "contrastive-saliency" and name != "features":
        assert told == "no positive evidence"


def test_a_dead_layer_is_said_at_every_layer(photo: Image.Image) -> None:
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter("middle.1.bias").fill_(-1e6)
    engine, trace = traced(module, photo)
    maps = engine.explain_layers(trace, "contrast")
    assert "no positive evidence" in maps["middle"].notes and not maps["middle"].values.any()
    assert not maps["stem.2"].values.any(), "no gradient comes past it"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_layer_that_is_no_number_behind_a_sound_answer(photo: Image.Image, bad: float) -> None:
    """The answer is finite, since a maximum or a mask leaves the bad cells out, yet the layer has no map."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            body = seeded(small)
            self.stem, self.head = body.get_submodule("stem"), nn.Linear(8, 3)
            self.hole = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            x = self.hole(torch.cat([x[..., :-1], torch.full_like(x[..., -1:], bad)], -1))
            return self.head(x.nan_to_num(0, 0, 0).mean((2, 3)))

    engine, trace = traced(Masked(), photo)
    assert "has no map there" in check(engine, trace, "features") or "overflow" in check(engine, trace, "features")
    assert "hole" in check(engine, trace, "gradcam")


# --- questions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_foil_equal_to_fact_is_labelled_where_the_foil_matters(shared: Engine, small_trace: Trace, name: str) -> None:
    found = shared.explain(small_trace, name, fact=4, foil=4)
    known = next(m for m in METHODS if m.id == name)
    assert ("Q equals P" in found.notes) == known.needs_foil


@pytest.mark.parametrize("classes", [1, 20_000])
@pytest.mark.parametrize("name", EVERY)
def test_one_output_or_twenty_thousand(photo: Image.Image, classes: int, name: str) -> None:
    engine, trace = traced(seeded(lambda: small(classes)), photo)
    told = check(engine, trace, name)
    if classes == 1 and name in ("contrast", "confidence", "contrast-mean", "contrast-variance"):
        assert told == "no positive evidence", "a single answer is certain, and has nothing to be contrasted with"
        if name == "contrast":
            assert "Q equals P" in engine.explain(trace, name).notes


@pytest.mark.parametrize("classes", [1, 20_000])
def test_surprisal_of_one_output_or_twenty_thousand(photo: Image.Image, classes: int) -> None:
    engine, trace = traced(seeded(lambda: small(classes)), photo)
    found: Surprisal = engine.surprisal(trace)
    assert len(found.values) == min(classes, 64)
    assert np.isfinite(found.values).all()
    if classes == 1:
        assert found.values[0] == 0


# --- networks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_batch_norm_in_training_mode_by_mistake(photo: Image.Image, name: str) -> None:
    """The kept statistics answer, and are afterwards what they were: one photo alone would falsify them."""
    left, right = seeded(small).train(), seeded(small)
    before = {key: value.clone() for key, value in left.state_dict().items()}
    engine, trace = traced(left, photo)
    other, expected = traced(right, photo)
    found = engine.explain(trace, name)
    assert np.array_equal(trace.answer.logits, expected.answer.logits)
    assert np.array_equal(found.values, other.explain(expected, name).values)
    assert all(torch.equal(value, before[key]) for key, value in left.state_dict().items())
    assert left.training and left.get_submodule("stem.1").training


def test_batch_norm_without_kept_statistics(photo: Image.Image) -> None:
    """It takes the photo's own, in either mode; that is how it was made, and the maps are of what it computes."""
    module = seeded(small)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats, part.running_mean, part.running_var = False, None, None
    engine, trace = traced(module, photo)
    assert {check(engine, trace, name) for name in EVERY} <= {"map", "no positive evidence"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", EVERY)
def test_half_precision_weights_on_the_cpu(photo: Image.Image, name: str, dtype: torch.dtype) -> None:
    engine, trace = traced(seeded(small).to(dtype), photo)
    exact, whole = traced(seeded(small).to(dtype).float(), photo)
    found, expected = engine.explain(trace, name).values, exact.explain(whole, name).values
    assert np.abs(expected).max() > 0
    # bfloat16 has 8 bits: what counts is that nothing vanished, overflowed or was mixed up.
    correlation = np.corrcoef(found.ravel(), expected.ravel())[0, 1]
    assert correlation > (0.99 if dtype == torch.float16 else 0.9)
    assert 0.8 < np.linalg.norm(found) / np.linalg.norm(expected) < 1.25


def test_half_precision_squares_do_not_vanish(photo: Image.Image) -> None:
    """Gradients of 1e-5 are numbers in float16, and their squares are not: the saliency must not be empty."""
    module = Spoilt(lambda z: z * 1e-3).half()
    engine, trace = traced(module, photo)
    gradient = trace.vjp("body.middle", torch.eye(7)[0])
    assert 0 < float(gradient.abs().max()) < 2e-4, "their squares are below float16's smallest number"
    assert check(engine, trace, "contrastive-saliency") == "map"


def test_half_precision_that_overflows_is_one_sentence(photo: Image.Image) -> None:
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter("last.1.weight").fill_(6e4)
        module.get_parameter("head.weight").fill_(6e4)
    with pytest.raises(ModelError, match="NaN or infinity") as told:
        traced(module.half(), photo)
    assert sentence_problem(str(told.value)) is None


def test_a_network_whose_weights_are_no_numbers_is_one_sentence(photo: Image.Image) -> None:
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter("middle.0.weight")[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="its weights or the input are not usable"):
        traced(module, photo)
