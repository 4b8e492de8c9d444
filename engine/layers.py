"""Which layers of a network can be explained, and which of them a person should be shown first.

A layer can be explained when its output is one stack of maps, (1, C, h, w), in the shape of the photo,
and when it runs exactly once in a forward pass (a module that is reused has no single activation).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from torch import nn

from engine.errors import LayerError

FEWEST_PRINCIPAL = 4
"""Containers are opened until the principal layers are at least this many."""


@dataclass(frozen=True)
class Layer:
    """One explainable layer.

    `name` is the module path ("layer4"); `stride` is how many input pixels lie between two cells;
    `channels`, `height`, `width` are the activation's shape. `principal` marks the layers that are
    offered first: the stages of the network from its first maps to its last.
    """

    name: str
    channels: int
    height: int
    width: int
    stride: int
    principal: bool

    @property
    def grid(self) -> str:
        """The map's size as a person reads it, width first: "14 × 14"."""
        return f"{self.width} × {self.height}"


def describe(
    module: nn.Module, calls: Iterable[tuple[str, tuple[int, ...]]], input_size: tuple[int, int]
) -> tuple[Layer, ...]:
    """The explainable layers of `module` in the order in which they run.

    `calls` are (module path, output shape) of every submodule call of one forward pass with an input of
    `input_size` (height, width); see `engine.capture.record_calls`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    count: dict[str, int] = {}
    for name, shape in calls:
        shapes.pop(name, None)  # keep the order of the last call: a container ends after its children
        shapes[name] = shape
        count[name] = count.get(name, 0) + 1
    usable = {n: s for n, s in shapes.items() if n and count[n] == 1 and _is_map(s, input_size)}
    principal = set(_principal(module, usable))
    return tuple(Layer(n, s[1], s[2], s[3], stride(input_size[0], s[2]), n in principal) for n, s in usable.items())


def stride(pixels: int, cells: int) -> int:
    """The distance of two cells in pixels: networks halve, so the power of two that is nearest."""
    return int(2 ** max(0, round(math.log2(pixels / cells))))


def find(layers: Iterable[Layer], name: str) -> Layer:
    """The layer called `name`; raises LayerError with the nearest names where there is none."""
    layers = tuple(layers)
    for layer in layers:
        if layer.name == name:
            return layer
    offered = ", ".join(layer.name for layer in layers if layer.principal)
    raise LayerError(f"This network has no explainable layer named “{name}”; choose one of {offered}.")


def deepest(layers: Iterable[Layer]) -> Layer:
    """The last principal layer: the one nearest to the answer."""
    return [layer for layer in layers if layer.principal][-1]


def by_stride(layers: Iterable[Layer]) -> list[Layer]:
    """The last principal layer of each stride that is finer than the deepest layer's, from the photo's side.

    Contrastive saliency needs them: right before global average pooling a gradient is constant in space. The deepest
    layer itself where there is no finer one.
    """
    principal = [layer for layer in layers if layer.principal]
    finer = {layer.stride: layer for layer in principal if layer.stride < principal[-1].stride}
    return list(finer.values()) or principal[-1:]


def semantic(layers: Iterable[Layer]) -> Layer:
    """The last of the layers `by_stride`."""
    return by_stride(layers)[-1]


def fine(layers: Iterable[Layer]) -> Layer:
    """The last but one of the layers `by_stride`, whose cells are half as large; the last where there is no other."""
    return by_stride(layers)[-2:][0]


def ambiguous(calls: Iterable[tuple[str, tuple[int, ...]]]) -> set[str]:
    """Names whose output (1, n, n, n) could be channels first or channels last."""
    return {name for name, shape in calls if len(shape) == 4 and shape[1] == shape[2] == shape[3]}


def _is_map(shape: tuple[int, ...], input_size: tuple[int, int]) -> bool:
    """Four axes, more than one cell, and the photo's own proportions (which channels-last maps lack)."""
    if len(shape) != 4 or shape[0] != 1 or min(shape[2:]) < 2:
        return False
    height, width = input_size
    rows, columns = shape[2:]
    return rows <= height and columns <= width and abs(rows * width - columns * height) <= max(height, width)


def _principal(module: nn.Module, usable: dict[str, tuple[int, ...]]) -> list[str]:
    names = [name for name, _ in module.named_children() if _inside(name, usable)]
    while len(names) < FEWEST_PRINCIPAL:
        # Open the container with most maps in it; a plain module has nothing to open.
        inside = {name: len(_inside(name, usable)) for name in names}
        fullest = max(inside, key=lambda name: inside[name], default="")
        children = [f"{fullest}.{child}" for child, _ in module.get_submodule(fullest).named_children()]
        children = [name for name in children if _inside(name, usable)]
        if not fullest or not children:
            break
        at = names.index(fullest)
        names[at : at + 1] = children
    order = [name for name in usable if name in names]
    stages = [n for n in order if not isinstance(module.get_submodule(n), _POOLING)]
    followed = zip_longest(stages, stages[1:], fillvalue="")
    kept = [name for name, after in followed if not _continued(module, name, after)]
    return kept or order[-1:] or list(usable)[-1:]


_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d)
_TAIL = (
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.GELU,
    nn.Hardswish,
    nn.Dropout,
    nn.Identity,
)


def _continued(module: nn.Module, name: str, after: str) -> bool:
    """Whether a bare convolution or norm is only the first half of the next entry (conv -> norm -> ReLU)."""
    if not after or any(True for _ in module.get_submodule(name).children()):
        return False
    return isinstance(module.get_submodule(after), _TAIL)


def _inside(name: str, usable: dict[str, tuple[int, ...]]) -> list[str]:
    return [n for n in usable if n == name or n.startswith(name + ".")]
