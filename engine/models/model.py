"""A network with everything that belongs to it: its classes, its preprocessing, its layers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from engine import memory
from engine.capture import footprint, record_calls
from engine.errors import LayerError, ModelError
from engine.geometry import PERIOD, extent, origin
from engine.layers import Layer, ambiguous, describe
from engine.maps import Extent

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Preprocess = Callable[[Image.Image, int], Tensor]
"""A photo and an input size -> the network's input, (1, 3, H, W)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier ready to be asked.

    `key` names the network and its weights uniquely (a digest of the weights where there is a file). `weights`
    says in words where the weights come from; `training` what they were trained on; `reached`, in a sentence, how
    often the answers were right where that was measured (else ""). `imagenet[c]` are the ImageNet indices that
    class c stands for (empty where that is not known). `sizes` are the input sizes offered, `size` the usual one.
    `favourites` maps a method to the layer that was measured to suit it. `pixel_bytes` is what a pass and its gradients
    take for every pixel of the input, where that is known beforehand (else 0, and it is estimated); `centres`, where
    they are known, are those of `engine.geometry.origin` by (layer, H modulo 32, W modulo 32).
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
    reached: str = ""
    pixel_bytes: int = 0
    centres: Mapping[tuple[str, int, int], tuple[float, float]] = field(default_factory=dict, repr=False)
    _known: dict[int | tuple[int, int], tuple[Layer, ...]] = field(default_factory=dict, repr=False)
    _origins: dict[tuple[str, int, int], tuple[float, float]] = field(default_factory=dict, repr=False)
    _footprints: dict[tuple[int, int], int | None] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def layers(self, size: int | None = None) -> tuple[Layer, ...]:
        """The explainable layers in the order in which they run, for a square photo at the input size `size`.

        Raises LayerError where there are none, ModelError when the network cannot run at that size.
        """
        side = size or self.size
        with self._lock:
            if side not in self._known:
                blank = Image.new("RGB", (side, side), (124, 116, 104))
                self._known[side] = self.layers_of(self.prepare(blank, side))
            return self._known[side]

    def layers_of(self, inputs: Tensor) -> tuple[Layer, ...]:
        """The explainable layers for an input (1, 3, H, W) of the network: found once for each H and W."""
        height, width = inputs.shape[-2:]
        with self._lock:
            if (height, width) not in self._known:
                layers = self._find_layers(inputs, (height, width))
                if not layers:
                    raise LayerError(
                        f"{self.title} has no layer that gives maps (1, C, h, w), so it cannot be explained."
                    )
                self._known[height, width] = layers
            return self._known[height, width]

    def check_room(self, inputs: Tensor) -> None:
        """Raise ModelError where a pass on an input (1, 3, H, W) and its gradients would not fit into memory."""
        height, width = inputs.shape[-2:]
        with self._lock:
            if (height, width) not in self._footprints:
                known = self.pixel_bytes * height * width
                self._footprints[height, width] = known or footprint(self.module, inputs)
            need = self._footprints[height, width]
        if need is not None:
            free = torch.cuda.mem_get_info(inputs.device)[0] if inputs.is_cuda else memory.available()
            what = f"{self.title} on {width} × {height} pixels"
            memory.require(need, what, "choose a smaller input size or network", ModelError, free)

    def extent(self, layer: Layer, inputs: Tensor) -> Extent:
        """What the layer's map covers of the photo, for an input (1, 3, H, W); its cells are found once."""
        rows, columns = inputs.shape[-2:]
        key = (layer.name, rows % PERIOD, columns % PERIOD)
        with self._lock:
            if key not in self._origins:
                self._origins[key] = self.centres.get(key) or origin(self.module, layer.name, inputs)
            return extent(self._origins[key], (layer.height, layer.width), (rows, columns))

    def prepare(self, image: Image.Image, size: int) -> Tensor:
        """The network's input for a photo, (1, 3, H, W), on the device and in the precision of its weights."""
        with torch.inference_mode(False), torch.no_grad():  # what is kept must be usable in every other thread
            return self._prepared(image, size)

    def _prepared(self, image: Image.Image, size: int) -> Tensor:
        inputs = self.preprocess(image, size)
        if not isinstance(inputs, Tensor):
            raise ModelError(f"The preprocessing must give a tensor, and gave {type(inputs).__name__}.")
        if inputs.ndim == 3:
            inputs = inputs[None]
        if inputs.ndim != 4 or inputs.shape[0] != 1:
            raise ModelError(f"The preprocessing must give (3, H, W) or (1, 3, H, W), and gave {tuple(inputs.shape)}.")
        precisions = (p.dtype for p in self.module.parameters() if p.is_floating_point())
        return inputs.to(self.device, next(precisions, torch.float32))

    def _find_layers(self, inputs: Tensor, shape: tuple[int, int]) -> tuple[Layer, ...]:
        calls = record_calls(self.module, inputs)
        doubtful = ambiguous(calls)
        if doubtful:
            # As many channels as rows and columns: channels-first and channels-last look alike at this size alone.
            smaller = F.interpolate(inputs, scale_factor=0.75)
            try:
                clear = describe(
                    self.module, record_calls(self.module, smaller), (smaller.shape[-2], smaller.shape[-1])
                )
                doubtful -= {layer.name for layer in clear}
            except ModelError:  # it takes one size only: a plain convolutional network far more often than not
                doubtful = set()
        return describe(self.module, [call for call in calls if call[0] not in doubtful], shape)


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
