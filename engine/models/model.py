"""A network with everything that belongs to it: its classes, its preprocessing, its layers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from engine.capture import record_calls
from engine.errors import LayerError, ModelError
from engine.layers import Layer, deepest, describe, find, semantic

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Preprocess = Callable[[Image.Image, int], Tensor]
"""A photo and an input size -> the network's input, (1, 3, H, W)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier ready to be asked.

    `key` names the network and its weights uniquely (a digest of the weights where there is a file). `weights`
    says in words where the weights come from; `training` what they were trained on. `imagenet[c]` are the
    ImageNet indices that class c stands for (empty where that is not known). `sizes` are the input sizes
    offered, `size` the usual one. `favourites` maps a method to the layer that was measured to suit it.
    """

    key: str
    name: str
    title: str
    module: nn.Module = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    preprocess: Preprocess = field(repr=False)
    size: int
    sizes: tuple[int, ...]
    weights: str
    training: str = ""
    imagenet: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    favourites: Mapping[str, str] = field(default_factory=dict, repr=False)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _known: dict[int, tuple[tuple[Layer, ...], int]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def layers(self, size: int | None = None) -> tuple[Layer, ...]:
        """The explainable layers in the order in which they run, for an input of `size`."""
        return self._examine(size or self.size)[0]

    def graph_bytes(self, size: int) -> int:
        """A bound for the bytes that a kept forward pass holds: the outputs of all parts, once."""
        return self._examine(size)[1]

    def default_layer(self, depth: str, size: int | None = None) -> str:
        """The layer for a kind of method: "deep" (nearest to the answer) or "semantic" (finer than that)."""
        layers = self.layers(size)
        return (deepest(layers) if depth == "deep" else semantic(layers)).name

    def layer(self, name: str, size: int | None = None) -> Layer:
        """The layer called `name`; raises LayerError where there is none."""
        return find(self.layers(size), name)

    def prepare(self, image: Image.Image, size: int) -> Tensor:
        """The network's input for a photo, (1, 3, H, W) float32 on its device."""
        inputs = self.preprocess(image, size)
        if inputs.ndim == 3:
            inputs = inputs[None]
        if inputs.ndim != 4 or inputs.shape[0] != 1:
            raise ModelError(f"The preprocessing must give (3, H, W) or (1, 3, H, W), and gave {tuple(inputs.shape)}.")
        return inputs.to(self.device, torch.float32)

    def _examine(self, size: int) -> tuple[tuple[Layer, ...], int]:
        with self._lock:
            if size not in self._known:
                inputs = self.prepare(Image.new("RGB", (size, size), (124, 116, 104)), size)
                calls = record_calls(self.module, inputs)
                height, width = inputs.shape[-2:]
                layers = describe(self.module, calls, (height, width))
                if not layers:
                    raise LayerError(
                        f"{self.title} has no layer that gives maps (1, C, h, w), so it cannot be explained."
                    )
                leaves = {name for name, part in self.module.named_modules() if not any(part.children())}
                floats = sum(int(np.prod(shape)) for name, shape in calls if name in leaves)
                self._known[size] = (layers, 4 * (floats + inputs.numel()))
            return self._known[size]


def squared(mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> Preprocess:
    """Preprocessing that shows the network the whole photo: resized to a square, then normalised.

    Nothing is cropped, so the map covers the photo to its edges; proportions are not kept.
    """
    shift = torch.tensor(mean).view(3, 1, 1)
    scale = torch.tensor(std).view(3, 1, 1)

    def preprocess(image: Image.Image, size: int) -> Tensor:
        small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(small, dtype=np.float32).copy()).permute(2, 0, 1) / 255
        return ((pixels - shift) / scale)[None]

    return preprocess
