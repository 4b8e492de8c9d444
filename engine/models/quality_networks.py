"""Patch networks for image quality.

After Bosse, Maniry, Mueller, Wiegand and Samek, "Deep neural networks for no-reference and full-reference image
quality assessment", IEEE Transactions on Image Processing 27(1), 2018 (DIQaM, WaDIQaM): pairs of 3 x 3
convolutions with pooling, read by a head for a patch's score and a head for its weight. What differs:

- The score head is linear in the mean activation of the last convolution, so the class activation map of a
  patch's score adds up to that score exactly: ``score = bias + mean(map)``.
- With a reference the two pictures enter together (early fusion), as the distorted picture and the signed
  square root of the error: with few references this learns far better than two branches that meet late.
- A third head names the distortion; it only helps the training and tells what the damage looks like.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.models import overlapping

Kind = Literal["no-reference", "full-reference"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PATCH = 32
"""Side of a patch in pixels."""
FOLD = 2
"""The picture is folded first: every 2 x 2 pixels become the channels of one, which keeps all detail and costs a
fraction of convolutions at full size."""
CELLS = 4
"""Side of a patch's activation map: one cell stands for 8 x 8 pixels."""
DISTORTIONS = 25
"""Pristine, then the 24 types of TID2013."""

WIDTHS = (32, 64, 128)
"""Narrower than Bosse's, and three stages: a CPU judges a photo in about a second."""

_LEAST_WEIGHT = 0.01


@dataclass(frozen=True)
class PatchAnswer:
    """What a network says of N patches: scores (N,), weights (N,) > 0, distortion logits (N, 25), and the
    activations (N, C, 4, 4) of the last convolution after its ReLU, which the maps are read from."""

    scores: Tensor
    weights: Tensor
    distortions: Tensor
    activations: Tensor


class PatchQualityNetwork(nn.Module):
    """Scores patches of 32 x 32 pixels; 0 is bad, 1 pristine.

    ``widths`` are the channels of the stages, each a pair of convolutions, with pooling between. Training needs
    ``normalised``, batch normalisation after every convolution; :meth:`fused` then gives the same network without,
    for use.
    """

    def __init__(self, kind: Kind, widths: tuple[int, ...] = WIDTHS, normalised: bool = False):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}")
        self.kind: Kind = kind
        self.widths = tuple(widths)
        layers: list[nn.Module] = [nn.PixelUnshuffle(FOLD)]
        channels = (3 if kind == "no-reference" else 6) * FOLD**2
        for stage, width in enumerate(widths):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for _ in range(2):
                layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not normalised))
                if normalised:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(channels, 1)
        self.weight = nn.Linear(channels, 1)
        self.distortion = nn.Linear(channels, DISTORTIONS)

    def forward(self, distorted: Tensor, reference: Tensor | None = None) -> PatchAnswer:
        """Both (N, 3, 32, 32), RGB in 0..255; ``reference`` for the full-reference network only."""
        return self._answer(self.features(self._input(distorted, reference)))

    def overlapping(self, distorted: Tensor, reference: Tensor | None, stride: int) -> PatchAnswer:
        """The same of all patches of one picture, (1, 3, H, W), one every ``stride`` pixels, row by row.

        ``stride`` is even, H and W are 32 plus a multiple of it. What overlapping patches share is done once.
        """
        fold, layers = self.features[0], self.features[1:]
        picture = fold(self._input(distorted, reference))
        return self._answer(overlapping.features(layers, picture, PATCH // FOLD, stride // FOLD))

    def _answer(self, activations: Tensor) -> PatchAnswer:
        mean = activations.float().mean((2, 3))
        weights = nn.functional.softplus(self.weight(mean)).squeeze(1) + _LEAST_WEIGHT
        return PatchAnswer(self.score(mean).squeeze(1), weights, self.distortion(mean), activations)

    def _input(self, distorted: Tensor, reference: Tensor | None) -> Tensor:
        if (reference is None) != (self.kind == "no-reference"):
            raise ValueError(f"a {self.kind} network was called with{'out' if reference is None else ''} a reference")
        picture = (distorted - 127.5) / 64
        if reference is None:
            return picture
        error = (distorted - reference) / 32
        return torch.cat([picture, error.sign() * error.abs().sqrt()], 1)

    def score_map(self, activations: Tensor) -> Tensor:
        """Signed class activation map of the score (N, 4, 4), in units of the score.

        As the head is linear in the spatial mean, this is the map of Grad-CAM, sum_c w_c A_c with w_c the mean
        gradient, times the number of cells; its mean plus :attr:`bias` is the patch's score.
        """
        return torch.einsum("nchw,c->nhw", activations, self.score.weight[0])

    def fused(self) -> "PatchQualityNetwork":
        """The same function with every batch normalisation absorbed by the convolution before it."""
        plain = PatchQualityNetwork(self.kind, self.widths)
        convolutions = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        norms = [layer for layer in self.features if isinstance(layer, nn.BatchNorm2d)]
        targets = [layer for layer in plain.features if isinstance(layer, nn.Conv2d)]
        for target, convolution, norm in zip(targets, convolutions, norms, strict=True):
            target.load_state_dict(fuse_conv_bn_eval(convolution.eval(), norm.eval()).state_dict())
        for head in ("score", "weight", "distortion"):
            getattr(plain, head).load_state_dict(getattr(self, head).state_dict())
        return plain.eval()

    @property
    def bias(self) -> float:
        """The score of a patch without any activation."""
        return float(self.score.bias)
