"""Long work can be left soon: it tells its progress often, and where it does, whoever waits for it may leave.

No clock is asked. What is done between two tellings is counted, in passes through the network, forwards and backwards,
scored maps and patches: it is no more than one map, and no more patches than are judged in a second.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from engine import Engine, Trace, method, quality, scores
from engine.clicks import Clicks
from engine.engine import PATCHES_A_SECOND
from engine.fixations import Fixations
from engine.foils import contrasts
from engine.human import Truth, View, truth
from engine.human_curves import DEGRADATIONS, by_damage, by_layer, by_option, by_smoothing
from engine.images import decode
from engine.layer_grid import Column, every_layer, prepare
from engine.models.quality_networks import PatchQualityNetwork
from engine.surprisal import surprisal
from engine.travel import travel
from pages.widgets import fixation_curves, session, work
from tests.networks import seeded, small

SIZE = (96, 96)
ONE_MAP = method("contrastive-saliency").complete({})["vectors"] + 2
"""Passes that one map takes: the usual vectors backwards, forwards before them, and a look at the network's head."""


class Meter:
    """What was done so far, and how much of it at every telling."""

    def __init__(self) -> None:
        self.done = 0
        self.told = [0]

    def tell(self, *_: object, **__: object) -> None:
        self.told.append(self.done)

    @property
    def longest(self) -> int:
        """The most that was done between two tellings, or after the last."""
        return int(np.diff([*self.told, self.done]).max())


class Counted(nn.Sequential):
    """A network that counts its passes forwards."""

    meter: Meter

    def forward(self, x: Tensor) -> Tensor:
        self.meter.done += 1
        result: Tensor = super().forward(x)
        return result


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Counts passes backwards, those of a `Counted` network forwards, maps that are scored, and patches."""
    made = Meter()
    grad, scored, answer = torch.autograd.grad, scores.Truth.scores, PatchQualityNetwork._answer

    def counting(outputs: Any, inputs: Any, vectors: Any = None, *rest: Any, **named: Any) -> Any:
        made.done += len(vectors) if named.get("is_grads_batched") else 1
        return grad(outputs, inputs, vectors, *rest, **named)

    def scoring(against: scores.Truth, values: np.ndarray) -> dict[str, float]:
        made.done += 1
        return scored(against, values)

    def judging(network: PatchQualityNetwork, activations: Tensor) -> Any:
        made.done += len(activations)
        return answer(network, activations)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    monkeypatch.setattr(scores.Truth, "scores", scoring)
    monkeypatch.setattr(PatchQualityNetwork, "_answer", judging)
    return made


@pytest.fixture
def looked_at(meter: Meter, photos: list[Image.Image]) -> tuple[Engine, Trace]:
    """A network of thirty classes and its pass on a photo; where its layers look on a photo was found with another."""
    module = Counted(OrderedDict(seeded(partial(small, 30)).named_children())).eval()
    module.meter = meter
    engine = Engine(device="cpu")
    model = engine.wrap(module, size=64)
    for layer in ("stem.2", "middle", "last"):
        engine.explain(engine.trace(model, photos[1]), "features", layer)
    trace = engine.trace(model, photos[0])
    meter.done = 0
    return engine, trace


def of_layers(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    names = [layer.name for layer in every_layer(trace)]
    prepare(engine, trace, names, [Column("contrast", 0, 1), Column("contrastive-saliency", 0, 1)], tell)


def of_foils(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    for layer in ("middle", "last"):
        contrasts(engine, trace, layer, 0, range(1, 30), tell)


def of_surprisal(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    surprisal(trace, "last", range(30), tell)


def of_travelling(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    travel(trace, progress=tell)


def against() -> Truth:
    return truth(Fixations(*(np.random.default_rng(0).random((2, 30)) * 96), SIZE), 4.0)


def of_curves(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    view = View(SIZE, 4.0)
    for steps in (by_layer(engine, trace, view, against()), by_smoothing(engine, trace, view, against())):
        for step in steps:
            tell()
            step()


def of_damage(engine: Engine, trace: Trace, tell: Callable[..., None]) -> None:
    photo = decode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)))
    for step in by_damage(engine, trace.model, photo, View(SIZE, 4.0), against(), "blur", tell=tell):
        step()


@pytest.mark.parametrize("long_work", [of_layers, of_foils, of_surprisal, of_travelling, of_curves, of_damage])
def test_between_two_tellings_lies_one_map(
    long_work: Callable[..., None], meter: Meter, looked_at: tuple[Engine, Trace]
) -> None:
    long_work(*looked_at, meter.tell)
    assert meter.longest <= ONE_MAP < meter.done / 2


def test_between_two_choices_of_an_option_lies_one_map(meter: Meter, looked_at: tuple[Engine, Trace]) -> None:
    """With as many vectors as can be chosen."""
    for step in by_option(*looked_at, View(SIZE, 4.0), against()):
        meter.tell()
        step()
    assert meter.longest <= 32 + 2 < meter.done / 3


@pytest.mark.parametrize(("size", "stride"), [((1200, 1200), 32), ((400, 300), 4), ((4000, 40), 8), ((40, 4000), 8)])
def test_between_two_tellings_few_patches_are_judged(meter: Meter, size: tuple[int, int], stride: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    quality.assess(quality.load("no-reference", "cpu"), pixels, stride=stride, progress=meter.tell)
    assert meter.longest <= PATCHES_A_SECOND


@pytest.mark.parametrize(("show", "button"), [("sanity", ""), ("robustness", "Measure")])
def test_the_page_looks_before_every_map_whether_it_is_wanted(
    meter: Meter, monkeypatch: pytest.MonkeyPatch, show: str, button: str
) -> None:
    """Where networks are asked anew: with random weights, and at every level of damage."""
    short = (replace(DEGRADATIONS[0], amounts=(0, 5, 15)), *DEGRADATIONS[1:])
    monkeypatch.setattr("engine.human_curves.DEGRADATIONS", short)
    photo = decode(Image.fromarray(np.random.default_rng(len(show)).integers(0, 255, (*SIZE, 3), np.uint8)))
    app = AppTest.from_file(str(Path(__file__).parents[1] / "pages" / "human_saliency.py"), default_timeout=240)
    app.query_params.update(photo="upload", show="robustness")
    app.session_state["upload"] = photo
    app.session_state["clicks"] = Clicks().with_person(photo, "Ada", [(0.3, 0.4), (0.5, 0.6)])
    app.run()
    for module in (session, work, fixation_curves):
        monkeypatch.setattr(module, "wanted", meter.tell)
    meter.done, meter.told = 0, [0]
    if button:
        next(each for each in app.button if each.label == button).click()
    else:
        app.segmented_control(key="show").set_value(show)
    app.run()
    assert not app.exception and not app.error
    assert meter.longest <= ONE_MAP < meter.done
