"""The engine's rows in a short form, with generous margins: only a real loss of speed fails, never a busy machine.

Ratios within one run; the smallest of several rounds taken in turn counts, since a busy machine only ever adds time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from engine import Engine, Model
from tests.benchmarks.engine import (
    SIDE,
    activation_bytes,
    kept_graph,
    next_foil,
    ordinary,
    peers,
    photos,
)
from tests.benchmarks.harness import AbsentError, Row, Spread, Work, seconds

ROUNDS = 4
MARGIN = 3


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def model(engine: Engine) -> Model:
    return engine.load("resnet50", "random")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads of which one finds its core taken wait for each other, and ratios would be chance."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def share(ours: Work, theirs: Work) -> float:
    """How long ours takes against theirs, at best."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    return min(mine for mine, _ in pairs) / min(other for _, other in pairs)


@pytest.mark.parametrize(("layer", "floor"), [("layer4", 1 / 150), ("layer2", 1 / 2)])
def test_the_next_foil_is_faster_than_any_peers(engine: Engine, model: Model, layer: str, floor: float) -> None:
    module, inputs = ordinary(model), model.prepare(next(photos()).pil(), SIDE)
    try:
        others = peers(module, layer)
    except AbsentError as reason:
        pytest.skip(str(reason))
    ours = next_foil(engine, engine.trace(model, next(photos())), layer)
    for work in others.values():
        # Three times slower than a peer's half would be slower than the peer: there the floor itself is the margin.
        assert share(ours, lambda work=work: work(inputs, 7)) <= min(MARGIN * floor, 0.9)


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_the_next_foil_costs_little_more_than_a_bare_gradient(engine: Engine, model: Model, layer: str) -> None:
    trace = engine.trace(model, next(photos()))
    logits, activation = kept_graph(model.module, trace.inputs, layer)
    bare = lambda: torch.autograd.grad(logits[0, 7], activation, retain_graph=True)  # noqa: E731
    assert share(next_foil(engine, trace, layer), bare) <= 1.3 * MARGIN


@pytest.mark.parametrize(
    ("work", "floor"),
    [
        (lambda engine, trace: trace.class_maps("layer4"), 0.25),
        (lambda engine, trace: engine.explain_layers(trace, "gradcam", 7), 1.3),
    ],
)
def test_many_maps_cost_about_one_pass(model: Model, work: Callable[..., object], floor: float) -> None:
    inputs, fresh = model.prepare(next(photos()).pil(), SIDE), photos()
    engine = Engine(memory_limit=2**31, device="cpu")
    pool = iter([engine.trace(model, next(fresh)) for _ in range(ROUNDS + 1)])

    def forward() -> object:
        with torch.inference_mode():
            return model.module(inputs)

    assert share(lambda: work(engine, next(pool)), forward) <= floor * MARGIN


def test_the_first_map_is_as_fast_as_a_peers(model: Model) -> None:
    module, fresh = ordinary(model), photos()
    engine = Engine(memory_limit=2**31, device="cpu")
    pool = iter([next(fresh) for _ in range(2 * (ROUNDS + 1))])
    try:
        others = peers(module, "layer4")
    except AbsentError as reason:
        pytest.skip(str(reason))
    peer = next(iter(others.values()))

    def ours() -> object:
        return engine.explain(engine.trace(model, next(pool), layers=["layer4"]), "gradcam", "layer4")

    assert share(ours, lambda: peer(model.prepare(next(pool).pil(), SIDE), 7)) <= 1.0 * MARGIN


def test_a_cached_photo_holds_its_activations_and_little_more(model: Model) -> None:
    photo = next(photos())
    begin = next(layer.name for layer in model.layers(SIDE) if layer.principal)
    activations = activation_bytes(model.module, model.prepare(photo.pil(), SIDE), begin)
    engine = Engine(memory_limit=2**31, device="cpu")
    engine.trace(model, photo)
    assert 0.1 * activations < engine.cache_bytes <= 1.2 * activations
    engine = Engine(memory_limit=2**31, device="cpu")
    engine.trace(model, photo, layers=["layer4"]).class_maps("layer4")
    assert engine.cache_bytes <= 0.1 * activations, "the graph is gone"


def test_a_row_tells_its_floor_and_whether_it_is_reached() -> None:
    row = Row("work", "peer", Spread.of([1.0, 2.0, 3.0]), 2.0)
    assert row.reached and row.markdown == "| work | peer | 2 (1.5 to 2.5) | ≤ 2 | yes |  |"
    faster = Row("work", "peer", Spread.of([2.0, 4.0, 8.0]).inverse(), 0.5, "1 ms, 2 ms", more=True, unit=" ×")
    assert not faster.reached and faster.markdown.endswith(
        "| 0.25 × (0.167 to 0.333) | ≥ 0.5 × | **no** | 1 ms, 2 ms |"
    )
