"""Where a layer's cells lie on the photo.

The cell i of a layer with stride s looks at the photo around one point, the centre of its receptive field. Padded
odd kernels (ResNet) put it at s i, even poolings (VGG) at s (i + 1/2): half a cell apart, 16 of 224 pixels at stride
32. So the centre is measured on the network itself: the centroid of the squared gradient of a cell in the middle
with respect to the input (the effective receptive field, Luo 2016).
"""

import torch
from torch import Tensor, nn

from engine.capture import capture
from engine.errors import ExplorerError, ModelError
from engine.layers import stride
from engine.maps import Extent

PERIOD = 32
PROBE = 128
"""Side of the noise that is looked at; plus the input's remainder by 32, since padding may depend on it."""


def origin(module: nn.Module, layer: str, like: Tensor) -> tuple[float, float]:
    """Centre (x, y) of the layer's first cell, in input pixels from the left upper corner.

    `like` is an input of the network, (1, 3, H, W). Raises ModelError where the network cannot run on noise.
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever mode the caller is in
        return _measured(module, layer, like)


def _measured(module: nn.Module, layer: str, like: Tensor) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(0)
    rows, columns = like.shape[-2:]
    for shape in ((PROBE + rows % PERIOD, PROBE + columns % PERIOD), (rows, columns)):
        noise = torch.randn(1, like.shape[1], *shape, generator=generator).to(like.device, like.dtype)
        try:
            kept = capture(module, noise.requires_grad_(), [layer]).activations[layer]
        except ExplorerError:
            continue
        return _centre(noise, kept, generator)
    raise ModelError("The network cannot run on noise, so it is not known where its cells lie.")


def extent(first: tuple[float, float], cells: tuple[int, int], pixels: tuple[int, int]) -> Extent:
    """What (h, w) cells cover of an input of (H, W) pixels, when the first cell's centre lies at `first` (x, y)."""
    (h, w), (height, width) = cells, pixels
    across, down = stride(width, w), stride(height, h)
    left, top = (first[0] - across / 2) / width, (first[1] - down / 2) / height
    return (left, top, left + w * across / width, top + h * down / height)


def _centre(noise: Tensor, activation: Tensor, generator: torch.Generator) -> tuple[float, float]:
    h, w = activation.shape[-2:]
    row, column = h // 2, w // 2
    energy = torch.zeros(noise.shape[-2:])
    for _ in range(2):
        weights = torch.randn(activation.shape[1], generator=generator).to(activation)
        seen = (activation[0, :, row, column] * weights).sum()
        (gradient,) = torch.autograd.grad(seen, noise, retain_graph=True)
        energy += gradient[0].square().sum(0).float().cpu()
    return (_first(energy.sum(0), column, w), _first(energy.sum(1), row, h))


def _first(energy: Tensor, cell: int, cells: int) -> float:
    """The centre of cell 0 from the energy of cell `cell` along one axis; snapped to where kernels can put it."""
    total, step = float(energy.sum()), stride(len(energy), cells)
    if not total > 0:
        return step / 2
    measured = float((energy * (torch.arange(len(energy)) + 0.5)).sum()) / total - step * cell
    usual = min((0.5, step / 2), key=lambda candidate: abs(candidate - measured))
    return usual if abs(usual - measured) <= max(2.0, step / 4) else measured
