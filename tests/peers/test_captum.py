"""The same numbers as captum's, on the tutorial's networks."""

from collections.abc import Callable

import captum.attr
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from engine import Engine, Trace
from tests.networks import FunctionalReLUs, assert_same, seeded, small

NETWORKS = [("resnet18", "layer4"), ("resnet18", "layer2"), ("vgg16", "features.29"), ("vgg16", "features.16")]


def trace_of(module: nn.Module, photo: Image.Image) -> tuple[Engine, Trace]:
    engine = Engine(device="cpu")
    return engine, engine.trace(engine.wrap(module, size=64), photo)


def without_inplace(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False
    return module


@pytest.mark.parametrize(("name", "layer"), NETWORKS)
def test_gradcam(peaked: Callable[[str], nn.Module], photo: Image.Image, name: str, layer: str) -> None:
    engine, trace = trace_of(peaked(name), photo)
    peer = captum.attr.LayerGradCam(peaked(name), peaked(name).get_submodule(layer))
    for target in (trace.answer.fact, trace.answer.runner_up, 7):
        expected = peer.attribute(trace.inputs.clone(), target=target).detach()[0, 0]
        found = torch.from_numpy(engine.explain(trace, "gradcam", layer, fact=target).values.copy())
        assert_same(found, expected)


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_guided_backprop(peaked: Callable[[str], nn.Module], photo: Image.Image, name: str) -> None:
    engine, trace = trace_of(peaked(name), photo)
    expected = guided(without_inplace(peaked(name)), trace.inputs, trace.answer.fact)
    cotangent = F.one_hot(torch.tensor(trace.answer.fact), 1000)
    assert_same(trace.input_gradient(cotangent, guided=True), expected)
    shown = torch.from_numpy(engine.explain(trace, "guided-backprop").values.copy())
    assert_same(shown, expected.abs().amax(0))


def test_guided_backprop_with_functional_relus_equals_the_network_with_modules(photo: Image.Image) -> None:
    modules = seeded(small)
    _, trace = trace_of(FunctionalReLUs(modules), photo)
    expected = guided(without_inplace(modules), trace.inputs, 4)
    assert_same(trace.input_gradient(torch.eye(7)[4], guided=True), expected)


def guided(module: nn.Module, inputs: Tensor, target: int) -> Tensor:
    x = inputs.clone().requires_grad_()
    return captum.attr.GuidedBackprop(module).attribute(x, target=target).detach()[0]
