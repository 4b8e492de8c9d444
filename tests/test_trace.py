import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from engine import Engine, Trace
from engine.errors import LayerError, ModelError, QuestionError
from engine.questions import ANSWER, UNIFORM, one_hot
from tests.networks import assert_same, naive_gradient, seeded, small

LAYERS = ("stem", "middle", "last")
NUMBERS = st.floats(-10, 10, width=32)
VECTORS = st.lists(NUMBERS, min_size=7, max_size=7).map(torch.tensor)


def trace_of(module: nn.Module, photo: Image.Image, size: int = 64) -> Trace:
    engine = Engine(device="cpu")
    return engine.trace(engine.wrap(module, size=size), photo)


@pytest.mark.parametrize("layer", [*LAYERS, "stem.0", "middle.1", "last.2"])
def test_vjp_equals_the_gradient_of_the_rest_of_the_network(small_trace: Trace, layer: str) -> None:
    g = torch.randn(7, generator=torch.Generator().manual_seed(0))
    activation, gradient = naive_gradient(small_trace.model.module, small_trace.inputs, layer, g)
    assert_same(small_trace.activation(layer), activation)
    assert_same(small_trace.vjp(layer, g), gradient)


@settings(max_examples=40)
@given(VECTORS, VECTORS, NUMBERS, NUMBERS, st.sampled_from(LAYERS))
def test_vjp_is_linear(small_trace: Trace, g: Tensor, h: Tensor, a: float, b: float, layer: str) -> None:
    together = small_trace.vjp(layer, a * g + b * h)
    apart = a * small_trace.vjp(layer, g) + b * small_trace.vjp(layer, h)
    scale = float(abs(a) * small_trace.vjp(layer, g).norm() + abs(b) * small_trace.vjp(layer, h).norm())
    assert float((together - apart).norm()) <= 1e-5 * scale + 1e-7


@pytest.mark.parametrize("layer", LAYERS)
def test_many_vectors_at_once_equal_one_at_a_time(small_trace: Trace, layer: str) -> None:
    vectors = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    one_by_one = torch.stack([small_trace.vjp(layer, v) for v in vectors])
    assert_same(small_trace.vjp(layer, vectors), one_by_one)


