"""What the tests of hostile files watch: files opened for writing, and the memory that is held."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_opened: list[str] = []
_watching = False

reads_memory = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc, which is not here"
)


def _watch(event: str, args: tuple) -> None:
    if _watching and event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        _opened.append(str(args[0]))


@contextmanager
def watched_writes() -> Iterator[list[str]]:
    """Record every file that Python opens for writing (an audit hook cannot be removed, only silenced)."""
    global _watching
    if not getattr(watched_writes, "installed", False):
        sys.addaudithook(_watch)
        watched_writes.installed = True  # type: ignore[attr-defined]
    _opened.clear()
    _watching = True
    try:
        yield _opened
    finally:
        _watching = False


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
