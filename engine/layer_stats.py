"""Numbers beside a map: how well it foretells where people look, and how much it differs from another map."""

import numpy as np

from engine import human, scores
from engine.fixations import Fixations
from engine.maps import Map
from engine.render import enlarge


def nss(found: Map, fixations: Fixations) -> float | None:
    """Normalised scanpath saliency of a map as it is shown, ReLU before all else; None without fixations.

    Scored as on the page "Human saliency": enlarged to the photo's own grid of at most 800 pixels a side. 0 is chance.
    """
    if not len(fixations):
        return None
    size = human.grid(fixations.size)
    at = fixations.scaled(size)
    return scores.nss(enlarge(found.positive, *size, found.extent), at.x, at.y)


def difference(first: Map, second: Map) -> float | None:
    """1 − Pearson's correlation of two signed maps, cell by cell: 0 (the same up to scale) to 2 (the opposite).

    None where one of them is the same in every cell, which correlates with nothing. Both must lie on one grid.
    """
    if np.ptp(first.values) == 0 or np.ptp(second.values) == 0:
        return None
    return 1 - scores.cc(first.values, second.values)
