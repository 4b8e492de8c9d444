"""Turns at heavy work, so that many who want it at once wait for as little as can be.

All at once, each takes as long as all together, and what is light beside it waits, too. In turns, whoever would be done
first goes first, and long work lets shorter work pass between its parts. Having waited counts: however much short work
comes, what came long before it is not passed by it.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.cache import WAIT

Ticket = tuple[float, int]
"""When the work would be done if it were alone, on the monotonic clock, and its number: the smallest is next."""


class Turns:
    """So many turns at once, by when each would be done if it were alone."""

    def __init__(self, at_once: int = 1) -> None:
        self._free = at_once
        self._waiting: list[Ticket] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count()

    @contextmanager
    def turn(self, seconds: float, still: Callable[[], None] = lambda: None) -> Iterator[Callable[[], None]]:
        """Have a turn for the block. It gets what it is to call between its parts: that lets shorter work pass.

        `seconds` is about what the block takes alone. `still` is called a few times a second while there is no turn,
        and may raise to go away.
        """
        ticket = (time.monotonic() + seconds, next(self._numbers))
        self._take(ticket, still)
        mine = True

        def let_pass() -> None:
            nonlocal mine
            with self._changed:
                if not self._waiting or min(self._waiting) > ticket:
                    return
            self._give()
            mine = False
            self._take(ticket, still)
            mine = True

        try:
            yield let_pass
        finally:
            if mine:
                self._give()

    def _take(self, ticket: Ticket, still: Callable[[], None]) -> None:
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._comes(ticket):
                still()
        except BaseException:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            raise

    def _comes(self, ticket: Ticket) -> bool:
        """Wait a while; whether it is the turn of this ticket now."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free > 0 and min(self._waiting) == ticket, WAIT):
                return False
            self._waiting.remove(ticket)
            self._free -= 1
            self._changed.notify_all()  # another one may be free for the next
            return True

    def _give(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()
