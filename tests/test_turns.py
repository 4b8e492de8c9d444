"""Heavy work in turns: the shortest first, which long work lets pass for a while; who goes away leaves nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from engine.images import decode
from engine.turns import Turns

LIMIT = 60.0


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not there():
        assert time.monotonic() < end
        time.sleep(0.001)


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def ended(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def is_free(turns: Turns, at_once: int = 1) -> bool:
    return turns._free == at_once and not turns._waiting


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_at_once_and_no_more(at_once: int) -> None:
    turns, now, most = Turns(at_once), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        for _ in range(20):
            with turns.turn(1) as let_pass:
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                time.sleep(0.001)
                with lock:
                    now[0] -= 1
                let_pass()  # the others are as large and came later: it goes on, or waits

    ended(*(begun(work) for _ in range(6)))
    assert most[0] == at_once and is_free(turns, at_once)


def test_the_shortest_is_next_and_of_equals_the_first() -> None:
    turns, done = Turns(), []

    def work(name: str, size: float) -> None:
        with turns.turn(size):
            done.append(name)

    threads = []
    with turns.turn(0):
        for name, size in (("large", 9.0), ("first", 2.0), ("second", 2.0), ("small", 1.0)):
            count = len(turns._waiting)
            threads.append(begun(lambda name=name, size=size: work(name, size)))
            wait_for(lambda count=count: len(turns._waiting) > count)
    ended(*threads)
    assert done == ["small", "first", "second", "large"] and is_free(turns)


def test_long_work_lets_shorter_pass_between_its_parts() -> None:
    turns, done = Turns(), []

    def short() -> None:
        with turns.turn(1):
            done.append("short")

    with turns.turn(9) as let_pass:
        let_pass()
        thread = begun(short)
        wait_for(lambda: bool(turns._waiting))
        done.append("part")
        let_pass()
        done.append("rest")
    ended(thread)
    assert done == ["part", "short", "rest"] and is_free(turns)


def test_what_has_waited_for_long_is_not_passed_by_shorter_work(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, done, now = Turns(), [], [0.0]
    monkeypatch.setattr("engine.turns.time.monotonic", lambda: now[0])
    threads = []

    def work(name: str, seconds: float) -> None:
        with turns.turn(seconds):
            done.append(name)

    with turns.turn(0):
        for name, seconds, came in (("long", 5.0, 0.0), ("soon", 1.0, 3.0), ("late", 1.0, 4.5)):
            now[0], count = came, len(turns._waiting)
            threads.append(begun(lambda name=name, seconds=seconds: work(name, seconds)))
            wait_for(lambda count=count: len(turns._waiting) > count)
    ended(*threads)
    assert done == ["soon", "long", "late"] and is_free(turns)


class GoneError(BaseException):
    """As when a page is left."""


@pytest.mark.parametrize("passing", [False, True])
def test_who_waits_may_go_away(passing: bool) -> None:
    """At first, and while shorter work passes."""
    turns, inside, out = Turns(), threading.Event(), threading.Event()

    def holds() -> None:
        with turns.turn(1):
            inside.set()
            assert out.wait(LIMIT)

    def still() -> None:
        raise GoneError

    if passing:
        with pytest.raises(GoneError), turns.turn(9, still) as let_pass:
            thread = begun(holds)
            wait_for(lambda: bool(turns._waiting))
            let_pass()
    else:
        thread = begun(holds)
        assert inside.wait(LIMIT)
        with pytest.raises(GoneError), turns.turn(9, still):
            pytest.fail("it is not its turn")
    out.set()
    ended(thread)
    assert is_free(turns)


def test_work_that_fails_gives_its_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(1):
        raise ZeroDivisionError
    assert is_free(turns)


def test_who_waits_for_what_another_judges_may_go_away() -> None:
    photo = decode(Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)))
    engine, at_work, out = Engine(device="cpu"), threading.Event(), threading.Event()
    engine._turns = Turns()

    def told(share: float) -> None:
        at_work.set()
        assert out.wait(LIMIT)

    def gone(share: float) -> None:
        raise GoneError

    thread = begun(lambda: engine.quality(photo, progress=told))
    assert at_work.wait(LIMIT)
    with pytest.raises(GoneError):
        engine.quality(photo, progress=gone)
    out.set()
    ended(thread)
    assert engine.has_quality(photo) and is_free(engine._turns)


def test_a_small_photo_is_judged_while_a_large_one_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    engine, done = Engine(device="cpu"), []
    engine._turns = Turns()
    threads: list[threading.Thread] = []

    def small() -> None:
        engine.quality(decode(Image.fromarray(noise[:64, :64])), stride=32)
        done.append("small")

    def told(share: float) -> None:
        if not threads:
            threads.append(begun(small))
            wait_for(lambda: bool(engine._turns._waiting))

    engine.quality(decode(Image.fromarray(noise)), stride=4, progress=told)
    done.append("large")
    ended(*threads)
    assert done == ["small", "large"] and is_free(engine._turns)
