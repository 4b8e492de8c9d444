"""What the maps of a quality score would be, had the whole photo one score only: why patches are needed.

With J = (s − Q)² of the photo's score s, dJ/dA = 2 (s − Q) ds/dA: Q is a factor in front of one and the same map. All
Q on one side of s then have the same map after scaling, and the question "rather than Q?" has no answer of its own.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.quality import FOILS, Floats, QualityResult


@dataclass(frozen=True, eq=False)
class WholeMap:
    """The map of "why s, rather than `foil`?" for one score of the whole photo.

    `values` float32 (gh, gw): above zero it keeps the photo above Q, below zero it holds it below. It is `factor` times
    the map of the foil `like`, the first of those asked about on the same side of s.
    """

    foil: float
    values: Floats = field(repr=False)
    like: float
    factor: float


def whole_maps(result: QualityResult, foils: tuple[float, ...] = FOILS) -> tuple[WholeMap, ...]:
    """ReLU(2 (s − Q) M) with the sign of s − Q, for every foil; M is the evidence of `result`."""
    made = []
    firsts: dict[bool, float] = {}
    for foil in foils:
        distance = result.score - foil
        like = firsts.setdefault(distance > 0, foil)
        values = np.maximum(2 * distance * result.evidence, 0) * np.sign(distance)
        factor = distance / (result.score - like) if result.score != like else 1.0
        made.append(WholeMap(foil, values.astype(np.float32), like, factor))
    return tuple(made)
