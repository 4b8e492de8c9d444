"""Surprisal: how much the network would have to change, were the answer Q.

The norm of the gradient of CE(z, Q) with respect to a layer's weights, one number for each Q: large where the
answer Q would be news to the network (Prabhushankar 2023, "Stochastic surprisal", arXiv 2302.05776).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.capture import capture_parameter
from engine.errors import LayerError, ModelError, QuestionError
from engine.layers import find
from engine.trace import Trace

MOST_FOILS = 64
"""Up to so many answers are asked about when nothing is said; of larger networks the likeliest."""


@dataclass(frozen=True, eq=False)
class Surprisal:
    """`values` float32 (K,) >= 0: the gradient norm for each of the `foils` (class indices), at weight `parameter`."""

    foils: tuple[int, ...]
    values: NDArray[np.float32]
    parameter: str


def surprisal(
    trace: Trace,
    layer: str,
    foils: Sequence[int] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Surprisal:
    """||dCE(z, Q)/dW_k|| for each foil Q, with W_k the weight of the last convolution up to `layer`.

    The gradient is linear in p − e_Q; each norm costs one VJP to the weight. `progress` is told the share done, 0 to 1,
    and may raise to stop. Raises LayerError where no convolution comes before the layer, QuestionError for a class
    that the network does not know.
    """
    if foils is None:
        foils = [index for index, _, _ in trace.answer.top(MOST_FOILS)]
    classes = len(trace.logits)
    strange = [foil for foil in foils if not 0 <= foil < classes]
    if strange:
        raise QuestionError(f"There is no class {strange[0]}: this network knows the classes 0 to {classes - 1}.")
    name = _parameter(trace, layer)
    asked = tuple(foils)
    values = trace.remember(
        ("surprisal", name, asked), lambda: _norms(trace, name, asked, progress), lambda v: v.nbytes
    )
    progress(1.0)
    return Surprisal(asked, values, name)


def _parameter(trace: Trace, layer: str) -> str:
    """The weight of the last convolution that has run when `layer` ends."""
    find(trace.layers, layer)
    order = [known.name for known in trace.layers]
    done = order[: order.index(layer) + 1]
    convolutions = [name for name in done if isinstance(trace.model.module.get_submodule(name), nn.Conv2d)]
    if not convolutions:
        raise LayerError(f"No convolution has run before “{layer}”, so no weights could be surprised; choose another.")
    return f"{convolutions[-1]}.weight"


def _norms(
    trace: Trace, parameter: str, foils: tuple[int, ...], progress: Callable[[float], None]
) -> NDArray[np.float32]:
    logits, weight = capture_parameter(trace.model.module, trace.inputs, parameter)
    probabilities = logits.detach().float().softmax(1)
    norms = []
    for done, foil in enumerate(foils):
        progress(done / len(foils))
        direction = probabilities.clone()
        direction[0, foil] -= 1
        (gradient,) = torch.autograd.grad(logits, weight, direction.to(logits), retain_graph=True)
        norms.append(float(gradient.float().norm()))
    values = np.array(norms, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ModelError(f"The gradients at “{parameter}” overflow, so this network's surprisal is not known there.")
    values.flags.writeable = False
    return values
