"""All foils at one layer: what would the contrast show, were Q another answer?

Contrast(Q) = sum_c p_c M_c − M_Q with M_c the signed Grad-CAM map of class c, so that at the last convolution before
pooling and a linear head every foil is a row of one table, and elsewhere one gradient (Prabhushankar 2020,
arXiv 2008.00178).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.engine import Engine
from engine.layer_stats import difference
from engine.maps import Map
from engine.trace import Answer, Trace

LIKELIEST = 20
LEAST = 3


@dataclass(frozen=True, eq=False)
class Foil:
    """The contrast with class `index`, of probability `probability` (0 to 1).

    `differs` is how much its map differs from Grad-CAM of P: `engine.layer_stats.difference`, 0 to 2 or None.
    """

    index: int
    name: str
    probability: float
    contrast: Map
    differs: float | None


def worth_showing(answer: Answer, also: Iterable[int] = ()) -> tuple[int, ...]:
    """The 20 likeliest classes, the 3 least likely, and those of `also`, likeliest first; all where they are few.

    Indices that the network does not know are left out.
    """
    order = [index for index, _, _ in answer.top(len(answer.names))]
    wanted = {*order[:LIKELIEST], *order[-LEAST:], *also}
    return tuple(index for index in order if index in wanted)


def contrasts(
    engine: Engine,
    trace: Trace,
    layer: str,
    fact: int,
    foils: Sequence[int],
    progress: Callable[[float], None] = lambda share: None,
) -> list[Foil]:
    """The contrast with every one of `foils` at `layer`, in their order.

    `progress` is told the share done, 0 to 1, and may raise to stop. Raises QuestionError, LayerError.
    """
    why = engine.explain(trace, "gradcam", layer, fact)
    found = []
    for done, foil in enumerate(foils):
        progress(done / len(foils))
        contrast = engine.explain(trace, "contrast", layer, fact, foil)
        name, probability = trace.answer.names[foil], float(trace.answer.probabilities[foil])
        found.append(Foil(foil, name, probability, contrast, difference(contrast, why)))
    progress(1.0)
    return found


def by_difference(found: Iterable[Foil]) -> list[Foil]:
    """Those that differ most from Grad-CAM first; those of which that cannot be said last."""
    return sorted(found, key=lambda foil: -1.0 if foil.differs is None else foil.differs, reverse=True)
