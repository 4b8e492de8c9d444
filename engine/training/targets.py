"""Targets for any crop of a photo from one cached pass of the teacher over the whole photo (ReLabel, Yun 2021).

The teacher's cell i has its receptive field centred at pixel 32 i + 31 of its 224-pixel input, because
TensorFlow's SAME padding puts the odd pixel last; a torchvision network's cell j is centred at pixel 32 j of
its own input. Both are turned into positions on the photo (0 at its left edge, 1 at its right), so that the
student's maps are not off by a cell. Rows and columns are separable: a target is two small matrix products.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.teacher import GRID, SIZE

STRIDE = 32
_FIRST = 31  # the pixel at the centre of the teacher's first cell


def sampling_weights(start: Tensor, extent: Tensor, size: int) -> Tensor:
    """Linear interpolation from the teacher's cells to the student's, along one axis.

    start, extent: (N,) the crop's first edge and its length in 0..1 of the photo; a negative extent
    reads the crop backwards (a flipped crop starts at its far edge). size: the student's input side in
    pixels. Returns (N, ceil(size / 32), 7); every row sums to 1.
    """
    cells = torch.arange(-(-size // STRIDE), device=start.device)
    position = start[:, None] + extent[:, None] * (cells * STRIDE + 0.5) / size
    index = ((SIZE * position - 0.5 - _FIRST) / STRIDE).clamp(0, GRID - 1)
    return (1 - (index[..., None] - torch.arange(GRID, device=start.device)).abs()).clamp_min(0)


def pooling_weights(start: Tensor, extent: Tensor) -> Tensor:
    """How much of each teacher cell lies in the crop, along one axis: (N, 7), each row sums to 1.

    A cell reaches half a stride to both sides of its centre, the first and last to the photo's edge; its
    weight is the share of it that the crop covers, so the whole photo gives the teacher's own mean.
    """
    edges = (torch.arange(1, GRID, device=start.device) * STRIDE + _FIRST + 0.5 - STRIDE / 2) / SIZE
    edges = torch.cat([edges.new_zeros(1), edges, edges.new_ones(1)])
    low = torch.minimum(start, start + extent)[:, None]
    high = torch.maximum(start, start + extent)[:, None]
    covered = (torch.minimum(high, edges[1:]) - torch.maximum(low, edges[:-1])).clamp_min(0)
    share = covered / (edges[1:] - edges[:-1])
    return share / share.sum(1, keepdim=True)


def dense_targets(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """The teacher's features at the student's cells: (N, 7, 7, C) and boxes (N, 4) to (N, s, s, C).

    boxes: left, top, width, height in 0..1 of the photo; a flipped crop has its right edge as left and
    a negative width.
    """
    columns = sampling_weights(boxes[:, 0], boxes[:, 2], size).to(features.dtype)
    rows = sampling_weights(boxes[:, 1], boxes[:, 3], size).to(features.dtype)
    return torch.einsum("nik,njl,nklc->nijc", rows, columns, features)


def pooled_targets(features: Tensor, boxes: Tensor) -> Tensor:
    """The mean of the teacher's features within each crop: (N, 7, 7, C) and boxes (N, 4) to (N, C)."""
    columns = pooling_weights(boxes[:, 0], boxes[:, 2]).to(features.dtype)
    rows = pooling_weights(boxes[:, 1], boxes[:, 3]).to(features.dtype)
    return torch.einsum("nk,nl,nklc->nc", rows, columns, features)


def random_boxes(count: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Draw crops as Inception did: area uniform in `scale`, aspect ratio log-uniform in 3/4..4/3, half flipped.

    Returns (count, 4) on the CPU: left, top, width, height in 0..1; a flipped crop has its right edge as
    left and a negative width.
    """
    u = torch.rand(5, count, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * u[0]
    aspect = (4 / 3) ** (u[1] * 2 - 1)
    width, height = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    left, top = u[2] * (1 - width), u[3] * (1 - height)
    flipped = u[4] < 0.5
    left, width = torch.where(flipped, left + width, left), torch.where(flipped, -width, width)
    return torch.stack([left, top, width, height], 1)


def crop(pixels: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut out and resize crops without aliasing: (N, 3, H, W) float and boxes (N, 4) to (N, 3, size, size)."""
    rows = _resizing(boxes[:, 1], boxes[:, 3], pixels.shape[2], size)
    columns = _resizing(boxes[:, 0], boxes[:, 2], pixels.shape[3], size)
    return rows[:, None] @ pixels @ columns[:, None].transpose(2, 3)


def _resizing(start: Tensor, extent: Tensor, pixels: int, size: int) -> Tensor:
    """Triangle-filter weights (N, size, pixels) along one axis, the filter as wide as the reduction asks."""
    unit = (torch.arange(size, device=start.device) + 0.5) / size
    centre = (start[:, None] + extent[:, None] * unit) * pixels - 0.5
    width = (extent.abs() * pixels / size).clamp_min(1)[:, None, None]
    distance = (centre.clamp(0, pixels - 1)[..., None] - torch.arange(pixels, device=start.device)).abs()
    weights = (1 - distance / width).clamp_min(0)
    return weights / weights.sum(2, keepdim=True)
