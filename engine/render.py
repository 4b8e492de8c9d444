"""Maps as pictures: enlarging, colours, overlays and legends.

Colours are given by a few anchors and interpolated. Positive maps use a perceptual sequential scale (Viridis or
Inferno, by van der Walt and Smith), signed maps a diverging one that colour-blind people can read (RdBu, Brewer), whose
negative side is hatched too, so that no sign is told by colour alone.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.maps import WHOLE, Extent

Pixels = NDArray[np.uint8]

SCALES: dict[str, tuple[str, ...]] = {
    "inferno": ("000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"),
    "viridis": ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"),
    "diverging": (
        "053061", "2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7", "fddbc7", "f4a582", "d6604d", "b2182b", "67001f",
    ),
}  # fmt: skip

SEQUENTIAL = "inferno"
LEGEND_HEIGHT = 34


def enlarge(values: NDArray[np.float32], width: int, height: int, extent: Extent = WHOLE) -> NDArray[np.float32]:
    """A map (h, w) brought to (height, width), bilinear; a cell's value stands at the middle of its cell.

    `extent` is what the grid covers of the picture (see `Map.extent`); beyond the outermost centres their values hold.
    """
    left, top, right, bottom = extent
    rows, columns = values.shape
    down, across = _weights(height, rows, top, bottom), _weights(width, columns, left, right)
    return (down @ values.astype(np.float32) @ across.T).astype(np.float32)


def reduced(values: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """A map (h, w) with at most `most` cells a side, each the mean of those that it covers; small ones as they are."""
    rows, columns = values.shape
    if max(rows, columns) <= most:
        return values
    size = (min(columns, most), min(rows, most))
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX), np.float32)


def contrasted(
    values: NDArray[np.float32], slope: NDArray[np.float32], level: NDArray[np.float32] | None, q: float
) -> NDArray[np.float32]:
    """The map (h, w) of a score Q: values - Q slope.

    With a `level` (patch scores) only what speaks against Q, by side: above zero where the level lies above Q, below
    zero where it lies below (see `engine.quality.QualityResult.sides`).
    """
    shown = values - np.float32(q) * slope
    return shown if level is None else np.maximum(0, shown) * np.sign(level - np.float32(q))


def _weights(pixels: int, cells: int, begin: float, end: float) -> NDArray[np.float32]:
    """Linear interpolation as a matrix (pixels, cells)."""
    places = ((np.arange(pixels) + 0.5) / pixels - begin) / (end - begin) * cells - 0.5
    places = np.clip(places, 0, cells - 1)
    lower = np.minimum(places.astype(int), max(0, cells - 2))
    matrix = np.zeros((pixels, cells), np.float32)
    matrix[np.arange(pixels), lower] = 1 - (places - lower)
    matrix[np.arange(pixels), np.minimum(lower + 1, cells - 1)] += places - lower
    return matrix


def colour(shares: NDArray[np.floating], scale: str) -> Pixels:
    """Numbers 0 to 1, (h, w), as colours of a scale, uint8 (h, w, 3)."""
    anchors = np.array([tuple(bytes.fromhex(anchor)) for anchor in SCALES[scale]], dtype=np.float32)
    at = np.clip(shares, 0, 1) * (len(anchors) - 1)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def overlay(
    photo: Pixels,
    values: NDArray[np.float32],
    *,
    signed: bool = False,
    top: float | None = None,
    opacity: float = 0.85,
    extent: Extent = WHOLE,
) -> Pixels:
    """The photo, uint8 (H, W, 3), in grey under its map, uint8 (H, W, 3).

    The map's colour covers the photo the more, the stronger the evidence. `top` is the value at the end of the
    scale (None: the map's own largest); `signed` shows both signs, the negative one hatched, else only the positive
    part.
    """
    height, width = photo.shape[:2]
    large = enlarge(values, width, height, extent)
    end = largest(values, signed) if top is None else top
    strength = np.clip(large / end if end > 0 else np.zeros_like(large), -1.0 if signed else 0.0, 1.0)
    colours = shades(strength, signed, max(6, width // 60))
    grey = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float32)[..., None] * 0.8
    cover = (opacity * np.sqrt(np.abs(strength)))[..., None]
    return np.rint(grey * (1 - cover) + colours * cover).astype(np.uint8)


def shades(strength: NDArray[np.floating], signed: bool, period: int = 6) -> Pixels:
    """Strengths (h, w), -1 to 1 where `signed`, else 0 to 1, as the colours of a map, uint8 (h, w, 3).

    Negative ones are hatched by lines that come every `period` pixels.
    """
    if not signed:
        return colour(strength, SEQUENTIAL)
    colours = colour((strength + 1) / 2, "diverging")
    rows, columns = np.indices(strength.shape)
    lines = (strength < 0) & ((rows + columns) % period < 0.3 * period)
    colours[lines] += ((255 - colours[lines]) * 0.4).astype(np.uint8)
    return colours


def largest(values: NDArray[np.float32], signed: bool) -> float:
    """The value at the end of a map's own scale: its largest, of both signs where both are shown; 0 for none."""
    return float(max(0.0, np.abs(values).max() if signed else values.max(initial=0.0)))


def legend(width: int, top: float, signed: bool, words: tuple[str, str]) -> Pixels:
    """A colour bar with its numbers and words, uint8 (34, width, 3)."""
    image = Image.new("RGB", (width, LEGEND_HEIGHT), "white")
    image.paste(Image.fromarray(scale_bar(width, signed)), (0, 0))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    low = f"−{top:.3g} {words[1]}" if signed else "0"
    draw.text((2, 14), low, "black", font)
    draw.text((width - 2, 14), f"{words[0]} {top:.3g}", "black", font, anchor="ra")
    return np.asarray(image)


def scale_bar(width: int, signed: bool) -> Pixels:
    """The colours of a scale from its lower end to its upper, uint8 (10, width, 3)."""
    return shades(np.tile(np.linspace(-1 if signed else 0, 1, width, dtype=np.float32), (10, 1)), signed)


def picture(
    photo: Pixels,
    values: NDArray[np.float32],
    *,
    signed: bool,
    words: tuple[str, str],
    top: float | None = None,
    extent: Extent = WHOLE,
) -> Pixels:
    """An overlay with its legend below, uint8 (H + 34, W, 3)."""
    end = largest(values, signed) if top is None else top
    shown = overlay(photo, values, signed=signed, top=end, extent=extent)
    return np.vstack([shown, legend(photo.shape[1], end, signed, words)])


def png(pixels: Pixels) -> bytes:
    """The picture as a PNG file's content."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
