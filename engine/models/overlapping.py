"""Overlapping patches of one picture through the first layers of a patch network, without doing shared work twice.

A patch network pads every patch with zeros before each convolution. What a convolution gives at a place therefore
depends on the patch only as far as those zeros reach: in a frame along the patch's edge that grows by one cell with
every convolution. Inside the frame all patches that cover a place have one value there; along an upper or lower edge
all patches of one row have, along a left or right edge all of one column; only corners are each patch's own. So a
stack of patches is held as nine pieces (:class:`Framed`), every value computed once, and put together where the
frames have grown so wide that sharing no longer pays. The sums are those of every single patch, up to rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Axis = Literal[0, 1]
_FIRST, _INNER, _LAST = range(3)  # along an axis: the frame before, what is inside, the frame behind
_PAYS = 0.75  # share of the work up to which a convolution is done piece by piece
_CORNERS = 3  # times as slow as elsewhere: their convolutions are small


@dataclass(frozen=True, eq=False)
class Framed:
    """`counts` rows and columns of patches of `side` cells, one every `step` cells, with a frame of `frame` cells.

    ``pieces[v][h]`` is (patch rows, patch columns, cells down, cells across, channels), where v and h are the place
    along either axis: before, inside, behind. An axis along which patches share counts one patch, whose cells are
    those of all patches together without the outermost frames.
    """

    pieces: tuple[tuple[Tensor, ...], ...]
    counts: tuple[int, int]
    side: int
    step: int
    frame: int = 0

    @classmethod
    def of(cls, picture: Tensor, side: int, step: int) -> "Framed":
        """All patches of a picture (1, C, H, W), where ``H = (rows - 1) step + side``, and W likewise."""
        cells = picture.permute(0, 2, 3, 1)[None]
        height, width, channels = cells.shape[2:]
        down, across = ((length - side) // step + 1 for length in (height, width))
        shapes = [[(p, q, a, b) for q, b in ((across, 0), (1, width), (across, 0))]
                  for p, a in ((down, 0), (1, height), (down, 0))]  # fmt: skip
        pieces = [[cells.new_empty(*shape, channels) for shape in row] for row in shapes]
        pieces[_INNER][_INNER] = cells
        return cls(tuple(map(tuple, pieces)), (down, across), side, step)

    def share(self) -> float:
        """How much of a patch's work is left when the next convolution is done piece by piece; above 1 it is more."""
        frames = 2 * (self.frame + 1)
        return (self.step**2 + 2 * self.step * frames + _CORNERS * frames**2) / self.side**2

    def convolved(self, layer: nn.Conv2d) -> "Framed":
        """After a 3 x 3 convolution that pads every patch with one cell of zeros."""
        pieces = self._along(0, self._widened)._along(1, self._widened)._map(
            lambda cells: F.conv2d(cells, layer.weight, layer.bias)
        )  # fmt: skip
        return Framed(pieces.pieces, self.counts, self.side, self.step, self.frame + 1)

    def pooled(self) -> "Framed":
        """After pooling of 2 x 2 cells; `frame`, `step` and `side` must be even."""
        pieces = self._map(lambda cells: F.max_pool2d(cells, 2)).pieces
        return Framed(pieces, self.counts, self.side // 2, self.step // 2, self.frame // 2)

    def each(self, layer: Callable[[Tensor], Tensor]) -> "Framed":
        """After a layer that acts on every cell by itself."""
        return self._map(layer)

    def whole(self) -> Tensor:
        """The patches put together, (rows x columns, C, side, side), row by row."""

        def joined(axis: Axis, before: Tensor, inner: Tensor, behind: Tensor) -> tuple[Tensor, ...]:
            every = self._of_each(inner, axis, 0, self.side - 2 * self.frame)
            return (torch.cat([before, every, behind], 2 + axis),)

        return self._along(0, joined)._along(1, joined).pieces[0][0].flatten(0, 1).permute(0, 3, 1, 2)

    def _widened(self, axis: Axis, before: Tensor, inner: Tensor, behind: Tensor) -> tuple[Tensor, ...]:
        """What a convolution reads for the frames: the padding, the frame so far, and two cells from inside."""
        inside = self.side - 2 * self.frame
        first, last = (self._of_each(inner, axis, start, 2) for start in (0, inside - 2))
        zeros = torch.zeros_like(first.narrow(2 + axis, 0, 1))
        return torch.cat([zeros, before, first], 2 + axis), inner, torch.cat([last, behind, zeros], 2 + axis)

    def _of_each(self, inner: Tensor, axis: Axis, start: int, size: int) -> Tensor:
        """`size` cells of every patch from what patches share along an axis, from the patch's inner cell `start` on."""
        place = 2 + axis
        count = self.counts[axis]
        cells = inner.narrow(place, start, (count - 1) * self.step + size).unfold(place, size, self.step)
        return cells.transpose(axis, place).squeeze(place).movedim(-1, place)

    def _along(self, axis: Axis, work: Callable[[Axis, Tensor, Tensor, Tensor], tuple[Tensor, ...]]) -> "Framed":
        """Replace the three pieces of every line along an axis by what `work` makes of them."""
        lines = self.pieces if axis == 1 else tuple(zip(*self.pieces, strict=True))
        made = tuple(work(axis, *line) for line in lines)
        pieces = made if axis == 1 else tuple(zip(*made, strict=True))
        return Framed(pieces, self.counts, self.side, self.step, self.frame)

    def _map(self, work: Callable[[Tensor], Tensor]) -> "Framed":
        """Apply `work`, of (N, C, H, W), to every piece that has cells."""

        def done(piece: Tensor) -> Tensor:
            if not piece.numel():
                return piece
            cells = work(piece.flatten(0, 1).permute(0, 3, 1, 2))
            return cells.permute(0, 2, 3, 1).unflatten(0, piece.shape[:2])

        pieces = tuple(tuple(done(piece) for piece in row) for row in self.pieces)
        return Framed(pieces, self.counts, self.side, self.step, self.frame)


def features(layers: nn.Sequential, picture: Tensor, side: int, step: int) -> Tensor:
    """What `layers` give for every patch of a picture (1, C, H, W): (patches, C', h, w), row by row.

    Patches are of `side` x `side` cells, one every `step`, and ``H = (rows - 1) step + side``, W likewise. The layers
    are 3 x 3 convolutions that keep the size, 2 x 2 pooling, and layers that act on every cell by itself.
    """
    framed = Framed.of(picture, side, step)
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            if framed.share() > _PAYS:
                return layers[place:](framed.whole())
            framed = framed.convolved(layer)
        elif isinstance(layer, nn.MaxPool2d):
            if framed.frame % 2 or framed.step % 2:
                return layers[place:](framed.whole())
            framed = framed.pooled()
        else:
            framed = framed.each(layer)
    return framed.whole()
