"""Colour and block transforms that several distortions share."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from engine.distortions.solve import Image

# ITU-R BT.601, full range, as in JPEG.
_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
_RGB = np.linalg.inv(_YCBCR).astype(np.float32)


def to_ycbcr(image: Image) -> Image:
    """(H, W, 3) RGB to luma and two centred chroma channels."""
    return image @ _YCBCR.T


def to_rgb(image: Image) -> Image:
    """The inverse of :func:`to_ycbcr`."""
    return image @ _RGB.T


def block_dct(image: Image, size: int) -> NDArray[np.float32]:
    """Orthonormal DCT of every ``size`` x ``size`` block: (rows, columns, C, size, size).

    An image whose sides are no multiples of ``size`` is continued by its own edge; :func:`block_idct` cuts
    that off again.
    """
    height, width, channels = image.shape
    padded = np.pad(image, ((0, -height % size), (0, -width % size), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // size, padded.shape[1] // size
    blocks = padded.reshape(rows, size, columns, size, channels).transpose(0, 2, 4, 1, 3)
    return fft.dctn(blocks, axes=(3, 4), norm="ortho")


def block_idct(coefficients: NDArray[np.float32], shape: tuple[int, ...]) -> Image:
    """The image of ``shape`` (H, W, C) whose :func:`block_dct` is ``coefficients``."""
    rows, columns, channels, size, _ = coefficients.shape
    blocks = fft.idctn(coefficients, axes=(3, 4), norm="ortho").transpose(0, 3, 1, 4, 2)
    return blocks.reshape(rows * size, columns * size, channels)[: shape[0], : shape[1]]


def keep_large(image: Image, threshold: float, size: int) -> Image:
    """Hard thresholding in the block DCT domain; block means are always kept."""
    coefficients = block_dct(image, size)
    kept = np.abs(coefficients) > threshold
    kept[..., 0, 0] = True
    return block_idct(coefficients * kept, image.shape)
