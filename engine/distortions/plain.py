"""Plain degradations by their own parameter, for robustness tests: blur by radius, noise by standard
deviation, JPEG by quality, contrast by factor. All take and give uint8 (H, W, 3).
"""

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
from scipy import ndimage

from engine.distortions.solve import Pixels, to_pixels
from engine.errors import QuestionError


def blur(pixels: Pixels, radius: float) -> Pixels:
    """Gaussian blur; ``radius`` is the standard deviation in pixels, 0 changes nothing."""
    if radius < 0:
        raise QuestionError(f"A blur radius cannot be negative; {radius:g} was given.")
    return to_pixels(ndimage.gaussian_filter(pixels.astype(np.float32), (radius, radius, 0)))


def noise(pixels: Pixels, sigma: float, seed: int = 0) -> Pixels:
    """Additive white Gaussian noise of standard deviation ``sigma`` on the scale 0..255."""
    if sigma < 0:
        raise QuestionError(f"The standard deviation of noise cannot be negative; {sigma:g} was given.")
    field = np.random.default_rng(seed).standard_normal(pixels.shape, np.float32)
    return to_pixels(pixels + np.float32(sigma) * field)


def jpeg(pixels: Pixels, quality: float) -> Pixels:
    """JPEG at the usual quality 1..100 (4:2:0 below 90, as encoders do)."""
    if not 1 <= quality <= 100:
        raise QuestionError(f"A JPEG quality lies between 1 and 100; {quality:g} was given.")
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=round(quality), subsampling=2 if quality < 90 else 0)
    return np.asarray(PIL.Image.open(io.BytesIO(file.getvalue())).convert("RGB"))


def contrast(pixels: Pixels, factor: float) -> Pixels:
    """Contrast about the mean colour: 1 changes nothing, 0 leaves the mean."""
    if factor < 0:
        raise QuestionError(f"A contrast factor cannot be negative; {factor:g} was given.")
    image = pixels.astype(np.float32)
    mean = image.mean((0, 1))
    return to_pixels(mean + np.float32(factor) * (image - mean))


PLAIN: dict[str, tuple[Callable[[Pixels, float], Pixels], tuple[float, ...]]] = {
    "blur": (blur, (1, 2, 5, 10, 15, 25, 50)),
    "noise": (noise, (5, 10, 20, 40, 80)),
    "jpeg": (jpeg, (90, 70, 50, 30, 10, 5)),
    "contrast": (contrast, (0.8, 0.6, 0.4, 0.2, 0.1)),
}
"""Name -> (function, its parameter from slight to severe)."""
