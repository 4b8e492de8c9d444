"""Coders, transmission errors and palettes of TID2013: types 10 to 13, 21 and 22. Signature: see noise.py."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
from numpy.random import Generator
from numpy.typing import NDArray

from engine.distortions.solve import Image, Pixels, psnr, reach, target_psnr, to_pixels
from engine.distortions.transforms import block_dct, block_idct

# Recommendation ITU-T T.81, tables K.1 and K.2, row by row.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *[(99,) * 8] * 4,
)  # fmt: skip
_START_OF_SCAN, _START_OF_DATA = b"\xff\xda", b"\xff\x93"  # JPEG, JPEG 2000


def _jpeg(image: Image, scale: float, **options: Any) -> bytes:
    """Baseline JPEG, 4:2:0, with the standard's tables times ``scale``."""
    tables = [np.clip(np.rint(np.array(t) * scale), 1, 255).astype(int).ravel().tolist() for t in (_LUMA, _CHROMA)]
    file = io.BytesIO()
    PIL.Image.fromarray(to_pixels(image)).save(file, "JPEG", qtables=tables, subsampling=2, **options)
    return file.getvalue()


def _jpeg2000(image: Image, ratio: float) -> bytes:
    """Irreversible JPEG 2000 code-stream at a compression ratio."""
    levels = max(1, min(6, int(np.log2(min(image.shape[:2]))) + 1))
    file = io.BytesIO()
    PIL.Image.fromarray(to_pixels(image)).save(
        file, "JPEG2000", quality_mode="rates", quality_layers=[float(ratio)], irreversible=True, mct=1,
        no_jp2=True, num_resolutions=levels,
    )  # fmt: skip
    return file.getvalue()


def _decode(data: bytes) -> Pixels:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def jpeg(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 10: JPEG compression."""
    scales = (0.5, 1.15, 2.9, 7.0, 12.9)
    return reach(image, level, lambda scale: _decode(_jpeg(image, scale)), scales, (0.1, 40.0))


def jpeg2000(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 11: JPEG 2000 compression."""
    ratios = (24.0, 38.0, 72.0, 180.0, 700.0)
    return reach(image, level, lambda ratio: _decode(_jpeg2000(image, ratio)), ratios, (2.0, 3000.0))


def _try_decode(data: bytearray, shape: tuple[int, ...]) -> Pixels | None:
    """The picture a damaged stream still gives, or None where the decoder gives up."""
    try:
        pixels = _decode(bytes(data))
    except (OSError, SyntaxError, ValueError):
        return None
    return pixels if pixels.shape == shape else None


def _safe_places(data: bytes, start: int, end: int) -> NDArray[np.intp]:
    """Positions in the entropy-coded part that neither are nor follow 0xFF, so that markers stay."""
    stream = np.frombuffer(data, np.uint8)
    places = np.arange(start + 1, end)
    return places[(stream[places] != 0xFF) & (stream[places - 1] != 0xFF)]


def jpeg_transmission_errors(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 12: bytes of a JPEG stream received wrong; each ruins the rest of its restart interval.

    Errors are put one after the other at random places, and one that would do more damage than the level
    asks for is taken back.
    """
    data = bytearray(_jpeg(image, 0.25, restart_marker_rows=1))
    start = data.index(_START_OF_SCAN) + 14
    places = _safe_places(bytes(data), start, len(data) - 2)
    tries = 100
    return _damage(
        image, level, data, rng.choice(places, tries) if places.size else places, rng.integers(0, 255, tries)
    )


def _damage(image: Image, level: int, data: bytearray, places: NDArray, values: NDArray) -> Pixels:
    """Write wrong bytes as long as they bring the picture nearer to the level's PSNR."""
    target = target_psnr(level)
    best = to_pixels(image)
    best_gap = psnr(image, best) - target
    for place, value in zip(places, values, strict=False):
        right = data[place]
        data[place] = value
        candidate = _try_decode(data, image.shape)
        gap = -np.inf if candidate is None else psnr(image, candidate) - target
        if candidate is None or gap < -0.5 or abs(gap) > abs(best_gap):
            data[place] = right
            continue
        best, best_gap = candidate, gap
        if abs(gap) < 0.3:
            break
    return best


def jpeg2000_transmission_errors(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 13: bytes of a JPEG 2000 stream received wrong; each ruins one code-block, a local ringing.

    The number of errors is searched for; their places are fixed, with the packets of the coarsest
    resolution less often hit than the rest, since one error there is the end of the picture.
    """
    data = _jpeg2000(image, 5.0)
    start = data.index(_START_OF_DATA) + 2
    candidates = _safe_places(data, start + (len(data) - start) // 100, len(data) - 2)
    most = min(600, candidates.size)
    best, best_gap = to_pixels(image), np.inf
    for _ in range(3):
        chosen = (rng.random(most) ** 1.5 * candidates.size).astype(int)
        damaged = _error_curve(image, data, candidates[chosen], rng.integers(0, 255, most))
        pixels = reach(image, level, damaged, (2.0, 6.0, 20.0, 60.0, 180.0), (1.0, float(max(2, most))), 0.3, 8)
        gap = abs(psnr(image, pixels) - target_psnr(level))
        if gap < best_gap:
            best, best_gap = pixels, gap
        if gap < 0.5:
            break
    return best


def _error_curve(image: Image, data: bytes, places: NDArray, values: NDArray) -> Callable[[float], Image]:
    def damaged(count: float) -> Image:
        stream = bytearray(data)
        for place, value in zip(places[: round(count)], values, strict=False):
            stream[place] = value
        pixels = _try_decode(stream, image.shape)
        # A stream beyond decoding counts as more damage than any level asks for.
        return 255 - image if pixels is None else pixels.astype(np.float32)

    return damaged


def noisy_compression(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 21: lossy compression of a noisy image, a 32 x 32 DCT coder whose step follows the noise."""
    noise = rng.standard_normal(image.shape, np.float32)

    def code(sd: float) -> Image:
        step = np.float32(3.5 * sd)
        quantised = np.rint(block_dct(image + np.float32(sd) * noise, 32) / step) * step
        return block_idct(quantised, image.shape)

    return reach(image, level, code, (4.2, 6.8, 11.4, 21.0, 46.0), (0.5, 200.0))


def colour_quantisation(image: Image, level: int, rng: Generator) -> Pixels:
    """Type 22: a small palette (median cut) with Floyd-Steinberg dither."""
    picture = PIL.Image.fromarray(to_pixels(image))

    def quantise(coarseness: float) -> Pixels:
        colours = int(np.clip(round(256 / coarseness), 2, 256))
        palette = picture.quantize(colours, PIL.Image.Quantize.MEDIANCUT, dither=PIL.Image.Dither.NONE)
        dithered = picture.quantize(palette=palette, dither=PIL.Image.Dither.FLOYDSTEINBERG)
        return np.asarray(dithered.convert("RGB"))

    return reach(image, level, quantise, (2.4, 5.7, 13.0, 24.0, 56.0), (1.0, 128.0))
