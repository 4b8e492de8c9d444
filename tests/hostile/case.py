"""One hostile case, its judgement, and the writers of files that the corpus shares."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image

from engine.errors import ExplorerError, ImageError
from engine.images import Photo

Outcome = Literal["picture", "error", "either"]
SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}


@dataclass(frozen=True)
class Case:
    """One file and what must come of it.

    ``picture`` is uint8 (H, W, 3): where a picture comes out, the mean absolute difference from it is at most
    ``tolerance``. None: any picture will do, for instance from a file with flipped bits.
    """

    kind: str
    name: str
    content: bytes = field(repr=False)
    outcome: Outcome = "error"
    picture: np.ndarray | None = field(default=None, repr=False)
    tolerance: float = 0.0

    def problem(self, result: Photo | BaseException) -> str | None:
        """What is wrong with a result: None for the right picture, or an error that is one clear sentence."""
        if isinstance(result, Photo):
            if self.outcome == "error":
                return "read, but should be refused"
            return self._difference(result.pixels)
        if not isinstance(result, ImageError):
            return f"not an ImageError: {result!r}"
        if self.outcome == "picture":
            return f"refused: {result}"
        return sentence_problem(str(result))

    def _difference(self, pixels: np.ndarray) -> str | None:
        if self.picture is None:
            return None
        if pixels.shape != self.picture.shape:
            return f"shape {pixels.shape} instead of {self.picture.shape}"
        difference = float(np.abs(pixels.astype(float) - self.picture).mean())
        return f"differs by {difference:.2f}" if difference > self.tolerance else None


def sentence_problem(text: str) -> str | None:
    """None where the text is one short, plain sentence."""
    if not text.endswith(".") or "\n" in text or len(text) > 240:
        return f"not one sentence: {text!r}"
    if any(word in text for word in ("Traceback", "object at", "<", ">", "/", "\\")):
        return f"not plain: {text!r}"
    return None


def scene(height: int = 64, width: int = 96) -> np.ndarray:
    """uint8 (H, W, 3): four quadrants of different colours and a gradient, unlike itself in every turn."""
    rows = np.linspace(0, 60, height)[:, None, None]
    columns = np.linspace(0, 90, width)[None, :, None]
    quadrants = np.array([[[160, 20, 20], [20, 160, 20]], [[20, 20, 160], [150, 150, 20]]], float)
    blocks = np.kron(quadrants, np.ones(((height + 1) // 2, (width + 1) // 2, 1)))[:height, :width]
    return np.clip(blocks + rows + columns, 0, 255).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, codec: str, **options: object) -> bytes:
    """The file of a picture as bytes."""
    buffer = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(buffer, codec, **options)
    return buffer.getvalue()


def rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def good(kind: str, codec: str, content: bytes, picture: np.ndarray, tolerance: float = 0.0) -> Case:
    """A sound file that must be read rightly."""
    return Case(kind, "sound" + SUFFIX[codec], content, "picture", picture, tolerance)


def plain(width: int, height: int, codec: str) -> bytes:
    return encoded(Image.new("RGB", (width, height), (200, 100, 50)), codec)


def png(width: int, height: int, raw: bytes, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(raw, 9))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + data + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def read(case: Case, reader: Callable[[bytes, str], Photo]) -> Photo | BaseException:
    """The outcome of one case: what the reader returned or raised."""
    try:
        return reader(case.content, case.name)
    except ExplorerError as error:
        return error
    except Exception as error:
        return error
