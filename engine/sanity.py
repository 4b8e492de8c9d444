"""Sanity checks for saliency maps: the same network with weights taken away.

Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018, "Sanity checks for saliency maps" (NeurIPS): a map that stays
the same when what was learnt is gone does not tell of what was learnt.
"""

import copy
from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from engine.errors import ModelError
from engine.models.model import Model

Part = Literal["classifier", "everything"]
SEED = 2018  # not that of the networks with random weights, which would stay as they are


def randomised(model: Model, part: Part, seed: int = SEED) -> Model:
    """A copy of the network with fresh random weights in its `part`; the network itself is left as it is.

    "classifier" is the last layer with weights (a linear one, or a convolution where the network ends in one);
    "everything" is every layer. Weights are drawn as PyTorch draws them for a new network, from a fixed seed.

    Raises:
        ModelError: the network has no layer whose weights could be drawn anew.
    """
    module = copy.deepcopy(model.module)
    drawn = [layer for layer in module.modules() if callable(getattr(layer, "reset_parameters", None))]
    answering = [layer for layer in drawn if isinstance(layer, nn.Linear | nn.Conv2d)]
    if not answering:
        raise ModelError(f"{model.title} has no layer whose weights could be drawn anew.")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        for layer in drawn if part == "everything" else answering[-1:]:
            layer.reset_parameters()  # type: ignore[operator]
    words = "random classifier" if part == "classifier" else "random weights everywhere"
    module = module.to(model.device).eval().requires_grad_(False)
    return replace(model, key=f"{model.key}|{part}:{seed}", module=module, weights=words, training="nothing")
