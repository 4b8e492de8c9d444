"""Memory stands still once the engine's cache is full, however many go on asking about ever new photos."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from engine.images import Photo, decode
from tests.load.witness import given_out

LIMIT = 24 * 2**20
PEOPLE = 4
MEGABYTE = 2**20

pytestmark = pytest.mark.skipif(given_out() is None, reason="this machine's C library does not tell what it gave out")


def photo(seed: int) -> Photo:
    return decode(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)))


def held() -> int:
    """Bytes given out by the C library: arrays and tensors, whatever the allocator keeps beside them."""
    gc.collect()
    return given_out() or 0


@pytest.fixture(scope="module")
def asked() -> tuple[Engine, Callable[[int], int]]:
    """An engine, and a round of several people at once who ask about photos that nobody asked about before."""
    engine = Engine(memory_limit=LIMIT, device="cpu")
    model = engine.load()

    def ask(seed: int) -> None:
        trace = engine.trace(model, photo(seed), 128)
        for name, layer in (("gradcam", "layer4"), ("contrast", "layer2"), ("contrastive-saliency", "layer1")):
            engine.explain(trace, name, layer)
        engine.explain_layers(trace, "gradcam")
        engine.quality(photo(seed), stride=32)
        assert engine.cache_bytes <= LIMIT

    def around(number: int) -> int:
        """What is held besides the cache, whose last entries are now larger and now smaller."""
        with ThreadPoolExecutor(PEOPLE) as pool:
            list(pool.map(ask, range(number * 12, number * 12 + 12)))
        return held() - engine.cache_bytes

    return engine, around


def test_memory_stands_still_once_the_cache_is_full(asked: tuple[Engine, Callable[[int], int]]) -> None:
    engine, around = asked
    around(0)
    assert engine.cache_bytes > LIMIT - 8 * MEGABYTE, "the cache is full, and entries leave it"
    rounds = [around(number) for number in range(1, 9)]
    assert any(after <= before for before, after in pairwise(rounds)), "what leaks grows in every round"
    assert max(rounds) - min(rounds) < 8 * MEGABYTE


def test_what_the_cache_says_it_holds_is_what_it_holds(asked: tuple[Engine, Callable[[int], int]]) -> None:
    """The bound is one of real memory: when all is let go, as much is given back as was counted."""
    engine, around = asked
    around(9)
    before, counted = held(), engine.cache_bytes
    engine._cache.clear()
    freed = before - held()
    assert 0.7 * counted < freed < 1.3 * counted
