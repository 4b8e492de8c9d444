"""Ratios of medians, measured in turn: A B A B …, so that a drifting machine drifts for both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """How long `ours` takes against `theirs`: the median of the paired ratios, with its quartiles."""

    middle: float
    low: float
    high: float
    ours: float
    theirs: float


def ratio(ours: Work, theirs: Work, rounds: int = 9, repeat: int = 1) -> Ratio:
    """Time both in turn after one warm-up each; `ours` is run `repeat` times a round and its mean counts."""
    ours(), theirs()
    pairs = [(_seconds(ours, repeat), _seconds(theirs)) for _ in range(rounds)]
    quotients = [mine / other for mine, other in pairs]
    low, middle, high = statistics.quantiles(quotients, n=4)
    return Ratio(
        middle, low, high, statistics.median(mine for mine, _ in pairs), statistics.median(other for _, other in pairs)
    )


def _seconds(work: Work, repeat: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - start) / repeat
