"""The result of a question: one signed map on its layer's own grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Extent = tuple[float, float, float, float]
"""What a grid covers of the photo: left, top, right, bottom as shares of its width and height; may reach beyond it."""

WHOLE: Extent = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Map:
    """What `Engine.explain` returns.

    `values` is float32 (h, w), signed, unscaled, on the layer's own grid (the input's grid for guided
    backpropagation), and read-only; `extent` is what that grid covers of the photo. `notes` are the honest labels of
    the screen: why a map is empty, that it was estimated. `milliseconds` is what it cost now; `cached` tells that
    nothing had to be computed.
    """

    values: NDArray[np.float32]
    method: str
    layer: str
    fact: int
    foil: int
    options: tuple[tuple[str, object], ...]
    notes: tuple[str, ...]
    signed: bool
    milliseconds: float
    cached: bool
    extent: Extent

    @property
    def positive(self) -> NDArray[np.float32]:
        """ReLU of the map, as Grad-CAM is shown: float32 (h, w), >= 0."""
        return np.maximum(self.values, 0)

    @property
    def positive_share(self) -> float:
        """Share of the absolute evidence that is positive, 0 to 1 (0 for an empty map)."""
        total = float(np.abs(self.values).sum())
        return float(self.positive.sum()) / total if total else 0.0


def frozen(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A contiguous float32 copy that nobody can write to: results are shared between threads and people."""
    content = np.ascontiguousarray(values, dtype=np.float32)
    return np.frombuffer(content.tobytes(), np.float32).reshape(content.shape)  # bytes cannot be made writeable
