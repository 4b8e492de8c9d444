"""`python -m tests.load --browsers 10 --minutes 10`: a crowd on the app, and what it took (`make load`)."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.load.crowd import crowd
from tests.load.witness import WHERE
from tests.server import Server

MOST_GROWTH = 100 * 2**20
"""Bytes of memory that a server may grow over the second half; its caches are full by then."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.load", description=__doc__)
    parser.add_argument("--browsers", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        print("No Chromium is on this machine (apt-get install chromium), so no crowd can come.")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "witness.jsonl"
        server = Server(
            Path(folder) / "log.txt", environment={WHERE: str(notes)}, launcher=("-m", "tests.load.witness")
        )
        try:
            found = asyncio.run(crowd(server, notes, executable, args.browsers, 60 * args.minutes, args.seed))
        finally:
            server.stop()
    print(f"{args.browsers} browsers, {args.minutes:g} minutes, seed {args.seed}\n{found.report()}")
    print(found.row(args.browsers, args.minutes))
    for what in found.missing:
        print(f"Nobody changed a {what}.")
    flat = found.growth <= MOST_GROWTH
    return 0 if not found.missing and not found.errors and found.cache_within_bound and flat else 1


if __name__ == "__main__":
    sys.exit(main())
