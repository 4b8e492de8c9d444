"""Surprisal of every possible answer as bars: a click makes a class Q."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pages.widgets.frontend import Widget, pack, read_class

_widget = Widget(
    "layers_surprisal",
    scripts=("percent.js", "layers_surprisal.js"),
    styles=("layers_cells.css", "layers_surprisal.css"),
)


@dataclass(frozen=True)
class SurprisalBar:
    """A possible answer: its class index, name, probability (0 to 1) and surprisal (>= 0)."""

    index: int
    name: str
    probability: float
    surprisal: float


def layers_surprisal(
    bars: Sequence[SurprisalBar], fact: int, foil: int, *, key: str, on_foil: Callable[[int], None]
) -> None:
    """Draw the bars in the given order, P and Q marked, on one scale that begins at 0.

    `on_foil` is called with the class that was chosen before the page's script runs again.
    """
    header = {
        "bars": [[bar.index, bar.name, bar.probability, bar.surprisal] for bar in bars],
        "fact": fact,
        "foil": foil,
    }

    _widget.mount(pack(header), key=key, parcels=[], read=read_class, on_event=on_foil)
