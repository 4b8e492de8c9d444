"""The tutorial's figure as one labelled picture: the photo, "Why s?", and "Why s, rather than Q?" for every Q.

The contrasts stand on one signed scale with one legend; each on a scale of its own would hide which Q has evidence.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine import render
from engine.quality import Floats, QualityResult, words
from engine.quality_screen import extent

TILE = 420
"""Width of one picture of the row in pixels; a tall photo's are narrower."""
_TALLEST = 560
_GAP = 16
_MARGIN = 24
_TITLE, _TEXT = 26, 19  # sizes of letters in pixels
_LINE = 28
_INK, _QUIET = (26, 28, 34), (90, 95, 105)


def row(photo: render.Pixels, result: QualityResult, foils: Sequence[float]) -> render.Pixels:
    """The row of a photo, uint8 (H, W, 3), as `result` judges it; uint8, of any number of foils.

    Blue and red say which side: red keeps the score above Q, blue holds it below.
    """
    small = _fitted(photo)
    s = f"{result.score:.2f}"
    covered = extent(result)

    def tile(values: Floats, top: float) -> render.Pixels:
        return render.overlay(small, values, signed=True, top=top, extent=covered)

    tiles = [(f"Score {s}, {words(result.score)}", small, ""), (f"Why {s}?", tile(result.map(), result.reach), "")]
    for foil in foils:
        share = result.balance(foil)[0]
        said = f"{share:.0%} of the evidence speaks against {foil:g}" if share else f"no evidence against {foil:g}"
        tiles.append((f"rather than {foil:g}?", tile(result.sides(foil), result.scale), said))
    height, width = small.shape[:2]
    step = max(width, TILE) + _GAP
    top = _MARGIN + _LINE + _GAP
    canvas = Image.new("RGB", (2 * _MARGIN + len(tiles) * step - _GAP, top + height + 5 * _LINE + _MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    for place, (title, pixels, said) in enumerate(tiles):
        left = _MARGIN + place * step
        draw.text((left, _MARGIN), title, _INK, ImageFont.load_default(_TITLE))
        canvas.paste(Image.fromarray(pixels), (left, top))
        draw.text((left, top + height + 8), said, _QUIET, ImageFont.load_default(_TEXT))
    below = top + height + _LINE + _GAP
    note = f"{result.kind} network, {result.note}"
    _lines(draw, note, (_MARGIN, top + height + 8), step - _GAP)
    _legend(canvas, (_MARGIN + step, below), step - _GAP, result.reach, (f"worse than {s}", f"better than {s}"))
    wide = len(foils) * step - _GAP
    _legend(canvas, (_MARGIN + 2 * step, below), wide, result.scale, ("holds it below Q", "keeps it above Q"))
    return np.asarray(canvas)


def _fitted(photo: render.Pixels) -> render.Pixels:
    height, width = photo.shape[:2]
    scale = min(TILE / width, _TALLEST / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def _legend(canvas: Image.Image, at: tuple[int, int], width: int, top: float, meaning: tuple[str, str]) -> None:
    """A bar from -top to top with its numbers, and below it what either side means."""
    bar = render.colour(np.tile(np.linspace(0, 1, width, dtype=np.float32), (14, 1)), "diverging")
    canvas.paste(Image.fromarray(bar), at)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_TEXT)
    left, y = at
    for x, anchor, number, word in (
        (left, "la", f"-{top:.2g}", meaning[0]),
        (left + width // 2, "ma", "0", ""),
        (left + width, "ra", f"{top:.2g}", meaning[1]),
    ):
        draw.text((x, y + 18), number, _INK, font, anchor=anchor)
        draw.text((x, y + 18 + _LINE), word, _QUIET, font, anchor=anchor)


def _lines(draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int) -> None:
    """Write a text in as many lines of at most `width` pixels as it needs."""
    font, lines = ImageFont.load_default(_TEXT), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if draw.textlength(longer, font) <= width else [*lines, word]
    draw.multiline_text(at, "\n".join(lines), _QUIET, font, spacing=6)
