"""How a photo's scores depend on the layer, the smoothing, the options, and on damage to the photo.

Each question is a list of steps to be called one after the other, so that whoever shows them can tell how far the
work is and stop between any two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from engine.distortions.plain import PLAIN
from engine.engine import Engine
from engine.errors import QuestionError
from engine.human import CANDIDATES, Candidate, Finished, Scores, Truth, View, score
from engine.images import Photo, decode
from engine.methods import ALONE, method
from engine.models.model import Model
from engine.trace import Trace

SMOOTHINGS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Degrees of visual angle that are offered."""
USUAL_SMOOTHING = 0.75
"""Where NSS of contrastive saliency, and of guided backprop, was best on images 1 to 96 of OSIE."""
MOST_EXACT_CLASSES = 64
"""Above so many classes the exact conflict set is left out: it takes one gradient for each."""
_THUMBNAIL = 200


@dataclass(frozen=True)
class Point:
    """One point of a curve: the scores of a candidate at a place of the horizontal axis."""

    candidate: str
    at: str
    scores: Scores


def by_layer(engine: Engine, trace: Trace, view: View, against: Truth) -> list[Callable[[], Point]]:
    """Every method that has a layer, at every principal layer alone, from the photo's side to the answer's."""
    alone = replace(view, options={**view.options, **ALONE})

    def point(layer: str, one: Candidate) -> Point:
        return Point(one.id, layer, score(alone.saliency(engine, trace, one, layer), against))

    layers = [layer.name for layer in trace.layers if layer.principal]
    layered = [one for one in CANDIDATES if method(one.method).grid == "layer"]
    return [partial(point, layer, one) for layer in layers for one in layered]


def by_smoothing(engine: Engine, trace: Trace, view: View, against: Truth) -> list[Callable[[], Point]]:
    """Every method, its map smoothed by more and more degrees of visual angle."""

    def point(degrees: float, one: Candidate) -> Point:
        smoothed = replace(view, degrees=degrees)
        return Point(one.id, f"{degrees:g}", score(smoothed.saliency(engine, trace, one), against))

    return [partial(point, degrees, one) for degrees in SMOOTHINGS for one in CANDIDATES if not one.degrees]


@dataclass(frozen=True)
class Effect:
    """What one choice of one option of contrastive saliency does, the others left as they are."""

    option: str
    choice: str
    chosen: bool
    scores: Scores


def by_option(engine: Engine, trace: Trace, view: View, against: Truth) -> list[Callable[[], Effect]]:
    """Contrastive saliency with every choice of every option, one changed at a time."""
    candidate = CANDIDATES[0]
    asked = method(candidate.method)
    now = asked.complete(dict(view.options))

    def effect(option: str, title: str, choice: Any, words: str) -> Effect:
        found = engine.explain(trace, asked.id, view.layer, view.fact, **(now | {option: choice}))
        return Effect(
            title, words, choice == now[option], score(view.finish(Finished(found.values, found.extent)), against)
        )

    return [
        partial(effect, option.name, option.title, choice, words)
        for option in asked.options
        for choice, words in option.choices.items()
        if choice != "exact" or len(trace.answer.names) <= MOST_EXACT_CLASSES
    ]


@dataclass(frozen=True)
class Degradation:
    """A way to damage a photo, in levels of which the first leaves it as it is. `symbol` stands before an amount."""

    id: str
    title: str
    unit: str
    symbol: str
    amounts: tuple[float, ...]
    apply: Callable[[Any, float], Any] = field(repr=False)


def _degradation(name: str, title: str, unit: str, symbol: str, nothing: float) -> Degradation:
    apply, amounts = PLAIN[name]
    return Degradation(name, title, unit, symbol, (nothing, *amounts), apply)


DEGRADATIONS = (
    _degradation("blur", "Gaussian blur", "radius in pixels", "r", 0),
    _degradation("noise", "Gaussian noise", "standard deviation in grey levels", "σ", 0),
    _degradation("jpeg", "JPEG compression", "quality", "q", 100),
    _degradation("contrast", "Less contrast", "share of the contrast", "c", 1),
)


def degradation(name: str) -> Degradation:
    """The degradation with the id `name`; raises QuestionError with the known ids where there is none."""
    for candidate in DEGRADATIONS:
        if candidate.id == name:
            return candidate
    raise QuestionError(f"There is no degradation “{name}”; choose one of {', '.join(d.id for d in DEGRADATIONS)}.")


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a robustness test: every row's scores and map, and the damaged photo in small.

    `answer` is what the network said then, and `probability` how sure it was.
    """

    amount: float
    answer: str
    probability: float
    scores: Mapping[str, Scores]
    maps: Mapping[str, Finished] = field(repr=False)
    photo: np.ndarray = field(repr=False)


def by_damage(
    engine: Engine,
    model: Model,
    photo: Photo,
    view: View,
    against: Truth,
    kind: str,
    *,
    size: int | None = None,
    fixed: Mapping[str, Finished] | None = None,
    tell: Callable[[], None] = lambda: None,
) -> list[Callable[[], Level]]:
    """Every method on a photo that is damaged more and more, against the fixations on the sound photo.

    The network is asked about its own answer at each level, unless `view.fact` names one. Amounts count in pixels
    of the scored grid.

    Args:
        engine: keeps the passes.
        model: the network asked.
        photo: the sound photo.
        view: how the maps are made.
        against: the fixations.
        kind: the id of one of DEGRADATIONS.
        size: the network's input size.
        fixed: maps that do not follow the photo, such as the centre bias, by row.
        tell: called before every map and score of a level, which take long together; may raise to stop.

    Raises:
        QuestionError: there is no such degradation.
    """
    damage = degradation(kind)
    sound = np.asarray(photo.pil().resize(against.size)) if photo.size != against.size else photo.pixels
    fixed = dict(fixed or {})

    def level(amount: float) -> Level:
        damaged = decode(Image.fromarray(sound if amount == damage.amounts[0] else damage.apply(sound, amount)))
        trace = engine.trace(model, damaged, size)
        maps: dict[str, Finished] = {}
        for one in CANDIDATES:
            tell()
            maps[one.id] = view.saliency(engine, trace, one)
        scores: dict[str, Scores] = {}
        for row, found in (maps := maps | fixed).items():
            tell()
            scores[row] = score(found, against)
        thumbnail = damaged.pil()
        thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
        _, name, probability = trace.answer.top(1)[0]
        return Level(amount, name, probability, scores, maps, np.asarray(thumbnail))

    return [partial(level, amount) for amount in damage.amounts]


def drop(levels: Sequence[Level], row: str, asked: str) -> float | None:
    """How much the score `asked` of a row fell from the first of the levels to the last; below zero it rose."""
    first, last = levels[0].scores[row][asked], levels[-1].scores[row][asked]
    return None if first is None or last is None else first - last
