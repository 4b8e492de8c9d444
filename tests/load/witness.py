"""The app with a witness: twice a second it writes down what the server holds.

`python -m tests.load.witness run app.py …` takes Streamlit's own words. Lines of JSON go to $EXPECTANCY_WITNESS: the
seconds that the processor worked; the process's resident bytes, and how many of them the C library has given out and
not got back; the bytes of the engine's cache and its limit; which photos it holds something of; the sessions that are
open and those that wait for a browser to come back; the bytes of uploads and of files to take home.

$EXPECTANCY_CACHE, in MB, is a limit of the cache other than the usual one: a small cache is full within minutes, and
what grows after that is something else. $EXPECTANCY_PATIENCE are seconds that a session waits for its browser.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import psutil
from streamlit import runtime
from streamlit.web import cli

import engine  # noqa: F401  (before torch: it sets how threads wait)
from pages.widgets import farewell

WHERE = "EXPECTANCY_WITNESS"
CACHE = "EXPECTANCY_CACHE"
PATIENCE = "EXPECTANCY_PATIENCE"
EVERY = 0.5


class _Malloc(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in _names]


def given_out() -> int | None:
    """Bytes that the C library has given out and not got back, in all arenas; None where it does not tell."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    tell.restype = _Malloc
    found = tell()
    return int(found.uordblks + found.hblkhd)


def sessions() -> dict[str, int]:
    """What Streamlit holds for people: it has no public way to ask."""
    if not runtime.exists():
        return {}
    here: Any = runtime.get_instance()
    return {
        "open": here._session_mgr.num_active_sessions(),
        "waiting": len(here._session_mgr._session_storage._cache._data),
        "uploads": here._uploaded_file_mgr._total_bytes,
        "media": sum(len(file.content) for file in list(here._media_file_mgr._storage._files_by_id.values())),
    }


def _limit(usual: int) -> int:
    return int(os.environ.get(CACHE) or 0) * 2**20 or usual


def watch(path: Path) -> None:
    """Write until the process ends; before anybody has come there is no engine to look at."""
    process = psutil.Process()
    with path.open("a", encoding="utf-8") as file:
        while True:
            time.sleep(EVERY)
            session = sys.modules.get("pages.widgets.session")
            if session is None or not hasattr(session, "leases"):
                continue
            used = session.engine()
            used._cache.limit = _limit(used._cache.limit)
            with used._cache._lock:  # visitors change it meanwhile
                keys = list(used._cache._entries)
            line = {
                "time": time.time(),
                "worked": sum(process.cpu_times()[:2]),
                "resident": process.memory_info().rss,
                "given_out": given_out(),
                "cache": used.cache_bytes,
                "limit": used._cache.limit,
                "photos": sorted({key[1] for key in keys if isinstance(key, tuple)}),
                **sessions(),
            }
            file.write(json.dumps(line) + "\n")
            file.flush()


def read(path: Path) -> list[dict]:
    """What was written so far."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


if __name__ == "__main__":
    farewell.PATIENCE = float(os.environ.get(PATIENCE, farewell.PATIENCE))
    threading.Thread(target=watch, args=(Path(os.environ[WHERE]),), daemon=True).start()
    sys.exit(cli.main(sys.argv[1:], prog_name="streamlit"))
