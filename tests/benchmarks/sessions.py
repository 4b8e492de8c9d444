"""Eight persons at once on one engine: what they get through together, and how long each waits for a foil.

Each has a photo of their own and does what the Compare page does: the pass, Grad-CAM, contrastive saliency and the
strip of all layers, then one foil after the other. What every person gets is held against what one person alone got.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier
from typing import TypeVar

import torch

from engine import Engine, Model, Trace
from engine.images import Photo
from tests.benchmarks.engine import CLASSES, ROOM, photos
from tests.benchmarks.harness import Ratio, Row, Spread, duration, paired

T = TypeVar("T")

PERSONS = 8
FOILS = 6
PAUSE = 0.5
"""Seconds that a person looks at a map before the next foil, on average."""


def rows(rounds: int) -> Iterator[Row]:
    """The rows of many persons."""
    model = Engine().load("resnet50", "random")
    people = list(islice(photos(), PERSONS))
    found, mixed = throughput(model, people, rounds)
    detail = f"{found.times}; {torch.get_num_threads()} threads a person; {mixed} answers mixed up"
    work = "eight persons at once, different photos"
    yield Row(work, "one person, the same in sequence", found.share.inverse(), 1.6, detail, more=True, unit=" ×")
    yield waiting(model, people, rounds)


def visit(engine: Engine, model: Model, photo: Photo) -> list[bytes]:
    """One person's questions; the answers as bytes."""
    trace = engine.trace(model, photo)
    maps = [engine.explain(trace, name).values for name in ("gradcam", "contrastive-saliency")]
    maps += [found.values for found in engine.explain_layers(trace, "gradcam").values()]
    maps += [engine.explain(trace, "contrast", layer, foil=f).values for layer in ("layer4", "layer3") for f in asked()]
    return [trace.answer.logits.tobytes(), *(values.tobytes() for values in maps)]


def asked() -> range:
    """The foils of a visit."""
    return range(0, 100 * FOILS, 100)


def throughput(model: Model, people: list[Photo], rounds: int) -> tuple[Ratio, int]:
    """Together against in sequence, and how many answers differed from those of one person alone."""
    expected = [visit(Engine(memory_limit=ROOM), model, photo) for photo in people]
    pairs, mixed = [], 0
    for _ in range(rounds):
        engine = Engine(memory_limit=ROOM)
        start = time.perf_counter()
        alone = [visit(engine, model, photo) for photo in people]
        between = time.perf_counter()
        engine = Engine(memory_limit=ROOM)
        begun = time.perf_counter()
        together = _together(lambda at, engine=engine: visit(engine, model, people[at]))
        pairs.append((time.perf_counter() - begun, between - start))
        mixed += sum(a != b for got in (alone, together) for one, other in zip(got, expected, strict=True)
                     for a, b in zip(one, other, strict=True))  # fmt: skip
    return paired(pairs), mixed


def waiting(model: Model, people: list[Photo], rounds: int) -> Row:
    """The 95th percentile of a foil's time among eight who look between two foils, over a lone person's median."""
    engine = Engine(memory_limit=ROOM)
    traces = [engine.trace(model, photo) for photo in people]
    lone = Spread.of(_foils(engine, traces[0], range(100), pause=0)).middle
    figures = []
    for turn in range(max(2, rounds // 2)):
        foils = range(200 + 100 * turn, 300 + 100 * turn, 100 // (2 * FOILS))

        def person(at: int, foils: range = foils) -> list[float]:
            return _foils(engine, traces[at], foils, PAUSE, seed=at)

        times = sorted(one for times in _together(person) for one in times)
        figures.append(times[int(0.95 * len(times))])
    shares = Spread.of([figure / lone for figure in figures])
    detail = f"{duration(Spread.of(figures).middle)}, {duration(lone)}"
    work = f"a foil at layer3 among eight persons (one each {PAUSE:g} s), 95th percentile"
    return Row(work, "a lone person's foil, median", shares, 3.0, detail)


def _foils(engine: Engine, trace: Trace, foils: range, pause: float, seed: int = 0) -> list[float]:
    """Seconds of each change of foil."""
    chance, times = random.Random(seed), []
    for foil in foils:
        time.sleep(chance.uniform(0, 2 * pause))
        start = time.perf_counter()
        engine.explain(trace, "contrast", "layer3", foil=foil % CLASSES)
        times.append(time.perf_counter() - start)
    return times


def _together(work: Callable[[int], T]) -> list[T]:
    """What the work gives for each person, all begun at one moment."""
    start = Barrier(PERSONS)

    def begin(at: int) -> T:
        start.wait()
        return work(at)

    with ThreadPoolExecutor(PERSONS) as pool:
        return list(pool.map(begin, range(PERSONS)))
