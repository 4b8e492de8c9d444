"""What the tests of hostile files watch: what is written, made, moved or deleted, and the memory that is held."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from engine import memory

Touched = list[tuple[str, str]]
"""What was done and to what: ("open", "/tmp/a.png"); the first is the name of Python's audit event."""
_touched: Touched = []
_watching = False
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PATHS = {
    **dict.fromkeys(("os.mkdir", "os.rmdir", "os.remove", "os.truncate"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}
"""Python's events of files and folders that are changed otherwise than by opening them, and how many paths each has."""

reads_memory = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc, which is not here"
)


def _watch(event: str, args: tuple) -> None:
    if not _watching:
        return
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
        _touched.append((event, _place(args[0])))
    for path in args[: _PATHS.get(event, 0)]:
        _touched.append((event, _place(path)))


def _place(path: object) -> str:
    """Where it is on the disk; an open file that is known by its number alone is told as that."""
    if not isinstance(path, str | bytes | os.PathLike):
        return str(path)
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (resolve() would follow what is a link)


@contextmanager
def watched_writes() -> Iterator[Touched]:
    """Record all that Python writes, makes, moves or deletes on the disk (an audit hook can only be silenced)."""
    global _watching
    if not getattr(watched_writes, "installed", False):
        sys.addaudithook(_watch)
        watched_writes.installed = True  # type: ignore[attr-defined]
    _touched.clear()
    _watching = True
    try:
        yield _touched
    finally:
        _watching = False


def resident() -> int:
    """Bytes of memory that this process holds now, after it has given back what it does not need."""
    gc.collect()
    memory.give_back()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(work: Callable[[], object], rounds: int) -> tuple[int, int]:
    """By how many bytes, and by how many of the engine's objects, a round of the same work lets this process grow.

    It is the least of several rounds: what leaks grows in every one of them, the allocator of a process that has done
    much else now and then. Objects are counted exactly, so one photo that stays is seen, however small it is.
    """
    work()  # buffers and caches settle
    held = [(resident(), _objects())]
    for _ in range(rounds):
        work()
        held.append((resident(), _objects()))
    size, count = (min(after - before for before, after in pairwise(column)) for column in zip(*held, strict=True))
    return size, count


def _objects() -> int:
    return sum(str(type(one).__module__).startswith("engine.") for one in gc.get_objects())
