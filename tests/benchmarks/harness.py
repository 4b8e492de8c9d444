"""What the families of rows share: timing in turn, and a row with its floor.

Works that are compared run in turn, A B A B …, in one process: where a machine drifts, it drifts for both. Every
figure is the median of several, with its quartiles.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The median of several figures, with their quartiles."""

    middle: float
    low: float
    high: float

    @staticmethod
    def of(figures: Sequence[float]) -> Spread:
        """Of any number of figures; a single one has no spread."""
        if len(figures) == 1:
            return Spread(figures[0], figures[0], figures[0])
        low, _, high = statistics.quantiles(figures, n=4, method="inclusive")
        return Spread(statistics.median(figures), low, high)

    def inverse(self) -> Spread:
        """Of the reciprocal figures."""
        return Spread(1 / self.middle, 1 / self.high, 1 / self.low)


@dataclass(frozen=True)
class Ratio:
    """How long one work takes against another, round by round; `ours` and `theirs` are median seconds."""

    share: Spread
    ours: float
    theirs: float

    @property
    def times(self) -> str:
        """Both times as a person reads them."""
        return f"{duration(self.ours)}, {duration(self.theirs)}"


@dataclass(frozen=True)
class Row:
    """One line of the table: `figure` must be at most `floor`, or at least, where `more` is better.

    `unit` stands behind the figures ("×", "ms"); `detail` says what they come from (both times, bytes).
    """

    work: str
    against: str
    figure: Spread
    floor: float
    detail: str = ""
    more: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the median keeps the floor."""
        return self.figure.middle >= self.floor if self.more else self.figure.middle <= self.floor

    @property
    def markdown(self) -> str:
        """The row as a line of a Markdown table; see HEADER."""
        middle, low, high = (_short(n) for n in (self.figure.middle, self.figure.low, self.figure.high))
        figure = f"{middle}{self.unit}" + (f" ({low} to {high})" if low != high else "")
        floor = f"{'≥' if self.more else '≤'} {_short(self.floor)}{self.unit}"
        cells = (self.work, self.against, figure, floor, "yes" if self.reached else "**no**", self.detail)
        return f"| {' | '.join(cells)} |"


HEADER = (
    "| work | against | median (quartiles) | floor | reached | ours, theirs |\n"
    "|---|---|---|---|---|---|"
)  # fmt: skip

Family = Callable[[int], Iterator[Row]]
"""A family of rows: given how many rounds to time, yields its rows as they are measured."""


class AbsentError(Exception):
    """A family cannot be measured on this machine; the text says what is missing."""


def ratio(ours: Work, theirs: Work, rounds: int, repeat: int = 1) -> Ratio:
    """Time both in turn after one warm-up each; `ours` is run `repeat` times a round and its mean counts."""
    ours(), theirs()
    pairs = [(seconds(ours, repeat), seconds(theirs)) for _ in range(rounds)]
    return paired(pairs)


def paired(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """The ratio of (ours, theirs) in seconds, of at least two rounds."""
    mine, others = zip(*pairs, strict=True)
    shares = [ours / theirs for ours, theirs in pairs]
    return Ratio(Spread.of(shares), statistics.median(mine), statistics.median(others))


def seconds(work: Work, repeat: int = 1) -> float:
    """How long one run takes, on the wall's clock; the mean of `repeat` runs."""
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - start) / repeat


def at_most(work: str, against: str, found: Ratio, floor: float) -> Row:
    """A row that says: ours takes this share of theirs, at most `floor`."""
    return Row(work, against, found.share, floor, found.times)


def faster(work: str, against: str, found: Ratio, floor: float) -> Row:
    """A row that says: ours is this many times faster than theirs, at least `floor`."""
    return Row(work, against, found.share.inverse(), floor, found.times, more=True, unit=" ×")


def duration(time: float) -> str:
    """Seconds as a person reads them: "0.33 ms", "1.2 s"."""
    return f"{_short(time)} s" if time >= 1 else f"{_short(time * 1e3)} ms"


def _short(number: float) -> str:
    """Three digits, never as a power of ten."""
    if number == 0 or abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.3g}" if abs(number) >= 0.001 else f"{number:.5f}"
