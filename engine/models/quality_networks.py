"""Patch networks for image quality.

After Bosse, Maniry, Mueller, Wiegand and Samek, "Deep neural networks for no-reference and full-reference image
quality assessment", IEEE Transactions on Image Processing 27(1), 2018 (DIQaM, WaDIQaM): pairs of 3 x 3
convolutions with pooling, read by a head for a patch's score and a head for its weight. What differs:

- The score head is linear in the mean activation of the last convolution, so the class activation map of a
  patch's score adds up to that score exactly: ``score = bias + mean(map)``.
- With a reference the two pictures enter together (early fusion), as the distorted picture and the signed
  square root of the error: with few references this learns far better than two branches that meet late.
- A third head names the distortion; it only helps the training and tells what the damage looks like.
- Without a reference a patch alone cannot tell a blurred wall from a smooth one. :class:`Context` therefore sees the
  patches of the whole photo first, and sets the linear heads by what they have in common: for a given photo the
  network is an ordinary patch network again, and everything that is said of its maps holds.
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

TONE = 11
"""Numbers that tell the light and colours of a photo; see :func:`tone`."""

_LEAST_WEIGHT = 0.01
_FARTHEST = 5.0  # in units of the spread; a photo unlike those of the training is not taken farther than this
_QUANTILES = (0.002, 0.02, 0.1, 0.5, 0.9, 0.98, 0.998)
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class PatchAnswer:
    """What a network says of N patches: scores (N,), weights (N,) > 0, distortion logits (N, 25), and the
    activations (N, C, 4, 4) of the last convolution after its ReLU, which the maps are read from."""

    scores: Tensor
    weights: Tensor
    distortions: Tensor
    activations: Tensor


class Context(nn.Module):
    """From the summary of a photo's patches to what is added to the weights and biases of the two heads.

    ``channels`` of a patch's mean activation, ``hidden`` units between. The components of a summary are measured from
    their ``centre``, in units of their ``spread``. An untrained context changes nothing.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int, hidden: int, dropout: float = 0.0):
        super().__init__()
        self.hidden = hidden
        components = channels + DISTORTIONS + TONE
        self.register_buffer("centre", torch.zeros(components))
        self.register_buffer("spread", torch.ones(components))
        self.dropout = nn.Dropout(dropout)
        self.read = nn.Linear(components, hidden)
        self.weights = nn.Linear(hidden, 2 * channels)
        self.biases = nn.Linear(hidden, 2)
        for layer in (self.weights, self.biases):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Summaries (B, C + 36) to changes of weights (B, 2, C) and of biases (B, 2): of the score, of the weight."""
        known = ((summary - self.centre) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        seen = self.read(self.dropout(known)).relu()
        return self.weights(seen).unflatten(1, (2, -1)), self.biases(seen)


class PatchQualityNetwork(nn.Module):
    """Scores patches of 32 x 32 pixels; 0 is bad, 1 pristine.

    ``widths`` are the channels of the stages, each a pair of convolutions, with pooling between. Training needs
    ``normalised``, batch normalisation after every convolution; :meth:`fused` then gives the same network without,
    for use. With ``context`` hidden units it has a :class:`Context`: called as it is, it judges patches by themselves,
    and :meth:`for_photo` gives the network that judges the patches of a photo.
    """

    def __init__(self, kind: Kind, widths: tuple[int, ...] = WIDTHS, normalised: bool = False, context: int = 0):
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
        self.context = Context(channels, context) if context else None

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
        weights = positive(self.weight(mean).squeeze(1))
        return PatchAnswer(self.score(mean).squeeze(1), weights, self.distortion(mean), activations)

    def summary(self, means: Tensor, tones: Tensor) -> Tensor:
        """What patches (..., P, C), given by their mean activations, have in common, (..., C + 36): the mean of every
        channel, how much they look like each distortion, and their :func:`tone` (..., 11)."""
        return torch.cat([means.mean(-2), self.distortion(means).softmax(-1).mean(-2), tones], -1)

    def for_photo(self, summary: Tensor) -> "PatchQualityNetwork":
        """The network for the photo with this summary: the same features, with heads set by the context. Without a
        context it is the network itself."""
        if self.context is None:
            return self
        weights, biases = (change[0] for change in self.context(summary[None]))
        with torch.device("meta"):
            set_up = PatchQualityNetwork(self.kind, self.widths)
        set_up.features, set_up.distortion = self.features, self.distortion
        for place, name in enumerate(("score", "weight")):
            head = getattr(self, name)
            given = {"weight": head.weight + weights[place], "bias": head.bias + biases[place]}
            getattr(set_up, name).load_state_dict(given, assign=True)
        return set_up.eval().requires_grad_(False)

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


def positive(values: Tensor) -> Tensor:
    """Weights from what their head says."""
    return nn.functional.softplus(values) + _LEAST_WEIGHT


def tone(patches: Tensor) -> Tensor:
    """Light and colours of patches (..., P, 3, h, w) in 0..255, taken together, (..., 11): seven quantiles of the luma
    from the darkest to the brightest, its standard deviation, and the mean and two quantiles of the distance from grey,
    all in 0..1."""
    pixels = (patches / 255).movedim(-3, -1).flatten(-4, -2)
    luma = pixels @ pixels.new_tensor(_LUMA)
    red, green, blue = pixels.unbind(-1)
    colour = torch.hypot(red - green, (red + green) / 2 - blue)
    light = torch.quantile(luma, luma.new_tensor(_QUANTILES), -1).movedim(0, -1)
    vivid = torch.quantile(colour, colour.new_tensor((0.5, 0.95)), -1).movedim(0, -1)
    return torch.cat([light, luma.std(-1)[..., None], colour.mean(-1)[..., None], vivid], -1)
