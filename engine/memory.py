"""Whether there is room: what is free, and one sentence beforehand where something would not fit.

An estimate, and not a reservation: it keeps the huge photo or network out that would end the whole process.
"""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from engine.errors import ExplorerError

CGROUP = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h
_trim = _option = None
with suppress(AttributeError, OSError, TypeError):  # where the C library is not glibc
    _trim, _option = ctypes.CDLL(None).malloc_trim, ctypes.CDLL(None).mallopt


def available() -> int:
    """Bytes that this process may still take: what the machine has free, or what a container's limit leaves of it."""
    free = int(psutil.virtual_memory().available)
    return min(free, *_left_in_group()) if sys.platform == "linux" else free


def require(need: float, what: str, advice: str, error: type[ExplorerError], free: int | None = None) -> None:
    """Raise `error` with one sentence where `need` bytes are more than there are (`free`, or what is available).

    `what` is the subject of the sentence ("The picture x.png"), `advice` its end ("reduce it first").
    """
    free = available() if free is None else free
    if need > free:
        raise error(f"{what} needs about {size(need)} of memory, and {size(free)} are free; {advice}.")


def give_back() -> None:
    """Give the system back what the C library keeps of memory that was freed, where it can.

    It keeps it for whatever comes next, in as many places as there were threads: after five photos were judged at once,
    400 MB of 970. It takes some milliseconds.
    """
    if _trim is not None:
        _trim(0)


def keep() -> None:
    """Let the C library keep, from now on, whatever memory is freed, for a process that computes and then ends.

    Otherwise the kernel maps and zeroes every large array anew: a third of a training step, a quarter of an evaluation.
    """
    if _option is not None:
        _option(_MMAP_MAX, 0)
        _option(_TRIM_THRESHOLD, 2**31 - 1)


def size(count: float) -> str:
    """A number of bytes as a person reads it: "3.4 GB", "120 MB"."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{max(count, 0) / 2**20:.0f} MB"


def _left_in_group(root: Path = CGROUP) -> list[int]:
    """What a container's limit leaves, where there is one (cgroup v2, then v1); pages of files can be given back."""
    pairs = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    )
    for limit, usage, reclaimed in pairs:
        try:
            most, used = int((root / limit).read_text()), int((root / usage).read_text())
            lines = (root / limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # ValueError: "max", which is no limit
            continue
        files = dict(line.split() for line in lines).get(reclaimed, "0")
        return [max(0, most - used + int(files))]
    return []
