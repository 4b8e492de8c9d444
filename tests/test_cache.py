import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cache import ByteCache

REQUESTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), max_size=60)


def put(cache: ByteCache, key: int, size: int) -> int:
    return cache.get(key, lambda: size, lambda value: value)


@given(REQUESTS, st.integers(0, 100), st.integers(0, 5))
def test_is_a_least_recently_used_cache_within_its_bound(
    requests: list[tuple[int, int]], limit: int, overhead: int
) -> None:
    cache, expected = ByteCache(limit, overhead), OrderedDict[int, int]()
    for key, size in requests:
        if key in expected:
            expected.move_to_end(key)
            assert put(cache, key, size) == expected[key]
        else:
            assert put(cache, key, size) == size
            if size + overhead <= limit:
                expected[key] = size
                while sum(expected.values()) + overhead * len(expected) > limit:
                    expected.popitem(last=False)
        assert [key in cache for key in range(10)] == [key in expected for key in range(10)]
        assert len(cache) == len(expected)
        assert cache.bytes == sum(expected.values()) + overhead * len(expected) <= limit


def test_many_threads_share_one_computation() -> None:
    cache, made = ByteCache(100), []

    def make() -> object:
        made.append(1)
        wait_for_waiters(cache, 7)
        return object()

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cache.get, "key", make, lambda _: 1) for _ in range(8)]
        values = {id(one.result(30)) for one in asked}
    assert len(made) == 1
    assert len(values) == 1


def test_an_error_reaches_all_and_leaves_nothing() -> None:
    cache, made = ByteCache(100), []

    def make() -> int:
        made.append(1)
        wait_for_waiters(cache, 7)
        raise ValueError("broken")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cache.get, "key", make, lambda _: 1) for _ in range(8)]
        for one in asked:
            with pytest.raises(ValueError, match="broken"):
                one.result(30)
    assert len(made) == 1
    assert (len(cache), cache.bytes) == (0, 0)
    assert put(cache, "key", 3) == 3  # type: ignore[arg-type]


def test_an_interruption_ends_its_own_thread_only() -> None:
    cache, begun = ByteCache(100), threading.Event()

    def interrupted() -> int:
        begun.set()
        wait_for_waiters(cache, 2)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(cache.get, "key", interrupted, lambda _: 1)
        begun.wait(30)
        others = [pool.submit(cache.get, "key", lambda: 5, lambda _: 1) for _ in range(2)]
        with pytest.raises(KeyboardInterrupt):
            first.result(30)
        assert [other.result(30) for other in others] == [5, 5]


def test_who_waits_for_another_thread_may_go_away() -> None:
    cache, begun, out = ByteCache(100), threading.Event(), threading.Event()
    told: list[int] = []

    def slow() -> int:
        begun.set()
        assert out.wait(30)
        return 7

    def still() -> None:
        told.append(1)
        if len(told) == 2:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "key", slow, lambda _: 1)
        assert begun.wait(30)
        with pytest.raises(KeyboardInterrupt):
            cache.get("key", lambda: 5, lambda _: 1, still)
        out.set()
        assert first.result(30) == 7 and "key" in cache and len(told) == 2


def test_a_size_that_fails_leaves_nothing() -> None:
    cache = ByteCache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1, lambda value: value // 0)
    assert put(cache, "key", 3) == 3  # type: ignore[arg-type]


def test_a_value_may_be_made_from_other_values() -> None:
    cache = ByteCache(100)
    outer = cache.get("outer", lambda: cache.get("inner", lambda: 2, lambda _: 1) + 1, lambda _: 1)
    assert (outer, "inner" in cache, "outer" in cache) == (3, True, True)


def test_one_entry_can_be_dropped() -> None:
    cache = ByteCache(100)
    put(cache, 1, 5)
    put(cache, 2, 6)
    cache.drop(1)
    cache.drop(3)
    assert (cache.bytes, 1 in cache, 2 in cache) == (6, False, True)


@pytest.mark.parametrize("forget", [lambda cache: cache.discard("photo"), lambda cache: cache.clear()])
def test_what_is_forgotten_while_it_is_made_is_not_kept(forget: Callable[[ByteCache], None]) -> None:
    cache, begun, out = ByteCache(100), threading.Event(), threading.Event()
    key = ("map", "photo")

    def slow() -> int:
        begun.set()
        assert out.wait(30)
        return 7

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, key, slow, lambda _: 1)
        assert begun.wait(30)
        forget(cache)
        assert cache.get(key, lambda: 8, lambda _: 2) == 8, "who asks after that gets a value of its own"
        assert cache.bytes == 2
        out.set()
        assert first.result(30) == 7
    assert cache.get(key, lambda: 9, lambda _: 3) == 8
    assert (len(cache), cache.bytes) == (1, 2)


def test_clear_forgets_everything() -> None:
    cache = ByteCache(100)
    put(cache, 1, 5)
    cache.clear()
    assert (len(cache), cache.bytes, 1 in cache) == (0, 0, False)


def test_threads_never_exceed_the_bound() -> None:
    cache, over = ByteCache(50), []

    def work(seed: int) -> None:
        for step in range(300):
            key = (seed * 7 + step * step) % 23
            assert put(cache, key, key) == key
            if cache.bytes > 50:
                over.append(cache.bytes)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not over
    assert cache.bytes == sum(size for _, size in cache._entries.values())


def wait_for_waiters(cache: ByteCache, count: int) -> None:
    """Until so many threads wait for the computation under way."""
    while len(cache._pending["key"]._condition._waiters) < count:  # type: ignore[attr-defined]
        time.sleep(0.001)
