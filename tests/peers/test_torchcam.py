"""The same numbers as torchcam's, on the tutorial's networks."""

import copy
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchcam.methods import FinerCAM, GradCAM

from engine import Map
from tests.networks import assert_same
from tests.peers.test_captum import NETWORKS, trace_of


@pytest.mark.parametrize(("name", "layer"), NETWORKS)
def test_gradcam(peaked: Callable[[str], nn.Module], photo: Image.Image, name: str, layer: str) -> None:
    engine, trace = trace_of(peaked(name), photo)
    for target in (trace.answer.fact, trace.answer.runner_up, 7):
        with GradCAM(peaked(name), layer) as peer:
            scores = peaked(name)(trace.inputs.clone().requires_grad_())
            expected = peer(target, scores, normalized=False)[0][0]
        assert_same(positive(engine.explain(trace, "gradcam", layer, fact=target)), expected)


@pytest.mark.parametrize(("name", "layer"), NETWORKS)
def test_contrast_of_a_sure_answer(
    peaked: Callable[[str], nn.Module], photo: Image.Image, name: str, layer: str
) -> None:
    """With p = e_P the contrast is M_P - M_Q, Finer-CAM (arXiv 2501.11309) with one foil and gamma = 1.

    The head is scaled until float32 rounds p to the one-hot vector; all maps scale with it.
    """
    module = copy.deepcopy(peaked(name))
    head = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        head.weight.mul_(1000)
        head.bias.mul_(1000)
    engine, trace = trace_of(module, photo)
    fact = trace.answer.fact
    assert trace.answer.probabilities[fact] == 1
    assert trace.answer.probabilities.sum() == 1
    for foil in (trace.answer.runner_up, 7):
        with FinerCAM(module, layer, gamma=1.0) as peer:
            scores = module(trace.inputs.clone().requires_grad_())
            expected = peer(fact, scores, [foil], normalized=False)[0][0]
        assert expected.count_nonzero() > 0
        assert_same(positive(engine.explain(trace, "contrast", layer, foil=foil)), expected)


def positive(found: Map) -> Tensor:
    return torch.from_numpy(found.positive.copy())
