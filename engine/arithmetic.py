"""The arithmetic of one contrast, in real numbers: p − e_Q, the channels' weights, and the sum that is the map.

M(i, j) = sum_c w_c A_c(i, j), with w_c the mean over the map of dCE(z, Q)/dA_c (Selvaraju 2017, equations 1 and 2, for
the loss of Prabhushankar 2020, equation 3).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import QuestionError
from engine.layers import find
from engine.maps import frozen
from engine.questions import CONTRAST, cotangent
from engine.trace import Answer, Trace

Values = NDArray[np.float32]

CHANNELS = 5
ROWS = 6


@dataclass(frozen=True)
class Row:
    """One line of p − e_Q: `probability` p_c, `expected` the c-th entry of e_Q, and their difference.

    `classes` is 1, or how many classes are summed in the last line, which has no `index` and no `name`.
    """

    index: int | None
    name: str
    probability: float
    expected: float
    difference: float
    classes: int = 1


@dataclass(frozen=True, eq=False)
class ChannelSum:
    """A contrast map as the sum of its channels at one layer, all float32 and read-only.

    `channels` are the K strongest, by the sum over all cells of abs(w_c A_c); `weights` (K,) and `activations`
    (K, h, w) are theirs; `rest` (h, w) is the sum of w_c A_c over the `others` that are left. `total` (h, w) is the sum
    over all channels: sum_k weights_k activations_k + rest. `share` is what the K contribute of all abs(w_c A_c).
    """

    channels: tuple[int, ...]
    weights: Values = field(repr=False)
    activations: Values = field(repr=False)
    rest: Values = field(repr=False)
    total: Values = field(repr=False)
    others: int
    share: float

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(each.nbytes for each in (self.weights, self.activations, self.rest, self.total))


def cotangent_rows(answer: Answer, foil: int, most: int = ROWS) -> list[Row]:
    """p − e_Q for Q and the likeliest classes, likeliest first, and all others in one last line.

    The differences of all lines add up to 0. Raises QuestionError for a class that the network does not know.
    """
    count = len(answer.names)
    if not 0 <= foil < count:
        raise QuestionError(f"There is no class {foil}: this network knows the classes 0 to {count - 1}.")
    top = [index for index, _, _ in answer.top(most)]
    kept = top if foil in top else [*top[: most - 1], foil]
    p = answer.probabilities.astype(np.float64)
    rows = [Row(c, answer.names[c], float(p[c]), float(c == foil), float(p[c]) - (c == foil)) for c in kept]
    left = np.delete(p, kept)
    if left.size:
        rows.append(Row(None, "", float(left.sum()), 0.0, float(left.sum()), int(left.size)))
    return rows


def channel_sum(trace: Trace, layer: str, foil: int, channels: int = CHANNELS) -> ChannelSum:
    """The contrast with `foil` at `layer`, taken apart; one gradient, kept. Raises LayerError, QuestionError."""
    find(trace.layers, layer)
    key = ("channel sum", layer, foil, channels)
    return trace.remember(key, lambda: _apart(trace, layer, foil, channels), lambda found: found.nbytes)


def _apart(trace: Trace, layer: str, foil: int, channels: int) -> ChannelSum:
    terms = CONTRAST.terms(trace.answer.fact, foil)
    direction = torch.stack([weight * cotangent(basis, trace.probabilities) for weight, basis in terms]).sum(0)
    activation = trace.activation(layer)
    weights = trace.vjp(layer, direction).mean((1, 2))
    parts = weights[:, None, None] * activation
    strength = parts.abs().sum((1, 2))
    order = strength.argsort(descending=True, stable=True)
    kept, left = order[:channels], order[channels:]
    whole = float(strength.sum())
    return ChannelSum(
        tuple(int(channel) for channel in kept),
        _numbers(weights[kept]),
        _numbers(activation[kept]),
        _numbers(parts[left].sum(0)),
        _numbers(parts.sum(0)),
        len(left),
        float(strength[kept].sum()) / whole if whole else 0.0,
    )


def _numbers(values: Tensor) -> Values:
    return frozen(values.detach().float().cpu().numpy())