def test_an_operation_without_a_batched_gradient_is_taken_one_by_one(photo: Image.Image) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            # vmap cannot look into numpy
            return torch.from_numpy(gradients[0].numpy() * 2)

    class Part(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Twice.apply(x)

    module = seeded(small)
    trace = trace_of(nn.Sequential(module[:3], Part(), module[3:]), photo)  # type: ignore[index]
    vectors = torch.eye(7)[:3]
    expected = torch.stack([trace.vjp("0.last", v) for v in vectors])
    assert_same(trace.vjp("0.last", vectors), expected)


def test_a_branch_that_the_answer_does_not_depend_on_has_gradient_zero(photo: Image.Image) -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.dead = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(3, 5, 3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.dead(x)
            return self.used(x).mean((2, 3))

    trace = trace_of(Branches(), photo)
    assert trace.vjp("dead", torch.ones(4)).shape == (5, 32, 32)
    assert trace.vjp("dead", torch.ones(3, 4)).shape == (3, 5, 32, 32)
    assert trace.vjp("dead", torch.ones(3, 4)).count_nonzero() == 0
    assert trace.vjp("used", torch.ones(4)).count_nonzero() > 0
    trace.prefetch(one_hot(1), ["dead", "used"])
    assert trace.cam("dead", one_hot(1)).count_nonzero() == 0


def test_a_gradient_that_cannot_be_taken_is_told(photo: Image.Image) -> None:
    class Breaks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            raise RuntimeError("no derivative")

    class Part(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Breaks.apply(x)

    module = seeded(small)
    trace = trace_of(nn.Sequential(module[:3], Part(), module[3:]), photo)  # type: ignore[index]
    with pytest.raises(ModelError, match="no derivative"):
        trace.vjp("0.last", torch.ones(7))


@pytest.mark.parametrize("shape", [(6,), (8,), (2, 6), (1,)])
def test_a_cotangent_of_another_length_is_refused(small_trace: Trace, shape: tuple[int, ...]) -> None:
    with pytest.raises(QuestionError, match="7 classes"):
        small_trace.vjp("last", torch.ones(shape))


def test_an_unknown_layer_is_refused_with_those_that_there_are(small_trace: Trace) -> None:
    with pytest.raises(LayerError, match=r"stem\.2, middle, last"):
        small_trace.vjp("head", torch.ones(7))


def test_input_gradient_equals_autograd(small_trace: Trace) -> None:
    g = torch.randn(7, generator=torch.Generator().manual_seed(0))
    x = small_trace.inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(small_trace.model.module(x)[0] @ g, x)
    assert_same(small_trace.input_gradient(g, guided=False), expected[0])


def test_the_closed_form_equals_autograd(photo: Image.Image) -> None:
    trace = trace_of(seeded(small), photo)
    assert trace.closed_form("last")
    assert not trace.closed_form("middle")
    maps = trace.class_maps("last")
    for c in range(7):
        gradient = trace.vjp("last", torch.eye(7)[c])
        expected = torch.einsum("c,chw->hw", gradient.mean((1, 2)), trace.activation("last"))
        assert_same(maps[c], expected)
        assert_same(trace.cam("last", one_hot(c)), expected)


@pytest.mark.parametrize("head", ["maximum", "two", "grid"])
def test_the_closed_form_is_not_claimed_for_other_heads(photo: Image.Image, head: str) -> None:
    trace = trace_of(seeded(lambda: small(head=head)), photo)
    assert not any(trace.closed_form(layer.name) for layer in trace.layers)


def test_the_closed_form_finds_a_head_that_is_not_the_last_linear_part(photo: Image.Image) -> None:
    module = seeded(small)
    module.auxiliary = nn.Linear(16, 7)
    module.forward = lambda x: nn.Sequential.forward(module[:-1], x)  # type: ignore[method-assign,index,arg-type]
    assert trace_of(module, photo).closed_form("last")


@pytest.mark.parametrize("head", ["linear", "maximum", "two", "grid"])
@pytest.mark.parametrize("layer", LAYERS)
def test_class_maps_are_the_maps_of_all_classes(photo: Image.Image, head: str, layer: str) -> None:
    trace = trace_of(seeded(lambda: small(head=head, classes=19)), photo)
    maps = trace.class_maps(layer)
    assert maps.shape == (19, *trace.activation(layer).shape[1:])
    rows = torch.stack([trace.cam(layer, one_hot(c)) for c in range(19)])
    assert_same(maps, rows)
    assert_same(torch.einsum("n,nhw->hw", trace.probabilities, maps), trace.cam(layer, ANSWER))
    assert_same(maps.mean(0), trace.cam(layer, UNIFORM))


def test_prefetch_gives_the_maps_of_every_layer(photo: Image.Image) -> None:
    fetched, single = trace_of(seeded(small), photo), trace_of(seeded(small), photo)
    layers = ("stem.2", "middle", "last")
    fetched.prefetch(ANSWER, layers)
    for layer in layers:
        assert (*fetched.key, ("cam", layer, ANSWER)) in fetched._cache
        assert_same(fetched.cam(layer, ANSWER), single.cam(layer, ANSWER))


@pytest.mark.parametrize("layers", [("middle", "last"), ("stem.2", "last"), ("stem.0", "middle")])
def test_prefetch_of_some_layers_gives_their_maps_alone(photo: Image.Image, layers: tuple[str, str]) -> None:
    engine = Engine(device="cpu")
    narrow = engine.trace(engine.wrap(seeded(small), size=64), photo, layers=["middle", "last"])
    whole = trace_of(seeded(small), photo)
    narrow.prefetch(ANSWER, layers)
    for layer in ("stem.0", "stem.2", "middle", "last"):
        assert ((*narrow.key, ("cam", layer, ANSWER)) in narrow._cache) == (layer in layers)
        assert_same(narrow.cam(layer, ANSWER), whole.cam(layer, ANSWER))


def test_a_pass_for_one_layer_answers_every_other_question_too(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    narrow = engine.trace(engine.wrap(seeded(small), size=64), photo, layers=["last"])
    whole = trace_of(seeded(small), photo)
    assert list(narrow._pass.activations) == ["last"]
    narrow.prefetch(ANSWER, ["last", "middle", "stem.2", "stem.0"])
    for layer in ("last", "middle", "stem.2", "stem.0"):
        assert_same(narrow.activation(layer), whole.activation(layer))
        assert_same(narrow.cam(layer, ANSWER), whole.cam(layer, ANSWER))
        assert_same(narrow.vjp(layer, torch.eye(7)), whole.vjp(layer, torch.eye(7)))


def test_a_pass_for_an_unknown_layer_is_refused(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    with pytest.raises(LayerError, match="no explainable layer named “first”"):
        engine.trace(engine.wrap(seeded(small), size=64), photo, layers=["last", "first"])


@pytest.mark.parametrize("limit", [1, 512 * 2**20])
def test_where_all_maps_are_known_the_graph_is_gone(photo: Image.Image, limit: int) -> None:
    engine = Engine(memory_limit=limit, device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photo, layers=["last"])
    graph = weakref.ref(trace._captured("last"))
    assert graph() is not None
    maps = trace.class_maps("last")
    assert graph() is None
    gradient = trace.vjp("last", torch.eye(7)[2])
    assert_same(torch.einsum("c,chw->hw", gradient.mean((1, 2)), trace.activation("last")), maps[2])


def test_a_graph_that_was_forgotten_is_made_again(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photo)
    before = trace.vjp("middle", torch.eye(7)), trace.activation("middle"), trace.logits
    engine._cache.clear()
    after = trace.vjp("middle", torch.eye(7)), trace.activation("middle"), trace.logits
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_a_graph_that_no_cache_can_hold_is_made_once(photo: Image.Image) -> None:
    engine = Engine(memory_limit=1, device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photo)
    assert trace._captured("middle") is trace._captured("stem.2")


def test_a_trace_cannot_be_changed(small_trace: Trace) -> None:
    with pytest.raises(FrozenInstanceError):
        small_trace.size = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        small_trace._pass.activations["stem"] = torch.ones(1)  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        small_trace.answer.logits[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        small_trace.answer.probabilities[0] = 1


def test_the_answer_is_ordered_and_adds_up(small_trace: Trace) -> None:
    answer = small_trace.answer
    top = answer.top(7)
    assert [p for _, _, p in top] == sorted((p for _, _, p in top), reverse=True)
    assert sum(p for _, _, p in top) == pytest.approx(1)
    assert (top[0][0], top[1][0]) == (answer.fact, answer.runner_up)
    assert top[0][1] == f"class {answer.fact}"
    expected = small_trace.model.module(small_trace.inputs)[0].detach()
    np.testing.assert_allclose(answer.logits, expected, rtol=1e-5, atol=1e-6)


def test_eight_threads_on_one_trace_give_what_one_gives(photo: Image.Image) -> None:
    vectors = torch.randn(24, 7, generator=torch.Generator().manual_seed(0))

    def work(trace: Trace, index: int) -> Tensor:
        layer = (*LAYERS, "middle.0")[index % 4]
        return trace.vjp(layer, vectors[index]).sum() + trace.cam(layer, one_hot(index % 7)).sum()

    alone, together = trace_of(seeded(small), photo), trace_of(seeded(small), photo)
    expected = [work(alone, index) for index in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda index: work(together, index), range(24))) == expected


def test_gradients_at_several_layers_together_are_those_of_each(small_trace: Trace) -> None:
    vectors = torch.randn(3, 7, generator=torch.Generator().manual_seed(2))
    for layers in (["stem.2", "middle", "last"], ["last", "stem.2"], ["stem.0", "middle"]):
        for found, layer in zip(small_trace.vjps(layers, vectors), layers, strict=True):
            assert_same(found, small_trace.vjp(layer, vectors))
    single = small_trace.vjps(["middle", "last"], vectors[0])
    assert_same(single[1], small_trace.vjp("last", vectors[0]))
