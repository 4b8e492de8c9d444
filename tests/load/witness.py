"""The app with a witness: twice a second it writes down what the server holds.

`python -m tests.load.witness run app.py …` takes Streamlit's own words. Lines of JSON go to $EXPECTANCY_WITNESS: the
process's resident bytes, the bytes of the engine's cache and its limit, and how many photos sessions have asked about.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil
from streamlit.web import cli

import engine  # noqa: F401  (before torch: it sets how threads wait)

WHERE = "EXPECTANCY_WITNESS"
EVERY = 0.5


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
            with used._cache._lock:  # visitors change it meanwhile
                keys = list(used._cache._entries)
            line = {
                "time": time.time(),
                "resident": process.memory_info().rss,
                "cache": used.cache_bytes,
                "limit": used._cache.limit,
                "photos": sorted({key[1] for key in keys if isinstance(key, tuple)}),
            }
            file.write(json.dumps(line) + "\n")
            file.flush()


def read(path: Path) -> list[dict]:
    """What was written so far."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


if __name__ == "__main__":
    threading.Thread(target=watch, args=(Path(os.environ[WHERE]),), daemon=True).start()
    sys.exit(cli.main(sys.argv[1:], prog_name="streamlit"))
