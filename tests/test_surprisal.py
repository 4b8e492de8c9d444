import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from engine import Engine, Trace
from engine.errors import LayerError, QuestionError
from tests.networks import seeded, small


def by_hand(trace: Trace, parameter: str, foil: int) -> float:
    """||dCE/dW|| with torch's own loss on a network of its own."""
    module = seeded(small)
    loss = F.cross_entropy(module(trace.inputs), torch.tensor([foil]))
    return float(torch.autograd.grad(loss, module.get_parameter(parameter))[0].norm())


@pytest.mark.parametrize(
    ("layer", "parameter"),
    [
        ("last", "last.0.weight"),
        ("middle", "middle.0.weight"),
        ("stem.0", "stem.0.weight"),
        ("middle.2", "middle.0.weight"),
    ],
)
def test_surprisal_is_the_norm_of_the_weights_gradient(
    shared: Engine, small_trace: Trace, layer: str, parameter: str
) -> None:
    found = shared.surprisal(small_trace, layer)
    assert found.parameter == parameter
    assert sorted(found.foils) == list(range(7))
    expected = [by_hand(small_trace, parameter, foil) for foil in found.foils]
    np.testing.assert_allclose(found.values, expected, rtol=1e-4)
    assert (found.values.dtype, found.values.flags.writeable) == (np.float32, False)


def test_foils_are_kept_in_the_order_asked_for(shared: Engine, small_trace: Trace) -> None:
    found, other = shared.surprisal(small_trace, "last", [4, 1]), shared.surprisal(small_trace, "last", [1, 4])
    assert found.foils == (4, 1)
    assert found.values.tolist() == other.values.tolist()[::-1]


def test_a_sure_answer_surprises_least(shared: Engine, photo: Image.Image) -> None:
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter("head.weight").mul_(100)
    trace = shared.trace(shared.wrap(module, size=64), photo)
    found = shared.surprisal(trace)
    assert trace.answer.probabilities.max() > 0.9
    assert found.foils[int(found.values.argmin())] == trace.answer.fact


def test_large_networks_are_asked_about_their_likeliest_answers(shared: Engine, photo: Image.Image) -> None:
    trace = shared.trace(shared.wrap(seeded(lambda: small(100)), size=64), photo)
    assert shared.surprisal(trace).foils == tuple(index for index, _, _ in trace.answer.top(64))


def test_the_network_is_not_changed(shared: Engine, photo: Image.Image) -> None:
    module = seeded(small)
    trace = shared.trace(shared.wrap(module, size=64), photo)
    shared.surprisal(trace)
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), seeded(small).parameters(), strict=True))


def test_what_cannot_be_asked_is_told(shared: Engine, small_trace: Trace, photo: Image.Image) -> None:
    for strange in (-1, 7):
        with pytest.raises(QuestionError, match="0 to 6"):
            shared.surprisal(small_trace, "last", [0, strange])
    with pytest.raises(LayerError, match="no explainable layer"):
        shared.surprisal(small_trace, "head")
    pooled = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    trace = shared.trace(shared.wrap(pooled, size=64), photo)
    with pytest.raises(LayerError, match="No convolution"):
        shared.surprisal(trace, "0")


def test_progress_grows_to_one_and_may_stop_the_work(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photo)
    before = engine.cache_bytes
    told: list[float] = []

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.surprisal(trace, progress=stop)
    assert engine.cache_bytes == before, "what was stopped is not kept"
    engine.surprisal(trace, progress=told.append)
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1 and len(told) == 8
