"""What keeps a student from knowing its few photos by heart: other light, and crops that are mixed with each other.

Two crops are laid into each other (mixup, Zhang 2018) or one is pasted into the other (CutMix, Yun 2019). Both are one
thing here: each cell of the network's last layer has a share of the crop itself, the rest is its partner's, and
images, feature maps and answers are mixed by the same shares.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.targets import STRIDE

GREY = 0.1
"""The share of crops that lose their colours."""


def shares(count: int, cells: int, mixed: float, generator: torch.Generator) -> Tensor:
    """Draw each crop's own share of every cell: (count, 1, cells, cells) in 0..1, on the CPU.

    A share `mixed` of the crops is mixed: half of them with a weight of 0.5 to 1 everywhere, half have a rectangle of
    whole cells, of up to three quarters of each side, that is the partner's. The others are 1 everywhere.
    """
    chance = torch.rand(2, count, generator=generator)
    own = torch.where(chance[0] < mixed / 2, 0.5 + chance[1] / 2, 1.0)[:, None, None].repeat(1, cells, cells)
    most = max(1, 3 * cells // 4)
    extent = torch.randint(1, most + 1, (2, count), generator=generator)
    first = (torch.rand(2, count, generator=generator) * (cells + 1 - extent)).long()
    at = torch.arange(cells)
    rows, columns = ((f[:, None] <= at) & (at < (f + e)[:, None]) for f, e in zip(first, extent, strict=True))
    pasted = (mixed / 2 <= chance[0]) & (chance[0] < mixed)
    return own.masked_fill(pasted[:, None, None] & rows[:, :, None] & columns[:, None, :], 0.0)[:, None]


def mixed(values: Tensor, own: Tensor) -> Tensor:
    """Each of the values (N, ...) mixed with the one before it, `own` (broadcast to its shape) of it staying."""
    return torch.lerp(values.roll(1, 0), values, own)


def mixed_images(images: Tensor, own: Tensor) -> Tensor:
    """Images (N, 3, S, S) mixed by the shares (N, 1, s, s) of their cells, each STRIDE pixels wide."""
    size = images.shape[-1]
    fine = own.repeat_interleave(STRIDE, 2).repeat_interleave(STRIDE, 3)[..., :size, :size]
    return mixed(images, fine).contiguous(memory_format=torch.channels_last)


def random_light(count: int, jitter: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw contrast, brightness and saturation for `relit`, each 1 ± jitter (saturation twice that), on the CPU.

    The first two have the shape (count, 1, 1, 1); brightness differs by a third of the jitter between colours and
    has (count, 3, 1, 1). A share GREY of the crops has the saturation 0.
    """

    def near_one(width: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(1 - width, 1 + width, generator=generator)

    contrast, brightness = near_one(jitter), near_one(jitter) * near_one(jitter / 3, 3)
    coloured = torch.rand(count, 1, 1, 1, generator=generator) >= GREY
    return contrast, brightness, near_one(min(1.0, 2 * jitter)) * coloured


def relit(images: Tensor, contrast: Tensor, brightness: Tensor, saturation: Tensor) -> Tensor:
    """Images (N, 3, H, W) in 0..1 in another light, in 0..1."""
    grey = images.mean(1, keepdim=True)
    images = torch.lerp(grey.expand_as(images), images, saturation.expand_as(images))
    centre = grey.mean((2, 3), keepdim=True)
    return ((images - centre) * contrast + centre * brightness).clamp(0, 1)
