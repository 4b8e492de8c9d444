"""A view as one page of HTML that opens anywhere: no script, no request, every picture within the page.

Text that comes from people or networks is escaped, and the page forbids itself everything but its own pictures and
style (Content-Security-Policy), so that nothing in it can act.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine import render
from engine.images import encode_jpeg
from engine.maps import WHOLE, Extent

MAX_SIDE = 720
"""Pixels of the longer side of a picture in the report."""

_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True, eq=False)
class Figure:
    """One map with its words.

    `values` (h, w) is the map as it was shown, None where there is none; `zero` and `top` are the values at the scale's
    middle or lower end and at its upper end (`top` None: the map's own largest). `meaning` says what positive and
    negative values mean.
    """

    title: str
    question: str
    sentence: str
    values: NDArray[np.float32] | None
    signed: bool = False
    meaning: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()
    zero: float = 0.0
    top: float | None = None
    extent: Extent = WHOLE


def page(
    heading: str,
    photo: NDArray[np.uint8],
    name: str,
    figures: Iterable[Figure],
    settings: Mapping[str, str],
    reference: NDArray[np.uint8] | None = None,
) -> bytes:
    """The report.

    Args:
        heading: the question.
        photo: uint8 (H, W, 3); `reference` likewise, where there is one.
        name: what the photo is called.
        figures: the maps over the photo, in their order.
        settings: what else is to be known: a name and its words each.

    Returns:
        An HTML file.
    """
    small = _reduced(photo)
    shown = [_photo(small, "The photo", name)]
    if reference is not None:
        shown.append(_photo(_reduced(reference), "Its reference", f"the reference of {name}"))
    shown += [_figure(figure, small, name) for figure in figures]
    rows = "\n".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(words)}</td></tr>' for key, words in settings.items()
    )
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_HASH}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(heading)} – Expectancy Explorer</title>
<style>{_STYLE}</style>
</head>
<body>
<header><p>Expectancy Explorer</p><h1>{escape(heading)}</h1></header>
<main>
<section class="figures" aria-label="Maps">
{"".join(shown)}</section>
<section>
<h2>Settings</h2>
<table>
{rows}
</table>
</section>
</main>
<footer><p>The raw maps, the photo pixel by pixel and all settings lie beside this page in its bundle. “Share”, “Open a
bundle” in the app brings this view back.</p></footer>
</body>
</html>
""".encode()


def alt_text(title: str, name: str, values: NDArray[np.float32]) -> str:
    """What a map (h, w) shows, in words made from its numbers, for those who do not see it."""
    rows, columns = values.shape
    ends = (f"highest {_place(values, int(values.argmax()))}", f"lowest {_place(values, int(values.argmin()))}")
    return f"{title} over {name}, {rows} by {columns} cells: {', '.join(ends)}."


def number(value: float) -> str:
    """Three significant digits, with a true minus."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e5:
        return f"{float(f'{value:.3g}'):.15g}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def _place(values: NDArray[np.float32], index: int) -> str:
    """A value, its cell, and the third of the map where that lies."""
    (rows, columns), (row, column) = values.shape, divmod(index, values.shape[1])
    down = ("upper", "", "lower")[min(2, int((row + 0.5) / rows * 3))]
    across = ("left", "", "right")[min(2, int((column + 0.5) / columns * 3))]
    where = f"{down} {across}".strip() or "middle"
    return f"{number(float(values[row, column]))} at row {row}, column {column} ({where})"


def _photo(pixels: NDArray[np.uint8], title: str, name: str) -> str:
    return f"""<figure>
<h2>{title}</h2>
<p class="question">{escape(name)}</p>
{_picture(pixels, f"{title}: {name}")}
</figure>
"""


def _figure(figure: Figure, photo: NDArray[np.uint8], name: str) -> str:
    picture, legend, alt = photo, "", f"{name}, without a map"
    if figure.values is not None:
        values = figure.values - np.float32(figure.zero)
        top = render.largest(values, figure.signed) if figure.top is None else figure.top - figure.zero
        picture = render.overlay(photo, values, signed=figure.signed, top=top, extent=figure.extent)
        legend, alt = _legend(figure, top), alt_text(figure.title, name, figure.values)
    notes = "".join(f"<li>{escape(note)}</li>" for note in figure.notes)
    return f"""<figure>
<h2>{escape(figure.title)}</h2>
<p class="question">{escape(figure.question)}</p>
{_picture(picture, alt)}
{legend}<figcaption>{escape(figure.sentence)}</figcaption>
{f"<ul>{notes}</ul>" if notes else ""}
</figure>
"""


def _legend(figure: Figure, top: float) -> str:
    bar = base64.b64encode(render.png(render.scale_bar(240, figure.signed))).decode()
    ends = [-top if figure.signed else 0.0, 0.0 if figure.signed else top / 2, top]
    ticks = "".join(f"<span>{number(figure.zero + end)}</span>" for end in ends)
    positive, negative = figure.meaning
    low = f"− {negative}" if figure.signed and negative else ""
    high = f"+ {positive}" if figure.signed and positive else positive
    return f"""<div class="legend"><img class="bar" src="data:image/png;base64,{bar}" alt="">
<div class="ends">{ticks}</div><div class="ends"><span>{escape(low)}</span><span>{escape(high)}</span></div></div>
"""


def _picture(pixels: NDArray[np.uint8], alt: str) -> str:
    height, width = pixels.shape[:2]
    data = base64.b64encode(encode_jpeg(pixels, quality=88)).decode()
    return f'<img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)
