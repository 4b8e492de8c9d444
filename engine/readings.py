"""Readings: how the activation A_k (C, h, w) and the gradient G_k of a question become one map (h, w).

Each reading is a function of an `Ask`; it returns float values, unscaled. Signed readings keep both signs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.layers import Layer, by_stride, find
from engine.questions import Terms, conflict_vectors
from engine.render import enlarge
from engine.trace import CHUNK, Trace

EXACT_FOILS = 64
"""Up to so many classes the variance over foils is taken exactly; above, from as many random vectors."""


@dataclass(frozen=True)
class Ask:
    """One question about one pass: at `layer`, about `fact` and `foil`, with every option given a value.

    `terms` is the question's cotangent in the basis; empty where the reading makes its own.
    """

    trace: Trace
    layer: str
    fact: int
    foil: int
    terms: Terms
    options: Mapping[str, Any]


def cam(ask: Ask) -> Tensor:
    """sum_c w_c A_c with w_c the spatial mean of the gradient (Selvaraju 2017, eq. 1 and 2), signed, (h, w)."""
    parts = [weight * ask.trace.cam(ask.layer, basis) for weight, basis in ask.terms]
    return torch.stack(parts).sum(0)


def cam_variance(ask: Ask) -> Tensor:
    """The variance over all foils Q of the contrast map, >= 0, (h, w).

    The part with p is the same for every Q, so this is Var_Q(M_Q). Exact from the table of class maps;
    where that would cost very many gradients, unbiased from 64 random sign vectors.
    """
    trace, classes = ask.trace, len(ask.trace.logits)
    if trace.closed_form(ask.layer) or classes <= EXACT_FOILS:
        return trace.class_maps(ask.layer).var(0, correction=0)
    weights = torch.cat(
        [
            trace.vjp(ask.layer, some).mean((2, 3))
            for some in conflict_vectors(trace.logits, "all", EXACT_FOILS).split(CHUNK)
        ]
    )
    return torch.einsum("mc,chw->mhw", weights, trace.activation(ask.layer)).square().sum(0)


def features(ask: Ask) -> Tensor:
    """The mean absolute activation over channels, >= 0, (h, w): the feed-forward baseline, no gradient at all."""
    return ask.trace.activation(ask.layer).abs().mean(0)


def guided_input(ask: Ask) -> Tensor:
    """The largest absolute guided gradient over the input's channels, >= 0, (H, W) (Springenberg 2015)."""
    vector = torch.zeros_like(ask.trace.logits)
    vector[ask.fact] = 1
    return ask.trace.input_gradient(vector, guided=True).abs().amax(0)


def mismatch(ask: Ask) -> Tensor:
    """Contrastive saliency: a statistic of the pseudo-saliency maps, >= 0, (h, w).

    After Sun 2020 (arXiv 2008.01874) and Prabhushankar 2023 (arXiv 2302.05776). At one layer it is, with the defaults,
    S = sum_c w_c S_c with S_c = A_c^2 Var_Q[dCE(z, Q)/dA_c] and w_c telling how peaked S_c is. Options: `conflict` and
    `vectors` (which expectations are violated), `foils` (variance or standard deviation over them), `channels` (how
    the S_c become one: weighed, their sum, maximum or standard deviation), `activation` (weigh by the activation, or
    not), `even` (take out the checkerboard of strided layers), `later` (the mean of this layer's map and those of the
    `later_layers`, each over its own mean: where a coarse layer and a fine one agree).
    """
    own = find(ask.trace.layers, ask.layer)
    later = later_layers(ask)
    maps = _mismatches(ask, [own, *later])
    if not later:
        return maps[0]
    joined = [maps[0], *(_moved(values, layer, own, ask.trace) for values, layer in zip(maps[1:], later, strict=True))]
    return torch.stack([part / part.mean().clamp_min(torch.finfo(part.dtype).tiny) for part in joined]).mean(0)


def later_layers(ask: Ask) -> list[Layer]:
    """The layers whose maps contrastive saliency joins with its own layer's: one for each coarser stride, if asked."""
    if not ask.options.get("later"):
        return []
    own = find(ask.trace.layers, ask.layer)
    return [layer for layer in by_stride(ask.trace.layers) if layer.stride > own.stride]


def _moved(values: Tensor, source: Layer, target: Layer, trace: Trace) -> Tensor:
    """A map (h, w) of one layer on the grid of another, each cell where its layer looks on the photo."""
    (left, top, right, bottom), whole = (trace.model.extent(layer, trace.inputs) for layer in (source, target))
    width, height = whole[2] - whole[0], whole[3] - whole[1]
    within = (
        (left - whole[0]) / width, (top - whole[1]) / height, (right - whole[0]) / width, (bottom - whole[1]) / height,
    )  # fmt: skip
    return torch.from_numpy(enlarge(values.cpu().numpy(), target.width, target.height, within)).to(values)


def _mismatches(ask: Ask, layers: Sequence[Layer]) -> list[Tensor]:
    """The map (h, w) of each layer alone; the gradients of all of them are taken together."""
    names = [layer.name for layer in layers]
    vectors = conflict_vectors(ask.trace.logits, ask.options["conflict"], ask.options["vectors"])
    squares = ([g.square().sum(0) for g in ask.trace.vjps(names, some)] for some in vectors.split(CHUNK))
    spreads = [torch.stack(parts).sum(0) for parts in zip(*squares, strict=True)]
    return [_statistic(s, ask.trace.activation(name), ask.options) for name, s in zip(names, spreads, strict=True)]


def _statistic(spread: Tensor, activation: Tensor, options: Mapping[str, Any]) -> Tensor:
    """One map (h, w) of the gradients' spread over the foils and the activation, both (C, h, w)."""
    if options["even"]:
        spread = _evened(spread)
    if options["activation"]:
        spread = spread * activation.square()
    if options["foils"] == "deviation":
        spread = spread.sqrt()
    if options["channels"] == "peaked":
        return torch.einsum("c,chw->hw", _peakedness(spread), spread)
    if options["channels"] == "maximum":
        return spread.amax(0)
    if options["channels"] == "deviation":
        return spread.std(0, correction=0)
    return spread.sum(0)


def _peakedness(maps: Tensor) -> Tensor:
    """How much each of the maps (C, h, w), all >= 0, stands out in few places: deviation over mean, >= 0.01, (C,).

    As the operator N of Itti, Koch and Niebur 1998 (section 2.2) it puts maps with a few strong places before those
    that are about the same everywhere. It ends above 0, so that where all maps are constant their sum is constant too,
    and shows no rounding errors.
    """
    tiny = torch.finfo(maps.dtype).tiny
    maps = maps / maps.amax((1, 2), keepdim=True).clamp_min(tiny)  # or squares of small numbers would vanish
    variation = maps.std((1, 2), correction=0) / maps.mean((1, 2)).clamp_min(tiny)
    return variation.hypot(torch.tensor(0.01).to(maps))


def _evened(spread: Tensor) -> Tensor:
    """(C, h, w) smoothed by the binomial kernel 1 2 1 in both directions, whose response to a checkerboard is zero.

    A strided 1 x 1 shortcut, as in every stage of a ResNet, reaches each second cell of the layer before it only: the
    gradient there is a checkerboard that tells of the network's plan and not of the photo.
    """
    padded = F.pad(spread[None], (1, 1, 1, 1), mode="replicate")[0]
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
