"""The travel from P to Q: it arrives, stays a valid picture, leaves no trace, and says so where it cannot."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine import Engine, Trace
from engine.errors import ModelError, QuestionError
from engine.images import decode
from engine.travel import FRAMES, difference, travel
from pages.widgets.image_picker import SAMPLES, sample
from tests.networks import seeded, small


class Constant(nn.Module):
    """Looks, and answers the same whatever it saw: its gradient is zero everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([[2.0, 1.0, 0.0]]) + 0 * self.look(x).mean()


def traced(module: nn.Module, photo: Image.Image) -> Trace:
    engine = Engine(device="cpu")
    return engine.trace(engine.wrap(module, size=64), photo)


@pytest.fixture(scope="module")
def embedded(shared: Engine) -> list[Trace]:
    model = shared.load("embedded")
    return [shared.trace(model, sample(name)) for name in SAMPLES]


@pytest.mark.parametrize("place", [1, 4, -1], ids=["runner-up", "fifth", "least likely"])
def test_it_reaches_q_on_every_sample(embedded: list[Trace], shared: Engine, place: int) -> None:
    for trace in embedded:
        foil = trace.answer.top(len(trace.answer.names))[place][0]
        found = travel(trace, foil)
        assert found.reached, found.sentence
        assert trace.answer.names[foil] in found.sentence
        # The last picture, as a file of it would hold it, is answered Q, with the probability that is told.
        again = shared.trace(trace.model, decode(Image.fromarray(found.frames[-1])), trace.size).answer
        assert again.fact == foil
        assert again.probabilities[foil] == pytest.approx(found.probabilities[-1, 1], abs=1e-3)


def test_numbers_begin_with_the_photo_and_grow_with_the_way(small_trace: Trace) -> None:
    found = travel(small_trace)
    fact, foil = small_trace.answer.fact, small_trace.answer.runner_up
    assert (found.fact, found.foil) == (fact, foil)
    np.testing.assert_allclose(found.probabilities[0], small_trace.answer.probabilities[[fact, foil]], rtol=1e-5)
    assert found.changes[0] == 0 and (np.diff(found.changes) > 0).all()
    assert (np.diff(found.probabilities[:-1, 1]) > 0).all(), "every step makes Q likelier"
    assert found.reached and found.probabilities[-1, 1] > found.probabilities[-1, 0]
    assert found.probabilities.shape == (found.steps + 1, 2)


