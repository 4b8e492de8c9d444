"""Noises of TID2013: types 1 to 7, 19 and 20.

Every distortion of this package has the form ``f(image, level, rng) -> pixels``: ``image`` float32
(H, W, 3) in 0..255, ``level`` 1..5, ``rng`` a seeded generator that is the only source of chance; the
result is uint8 of the same shape.
"""

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from engine.distortions.solve import Image, Pixels, reach
from engine.distortions.transforms import block_dct, block_idct, to_rgb, to_ycbcr

_NOISE_SD = (5.7, 8.1, 11.5, 16.2, 23.0)
_NOISE_BOUNDS = (0.5, 200.0)


def _add(image: Image, level: int, field: Image) -> Pixels:
    """Add a fixed field of about unit variance, as strongly as the level asks."""
    return reach(image, level, lambda sd: image + np.float32(sd) * field, _NOISE_SD, _NOISE_BOUNDS)


def _normal(image: Image, rng: Generator) -> Image:
    return rng.standard_normal(image.shape, np.float32)


def gaussian_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 1: additive white Gaussian noise, independent in R, G and B."""
    return _add(image, level, _normal(image, rng))


def colour_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 2: additive noise that is stronger in the colour components than in luma."""
    return _add(image, level, to_rgb(_normal(image, rng) * np.array([0.4, 1.0, 1.0], np.float32)))


def correlated_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 3: spatially correlated noise, white noise averaged over 3 x 3 pixels."""
    return _add(image, level, 3 * ndimage.uniform_filter(_normal(image, rng), (3, 3, 0), mode="wrap"))


def masked_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 4: noise hidden where the eye sees it least, in busy blocks and at high frequencies.

    Drawn in the 8 x 8 DCT domain in proportion to the block's activity (visual masking) and to the inverse
    of an exponential contrast sensitivity.
    """
    frequency = np.hypot(*np.meshgrid(np.arange(8), np.arange(8)))
    sensitivity = np.exp(-0.18 * frequency).astype(np.float32)
    visible = (block_dct(to_ycbcr(image), 8) * sensitivity) ** 2
    visible[..., 0, 0] = 0
    activity = np.sqrt(visible.sum((3, 4), keepdims=True)) + 4
    noise = rng.standard_normal(visible.shape, np.float32) * activity**0.7 / sensitivity
    noise[..., 0, 0] = 0
    field = to_rgb(block_idct(noise, image.shape))
    return _add(image, level, field / field.std())


def high_frequency_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 5: white noise without its low frequencies."""
    noise = _normal(image, rng)
    field = noise - ndimage.gaussian_filter(noise, (1, 1, 0), mode="wrap")
    return _add(image, level, field / field.std())


def impulse_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 6: a share of the samples replaced by 0 or 255 (salt and pepper in each channel)."""
    chance = rng.random(image.shape, np.float32)
    extreme = np.where(rng.random(image.shape, np.float32) < 0.5, np.float32(255), np.float32(0))
    shares = (0.0018, 0.0036, 0.007, 0.014, 0.028)
    return reach(image, level, lambda share: np.where(chance < share, extreme, image), shares, (1e-5, 0.9))


def quantisation_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 7: uniform quantisation of R, G and B to the middle of each step."""
    steps = (20.0, 28.0, 41.0, 60.0, 80.0)
    return reach(image, level, lambda step: np.floor(image / step) * step + step / 2, steps, (2.0, 200.0))


def multiplicative_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 19: Gaussian noise in proportion to the intensity."""
    field = image * _normal(image, rng)
    return reach(image, level, lambda sd: image + sd * field, (0.046, 0.065, 0.091, 0.13, 0.18), (0.005, 3.0))


def comfort_noise(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 20: small DCT coefficients keep their size and lose their sign: texture made up."""
    coefficients = block_dct(to_ycbcr(image), 8)
    flipped = np.abs(coefficients) * np.where(rng.random(coefficients.shape) < 0.5, np.float32(-1), np.float32(1))

    def replace(limit: float) -> Image:
        small = np.abs(coefficients) < limit
        small[..., 0, 0] = False
        return to_rgb(block_idct(np.where(small, flipped, coefficients), image.shape))

    return reach(image, level, replace, (11.0, 17.5, 28.0, 49.0, 98.0), (1.0, 2000.0))
