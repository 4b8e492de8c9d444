"""What was computed for a photo goes with the last session that asked about it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from engine.cache import ByteCache
from engine.images import decode
from pages.widgets.leases import Leases
from tests.networks import seeded, small


def test_the_last_one_takes_it_along() -> None:
    gone: list[str] = []
    leases = Leases(gone.append)
    ada, ben = leases.begin(), leases.begin()
    ada |= {"shared", "hers"}
    ben |= {"shared", "his"}
    leases.end(ada)
    assert gone == ["hers"]
    leases.end(ben)
    assert sorted(gone) == ["hers", "his", "shared"]
    leases.end(ben)
    assert len(gone) == 5, "an end that is told twice does no harm"


def test_what_is_everybodys_stays() -> None:
    gone: list[str] = []
    leases = Leases(gone.append)
    leases.public.add("cat")
    mine = leases.begin()
    mine |= {"cat", "mine"}
    leases.end(mine)
    assert gone == ["mine"]


def test_two_sessions_that_asked_alike_are_two() -> None:
    gone: list[str] = []
    leases = Leases(gone.append)
    first, second = leases.begin(), leases.begin()
    first.add("photo")
    second.add("photo")
    leases.end(first)
    assert gone == []


def test_many_sessions_at_once() -> None:
    gone: list[str] = []
    leases = Leases(gone.append)

    def visit(number: int) -> None:
        mine = leases.begin()
        mine |= {"shared", str(number)}
        leases.end(mine)

    host = leases.begin()
    host.add("shared")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(200)))
    assert sorted(gone, key=int) == [str(number) for number in range(200)]


def test_a_cache_forgets_by_a_part_of_the_key() -> None:
    cache = ByteCache(1000)
    for key in (("a", 1), ("a", 2), ("b", 1), "a", 7):
        cache.get(key, lambda: 0, lambda _: 10)
    cache.discard("a")
    assert (len(cache), cache.bytes) == (3, 30)
    assert ("b", 1) in cache and "a" in cache
    cache.discard("nothing")
    assert cache.bytes == 30


@pytest.fixture
def photos() -> list[Image.Image]:
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(2)]


def test_an_engine_tells_what_it_is_asked_about_and_forgets_it(photos: list[Image.Image]) -> None:
    asked: list[str] = []
    engine = Engine(device="cpu", watch=asked.append)
    model = engine.wrap(seeded(small), size=64)
    first, second = (decode(photo) for photo in photos)
    trace = engine.trace(model, first)
    for name in ("gradcam", "contrast", "contrastive-saliency", "guided-backprop"):
        engine.explain(trace, name)
    engine.quality(first, stride=32)
    alone = engine.cache_bytes
    engine.explain(engine.trace(model, second), "gradcam")
    engine.quality(second, first, stride=32)
    assert set(asked) == {first.digest, second.digest}
    engine.forget(first.digest)
    assert 0 < engine.cache_bytes < alone
    engine.forget(second.digest)
    assert engine.cache_bytes == 0
