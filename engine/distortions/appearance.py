"""Filters, tone, colour, reconstruction of TID2013: types 8, 9, 16 to 18, 23, 24. Signature: see noise.py."""

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from engine.distortions.solve import Image, Pixels, reach
from engine.distortions.transforms import keep_large, to_rgb, to_ycbcr


def gaussian_blur(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 8: Gaussian blur."""
    sigmas = (0.55, 0.68, 0.93, 1.6, 4.5)
    return reach(image, level, lambda sigma: ndimage.gaussian_filter(image, (sigma, sigma, 0)), sigmas, (0.15, 40.0))


def image_denoising(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 9: what a DCT denoiser leaves of a noisy image (hard threshold at 2.7 sigma, four grids)."""
    noise = rng.standard_normal(image.shape, np.float32)

    def denoise(sd: float) -> Image:
        noisy = image + np.float32(sd) * noise
        total = np.zeros_like(image)
        for shift in ((0, 0), (0, 4), (4, 0), (4, 4)):
            moved = np.roll(noisy, (-shift[0], -shift[1]), (0, 1))
            total += np.roll(keep_large(moved, 2.7 * sd, 8), shift, (0, 1))
        return total / 4

    return reach(image, level, denoise, (8.0, 13.0, 22.0, 41.0, 80.0), (1.0, 400.0))


def mean_shift(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 16: a constant added: brighter at odd levels, darker at even ones."""
    sign = 1 if level % 2 else -1
    return reach(image, level, lambda shift: image + sign * shift, (5.6, 8.0, 12.0, 16.0, 23.0), (0.5, 120.0))


def contrast_change(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 17: less contrast at odd levels, more at even ones, about the mean colour."""
    mean = image.mean((0, 1))

    def change(amount: float) -> Image:
        gain = 1 / (1 + amount) if level % 2 else 1 + amount
        return mean + (image - mean) * np.float32(gain)

    return reach(image, level, change, (0.135, 0.185, 0.31, 0.39, 0.9), (0.01, 20.0))


def colour_saturation(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 18: less colour; past 1 the hues turn into their opposites."""
    ycbcr = to_ycbcr(image)

    def fade(amount: float) -> Image:
        return to_rgb(ycbcr * np.array([1, 1 - amount, 1 - amount], np.float32))

    return reach(image, level, fade, (0.33, 0.47, 0.66, 0.94, 1.34), (0.01, 6.0))


def chromatic_aberration(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 23: red and blue shifted apart and a little blurred."""

    def shift(distance: float) -> Image:
        shifted = image.copy()
        for channel, sign in ((0, 1), (2, -1)):
            moved = ndimage.shift(image[..., channel], (sign * distance / 2, sign * distance), order=1, mode="nearest")
            shifted[..., channel] = ndimage.gaussian_filter(moved, 0.15 * distance)
        return shifted

    return reach(image, level, shift, (0.35, 0.51, 0.75, 1.23, 2.8), (0.05, 60.0))


def sparse_sampling(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 24: most pixels dropped and made up again by iterated thresholding in the DCT domain.

    The strength is the ratio of dropped to kept pixels. The kept pixels are exact; the first guess for the
    others is a coarse-to-fine average of the kept ones nearby.
    """
    chance = rng.random(image.shape[:2], np.float32)
    shifts = rng.integers(0, 16, (8, 2))

    def reconstruct(ratio: float) -> Image:
        kept = (chance >= ratio / (1 + ratio))[..., None]
        guess = _fill(image, kept)
        for threshold, (dy, dx) in zip(np.geomspace(120, 8, len(shifts)), shifts, strict=True):
            moved = keep_large(np.roll(guess, (-dy, -dx), (0, 1)), float(threshold), 16)
            guess = np.where(kept, image, np.roll(moved, (dy, dx), (0, 1)))
        return guess

    return reach(image, level, reconstruct, (0.35, 0.72, 1.5, 4.0, 20.7), (0.02, 200.0))


def _fill(image: Image, kept: np.ndarray) -> Image:
    """Normalised box averages of the kept pixels, wide ones first, each a weak prior for the next."""
    guess = np.broadcast_to(image.mean((0, 1)), image.shape)
    for width in (41, 17, 7):
        prior = np.float32(0.2 / width**2)
        weight = ndimage.uniform_filter(kept.astype(np.float32), (width, width, 0)) + prior
        total = ndimage.uniform_filter(np.where(kept, image, 0), (width, width, 0)) + prior * guess
        guess = total / weight
    return np.where(kept, image, guess).astype(np.float32)
