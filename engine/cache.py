"""A cache bounded by bytes, safe under many threads, in which nobody can look for another's photo.

Keys begin with a digest of the pixels (sha-256) and of the weights: they give no image away and cannot be
listed from outside. Live graphs count with the bytes they hold.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TypeVar, cast

T = TypeVar("T")

WAIT = 0.2
"""Seconds between two tellings of who waits for another thread."""


class ByteCache:
    """Least recently used entries leave first, so that the sum of their sizes stays within `limit` bytes.

    Every entry counts `overhead` bytes more than its size, for its key and objects: many small entries are not free.
    A value larger than the limit is returned but not kept. Threads that ask for the same key at the same time
    share one computation; an error reaches all of them and leaves nothing behind. An interruption (an exception
    that is no Exception, such as KeyboardInterrupt or a web page being closed) ends its own thread only: one of
    the waiting threads computes the value instead.
    """

    def __init__(self, limit: int, overhead: int = 0) -> None:
        self.limit = limit
        self._overhead = overhead
        self._entries: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._pending: dict[Hashable, Future[object]] = {}
        self._lock = threading.Lock()
        self._bytes = 0

    def get(
        self, key: Hashable, make: Callable[[], T], size: Callable[[T], int], still: Callable[[], None] = lambda: None
    ) -> T:
        """The value under `key`, made by `make` when it is not there; `size` tells its bytes.

        `still` is called a few times a second while another thread makes it, and may raise to go away.
        """
        while True:
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    return cast(T, self._entries[key][0])
                pending = self._pending.get(key)
                if pending is None:
                    mine: Future[object] = Future()
                    self._pending[key] = mine
            if pending is None:
                return self._make(key, make, size, mine)
            error = _outcome(pending, still)
            if error is None:
                return cast(T, pending.result())
            if isinstance(error, Exception):
                raise error

    def _make(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int], mine: Future[object]) -> T:
        try:
            value = make()
            bytes_ = size(value) + self._overhead
        except BaseException as error:
            with self._lock:
                self._end(key, mine)
            mine.set_exception(error)
            raise
        with self._lock:
            if self._end(key, mine):
                self._insert(key, value, bytes_)
        mine.set_result(value)
        return value

    def _end(self, key: Hashable, mine: Future[object]) -> bool:
        """Take the computation off the list; whether its value is still wanted."""
        wanted = self._pending.get(key) is mine
        if wanted:
            del self._pending[key]
        return wanted

    def _insert(self, key: Hashable, value: object, size: int) -> None:
        if size > self.limit:
            return
        while self._bytes + size > self.limit:
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
        self._entries[key] = (value, size)
        self._bytes += size

    def drop(self, key: Hashable) -> None:
        """Forget the value under `key`, where there is one."""
        with self._lock:
            _, freed = self._entries.pop(key, (None, 0))
            self._bytes -= freed

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @property
    def bytes(self) -> int:
        """How many bytes are held now."""
        with self._lock:
            return self._bytes

    def discard(self, part: Hashable) -> None:
        """Forget every entry whose key is a tuple with `part` in it; what is being made is then not kept either."""
        with self._lock:
            for key in [key for key in (*self._entries, *self._pending) if isinstance(key, tuple) and part in key]:
                self._bytes -= self._entries.pop(key, (None, 0))[1]
                self._pending.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._pending.clear()
            self._bytes = 0


def _outcome(pending: Future[object], still: Callable[[], None]) -> BaseException | None:
    """Wait for another thread: its error, or None where it has made its value."""
    while True:
        try:
            return pending.exception(WAIT)
        except TimeoutError:
            still()