def test_frames_are_pictures_from_the_photo_to_the_end(small_trace: Trace, photo: Image.Image) -> None:
    found = travel(small_trace, small_trace.answer.top(7)[-1][0])
    assert found.frames.dtype == np.uint8 and found.frames.shape[1:] == (64, 64, 3)
    assert len(found.frames) == len(found.frame_steps) == min(FRAMES, found.steps + 1)
    assert found.frame_steps[0] == 0 and found.frame_steps[-1] == found.steps
    seen = np.asarray(photo.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(found.frames[0], seen)
    change = found.frames[-1].astype(float) - found.frames[0]
    assert np.sqrt((change**2).mean()) == pytest.approx(found.changes[-1], rel=1e-4)
    assert not found.frames.flags.writeable


def test_it_stays_valid_where_the_photo_is_at_the_ends_of_the_range() -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    trace = traced(seeded(small), Image.fromarray(halves))
    found = travel(trace, trace.answer.top(7)[-1][0], smoothing=0)
    step = found.frames[-1].astype(int) - found.frames[0]
    assert (step[:, :32] >= 0).all() and (step[:, 32:] <= 0).all() and step.any()


def test_smoothing_makes_the_change_smooth(small_trace: Trace) -> None:
    foil = small_trace.answer.top(7)[-1][0]

    def roughness(smoothing: float) -> float:
        found = travel(small_trace, foil, smoothing)
        change = found.frames[-1].astype(float) - found.frames[0]
        return float(np.abs(np.diff(change, axis=0)).mean() / np.abs(change).mean())

    assert roughness(4.0) < 0.5 * roughness(0.0)


def test_it_is_deterministic_and_kept(small_model: object, photo: Image.Image) -> None:
    first, second = (travel(traced(seeded(small), photo)) for _ in range(2))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    trace = traced(seeded(small), photo)
    assert travel(trace) is travel(trace)
    assert travel(trace) is not travel(trace, smoothing=0)


def test_the_network_is_left_as_it_was(photo: Image.Image) -> None:
    module = seeded(small).train()
    engine = Engine(device="cpu")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    with torch.inference_mode():
        found = travel(engine.trace(engine.wrap(module, size=64), photo))
    assert found.reached and module.training
    assert [parameter.requires_grad for parameter in module.parameters()] == wanted
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_progress_is_told_and_may_stop_it(photo: Image.Image) -> None:
    trace = traced(seeded(small), photo)
    told: list[tuple[int, float, float]] = []

    def stop(step: int, fact: float, foil: float) -> None:
        told.append((step, fact, foil))
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        travel(trace, progress=stop)
    assert [step for step, _, _ in told] == [1, 2]
    found = travel(trace, progress=lambda *numbers: told.append(numbers))
    assert found.reached and len(told) == 2 + found.steps, "what was stopped is not kept"
    np.testing.assert_allclose(found.probabilities[1], told[0][1:], rtol=1e-6)


def test_where_it_cannot_arrive_it_says_why(small_trace: Trace, photo: Image.Image) -> None:
    foil = small_trace.answer.top(7)[-1][0]
    short = travel(small_trace, foil, most=2)
    assert not short.reached and short.steps == 2
    assert short.sentence.startswith("After 2 steps p(") and short.sentence.endswith("the travel ends here.")
    assert small_trace.answer.names[foil] in short.sentence
    flat = travel(traced(Constant(), photo), 2)
    assert not flat.reached and flat.steps == 0 and len(flat.frames) == 1
    assert "no small change makes it likelier" in flat.sentence


def test_wrong_questions_are_refused(small_trace: Trace, photo: Image.Image) -> None:
    with pytest.raises(QuestionError, match="already"):
        travel(small_trace, small_trace.answer.fact)
    with pytest.raises(QuestionError, match="no class 99"):
        travel(small_trace, 99)
    engine = Engine(device="cpu")

    def stretched(image: Image.Image) -> Tensor:
        values = torch.from_numpy(np.asarray(image.resize((64, 64)), np.float32).copy()).permute(2, 0, 1)
        return (values - values.mean()) / (values.std() + 1)

    trace = engine.trace(engine.wrap(seeded(small), preprocess=stretched, size=64), photo)
    with pytest.raises(ModelError, match="no fixed normalisation"):
        travel(trace)


def test_any_normalisation_will_do(photo: Image.Image) -> None:
    engine = Engine(device="cpu")

    def inverted(image: Image.Image) -> Tensor:
        values = torch.from_numpy(np.asarray(image.convert("RGB").resize((64, 64)), np.float32).copy())
        return 1 - values.permute(2, 0, 1) / 127.5

    trace = engine.trace(engine.wrap(seeded(small), preprocess=inverted, size=64), photo)
    found = travel(trace)
    assert found.reached
    np.testing.assert_array_equal(found.frames[0], np.asarray(photo.convert("RGB").resize((64, 64))))


def test_the_difference_can_be_seen(small_trace: Trace) -> None:
    found = travel(small_trace, small_trace.answer.top(7)[-1][0])
    pixels, factor = difference(found)
    assert pixels.dtype == np.uint8 and pixels.shape == found.frames[0].shape and factor >= 1
    change = found.frames[-1].astype(float) - found.frames[0]
    inside = np.abs(factor * change) < 127
    np.testing.assert_allclose(pixels[inside], 127.5 + factor * change[inside], atol=0.51)
