"""The displayed arithmetic is that of the map: lines that add up to nothing, channels that add up to the contrast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from engine import Answer, Engine, Trace
from engine.arithmetic import ChannelSum, channel_sum, cotangent_rows
from engine.errors import LayerError, QuestionError
from tests.networks import naive_gradient, seeded, small


@given(st.integers(1, 60), st.integers(0, 59), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_lines_add_up_whatever_is_shown(count: int, foil: int, most: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, count).astype(np.float32)
    p = (np.exp(logits) / np.exp(logits).sum()).astype(np.float32)
    rows = cotangent_rows(Answer(logits, p, tuple(map(str, range(count)))), foil % count, most)
    assert sum(row.difference for row in rows) == pytest.approx(0, abs=1e-5)
    assert sum(row.probability for row in rows) == pytest.approx(1, abs=1e-5)
    assert [row.expected for row in rows if row.index == foil % count] == [1.0]
    assert sum(row.expected for row in rows) == 1
    assert sum(row.classes for row in rows) == count
    for row in rows:
        assert row.difference == pytest.approx(row.probability - row.expected)
        assert row.index is None or row.probability == pytest.approx(float(p[row.index]))


def test_the_lines_are_the_likeliest_classes_and_q(small_trace: Trace) -> None:
    order = [index for index, _, _ in small_trace.answer.top(7)]
    rows = cotangent_rows(small_trace.answer, order[-1], 3)
    assert [row.index for row in rows] == [order[0], order[1], order[-1], None]
    assert rows[-1].classes == 4 and rows[0].name == small_trace.answer.names[order[0]]
    with pytest.raises(QuestionError, match="0 to 6"):
        cotangent_rows(small_trace.answer, 7)


def added(found: ChannelSum) -> np.ndarray:
    return np.einsum("k,khw->hw", found.weights, found.activations) + found.rest


@pytest.mark.parametrize("layer", ["stem", "middle", "middle.0", "last"])
@pytest.mark.parametrize("foil", [0, 5])
@pytest.mark.parametrize("channels", [1, 5, 8, 99])
def test_the_channels_add_up_to_the_contrast_map(
    shared: Engine, small_trace: Trace, layer: str, foil: int, channels: int
) -> None:
    found = channel_sum(small_trace, layer, foil, channels)
    contrast = shared.explain(small_trace, "contrast", layer, foil=foil).values
    scale = float(np.abs(contrast).max())
    np.testing.assert_allclose(added(found), contrast, rtol=1e-3, atol=1e-4 * scale)
    np.testing.assert_allclose(found.total, contrast, rtol=1e-3, atol=1e-4 * scale)
    assert len(found.channels) + found.others == small_trace.activation(layer).shape[0]


def test_weights_and_activations_are_those_of_the_network(small_trace: Trace) -> None:
    """By another route: the rest of the network differentiated alone."""
    direction = small_trace.probabilities.clone()
    direction[5] -= 1
    activation, gradient = naive_gradient(seeded(small), small_trace.inputs, "middle", direction)
    weights = gradient.detach().mean((1, 2)).numpy()
    strength = (np.abs(weights)[:, None, None] * np.abs(activation.detach().numpy())).sum((1, 2))
    found = channel_sum(small_trace, "middle", 5, 4)
    assert list(found.channels) == np.argsort(-strength)[:4].tolist()
    np.testing.assert_allclose(found.weights, weights[list(found.channels)], rtol=1e-3)
    np.testing.assert_allclose(found.activations, activation.detach().numpy()[list(found.channels)], rtol=1e-4)
    assert found.share == pytest.approx(strength[list(found.channels)].sum() / strength.sum(), rel=1e-3)


def test_it_is_kept_and_cannot_be_changed(small_trace: Trace) -> None:
    found = channel_sum(small_trace, "last", 1)
    assert channel_sum(small_trace, "last", 1) is found
    for values in (found.weights, found.activations, found.rest, found.total):
        assert values.dtype == np.float32 and not values.flags.writeable


def test_a_layer_without_evidence_is_a_sum_of_zeros(shared: Engine, photo: Image.Image) -> None:
    module: nn.Module = seeded(small)
    for parameter in module.get_submodule("head").parameters():
        parameter.data.zero_()
    trace = shared.trace(shared.wrap(module, size=64), photo)
    found = channel_sum(trace, "last", 1)
    assert found.share == 0 and not found.total.any() and np.isfinite(found.activations).all()


@pytest.mark.parametrize(("layer", "foil", "error"), [("none", 0, LayerError), ("last", 7, QuestionError)])
def test_what_cannot_be_asked_is_told(small_trace: Trace, layer: str, foil: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        channel_sum(small_trace, layer, foil)
