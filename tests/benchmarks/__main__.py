"""`make bench`: what the project's actions cost against its peers and against the bare minimum, as one Markdown table.

Families of rows can be chosen: `python -m tests.benchmarks --only engine sessions`. Every figure is a ratio within
one run, the median of several with its quartiles.
"""

import argparse
import os
import sys
import time
from importlib import import_module

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from tests.benchmarks.harness import HEADER, AbsentError

FAMILIES = ("engine", "sessions", "quality", "evaluation", "browser", "start")
ROUNDS, SHORT = 9, 3


def main() -> None:
    """Print the table, row by row as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=FAMILIES, help="families of rows")
    parser.add_argument("--short", action="store_true", help="fewer rounds: a look, not a measurement")
    args = parser.parse_args()
    rounds = SHORT if args.short else ROUNDS
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores, {rounds} rounds\n")
    print(HEADER, flush=True)
    started, missed = time.monotonic(), 0
    for name in args.only:
        try:
            for row in import_module(f"tests.benchmarks.{name}").rows(rounds):
                print(row.markdown, flush=True)
                missed += not row.reached
        except AbsentError as reason:
            print(f"{name}: not measured, {reason}.", file=sys.stderr, flush=True)
    print(f"\n{missed} rows below their floor; {time.monotonic() - started:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()
