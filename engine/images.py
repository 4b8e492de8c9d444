"""Safe reading of pictures: any file in, an upright 8-bit RGB photo or one clear sentence out.

The file's content decides what it is, never its name. The header is checked before anything is decoded, only
the formats of :data:`FORMATS` are tried, and every failure inside a decoder becomes an :class:`ImageError`.
Nothing is written to disk.

What is done to the picture is told in :attr:`Photo.note`. RGB values are kept as stored, as the data sets and
networks of the field do, also where a colour profile is embedded; profiles are used for CMYK, whose numbers
mean little without one.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import logging
import re
import stat
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.ExifTags import Base as Exif
from PIL.Image import Transpose

from engine import memory
from engine.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
READABLE = "JPEG, PNG, WebP, BMP, GIF or TIFF"
MAX_PIXELS = 64_000_000  # the header's width x height
MAX_BYTES = 200 * 2**20
MAX_JPEG_SCANS = 100  # encoders write about ten; thousands keep a decoder busy for minutes
MIN_SIDE = 8
MAX_NAME = 80

# Pillow warns about what is checked here (pixel counts) or does no harm (odd metadata). A filter set once is
# safe among threads, catch_warnings() is not, and warnings would add to the one sentence on stderr.
warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints its errors to stderr
with suppress(AttributeError, OSError):  # AttributeError: the library is linked in without its names (Windows)
    # libtiff prints every fault of a damaged file to stderr, from C; Pillow raises for them all the same.
    _set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    _set_handler.argtypes, _set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    _set_handler(None)

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# Memory for each pixel while it is decoded, measured: 7 to 11, with transparency or as WebP 16, and 23 for greys of
# more than 8 bits, which pass through several arrays of float32.
_BYTES, _BYTES_DEEP = 16, 24
_SIDEWAYS = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright RGB picture, immutable.

    Attributes:
        pixels: uint8 (H, W, 3), 0 to 255, read-only.
        digest: SHA-256 (hexadecimal) of the shape and the pixels: equal pictures have equal digests, whatever
            file they came from.
        name: a plain file name for display, or "".
        note: what was changed on reading, such as "reduced from 8000 x 6000", or "".
    """

    pixels: np.ndarray = field(repr=False)
    digest: str
    name: str = ""
    note: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as in PIL."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def pil(self) -> Image.Image:
        """A PIL image (RGB) of the pixels."""
        return Image.fromarray(self.pixels)


def decode(source: bytes | str | Path | Image.Image, name: str = "", max_side: int = 2048) -> Photo:
    """Read a picture.

    Args:
        source: a file's content, its path, or a PIL image (left as it is).
        name: shown to the person; by default the path's last part. It is cleaned and used for nothing else.
        max_side: a longer picture is reduced to this many pixels (Lanczos); JPEG is decoded at a reduced
            scale where that suffices. MAX_PIXELS for a picture at its own size, such as one whose pixels are counted.

    Returns:
        The photo: upright by its EXIF orientation, the first frame of an animation, transparency composited
        on white, 8 bits a channel.

    Raises:
        ImageError: the file is missing, empty, damaged, of another format, too large (``MAX_PIXELS``,
            ``MAX_BYTES``) or too small (a side below ``MIN_SIDE``).
    """
    with _opened(source, name) as (image, label, title):
        return _photo(image, label, title, max_side, draft=image is not source)


def measure(source: bytes | str | Path, name: str = "") -> tuple[int, int]:
    """Width and height of a picture in pixels, upright, from its header alone; raises as :func:`decode` does."""
    with _opened(source, name) as (image, _, title):
        width, height = image.size
        _check_size(width, height, title, max_side=max(width, height))
        _check_room(image, title)  # a PNG is decoded in the search for an orientation behind its pixels
        return (height, width) if _lies(image, _turn(image)) else (width, height)


@contextmanager
def _opened(source: bytes | str | Path | Image.Image, name: str) -> Iterator[tuple[Image.Image, str, str]]:
    """The picture with its header read, its plain name, and how to speak of it; all failures are ImageErrors."""
    label = plain_name(name or (str(source) if isinstance(source, str | Path) else ""))
    title = f"The picture {label}" if label else "The picture"
    try:
        if isinstance(source, Image.Image):
            if isinstance(source, ImageFile.ImageFile) and source.format not in (*FORMATS, "MPO"):
                raise ImageError(f"{title} is of the format {source.format}; give a {READABLE} file.")
            yield source, label, title
            return
        content = source if isinstance(source, bytes) else _read(source, title)
        _check_content(content, title)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            yield image, label, title
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{title} has too many pixels; {_LIMIT}.") from error
    except MemoryError as error:
        raise ImageError(f"{title} needs more memory than there is; reduce it and try again.") from error
    except Exception as error:  # on damaged files decoders raise nearly anything
        raise ImageError(f"{title} is damaged or incomplete and cannot be read; save it again.") from error


_LIMIT = f"at most {MAX_PIXELS // 10**6} megapixels can be read, so reduce it first"


def plain_name(name: str) -> str:
    """The last part of a file name without path, control, bidirectional and markup characters.

    At most ``MAX_NAME`` characters; a longer name keeps its suffix. For display and download names only.
    """
    last = re.split(r"[/\\]", str(name))[-1]
    visible = "".join(c for c in re.sub(r"\s", " ", last) if unicodedata.category(c)[0] != "C")
    safe = re.sub(r'[<>:"|?*\[\]`$~]', "_", visible).strip(" .")
    if len(safe) > MAX_NAME:
        stem, dot, suffix = safe.rpartition(".")
        tail = dot + suffix if stem and len(suffix) <= 5 else ""
        safe = safe[: MAX_NAME - len(tail) - 1] + "…" + tail
    return safe


def encode_jpeg(pixels: np.ndarray, max_side: int | None = None, quality: int = 85) -> bytes:
    """A JPEG file of an 8-bit picture, for the browser.

    Args:
        pixels: uint8 (H, W, 3) or (H, W).
        max_side: a longer picture is reduced to this many pixels.
        quality: 1 to 95, as in PIL.
    """
    image = Image.fromarray(pixels)
    if max_side is not None:
        image = _reduced(image, max_side)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _read(path: str | Path, title: str) -> bytes:
    """The content of a regular file of at most MAX_BYTES."""
    try:
        path = Path(path)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{title} is a folder; give a single picture.")
        if not stat.S_ISREG(mode):  # a pipe or a device would never end
            raise ImageError(f"{title} is not a regular file; give a {READABLE} file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ImageError(f"{title} does not exist; check the path.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ImageError(f"{title} cannot be opened; check the path and its permissions.") from error


def _check_content(content: bytes, title: str) -> None:
    """Refuse, by looking at bytes alone, what must not reach a decoder."""
    if not content:
        raise ImageError(f"{title} is an empty file; choose another one.")
    if len(content) > MAX_BYTES:
        raise ImageError(f"{title} is larger than {MAX_BYTES // 2**20} MB; reduce it first.")
    kind = _sniff(content)
    if kind is None:
        raise ImageError(f"{title} is not a picture that can be read; give a {READABLE} file.")
    if kind not in FORMATS:
        raise ImageError(f"{title} is a {kind} file, which is not read here; save it as JPEG or PNG first.")
    # Inside entropy-coded data 0xFF is always escaped, so this counts the scans.
    if kind == "JPEG" and content.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise ImageError(f"{title} is a JPEG of more than {MAX_JPEG_SCANS} scans; save it again.")


def _sniff(content: bytes) -> str | None:
    """The format that the first bytes announce: one of FORMATS, a known one that is not read, or None."""
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        return "AVIF" if content[8:12] in (b"avif", b"avis") else "HEIC or video"
    return None


_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"<svg", "SVG"),
)


def _photo(image: Image.Image, name: str, title: str, max_side: int, draft: bool) -> Photo:
    """Decode an opened image and bring it into the form of a Photo."""
    width, height = image.size
    _check_size(width, height, title, max_side)
    if draft:
        image.draft(None, (max_side, max_side))
    _check_room(image, title)
    notes = []
    if image.format in ("GIF", "PNG", "WEBP", "TIFF") and getattr(image, "is_animated", False):
        notes.append("first of several frames")
    turn = _turn(image)  # read now: Pillow drops a TIFF's orientation when it has turned the picture itself
    if _lies(image, turn):
        width, height = height, width
    image.load()
    if turn is not None:
        notes.append("turned upright")
        if image.format != "TIFF":
            image = image.transpose(turn)
    image = _on_white(_reduced(_eight_bits(image, title, notes), max_side), notes)
    if max(width, height) > max_side:
        notes.append(f"reduced from {width} x {height}")
    pixels = np.asarray(image, dtype=np.uint8)
    pixels.setflags(write=False)
    return Photo(pixels, content_digest(pixels), name, ", ".join(notes))


def content_digest(array: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of an array's shape, type and values."""
    digest = hashlib.sha256(f"{array.shape}{array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check_size(width: int, height: int, title: str, max_side: int) -> None:
    """Refuse by the header's numbers what is too large, too small or too narrow."""
    short, long = sorted((width, height))
    if width * height > MAX_PIXELS:
        raise ImageError(f"{title} has {width} x {height} pixels; {_LIMIT}.")
    if short < MIN_SIDE:
        raise ImageError(f"{title} has {width} x {height} pixels; each side must have at least {MIN_SIDE}.")
    if short * min(1.0, max_side / long) < MIN_SIDE:
        raise ImageError(f"{title} is too narrow ({width} x {height} pixels); cut out a part of it.")


def _turn(image: Image.Image) -> Transpose | None:
    """The transposition that brings the picture upright; nonsense in the EXIF data counts as upright."""
    try:
        return _UPRIGHT.get(image.getexif().get(Exif.Orientation, 1))
    except Exception:  # the EXIF parser meets arbitrary bytes; the picture itself may be sound
        return None


def _lies(image: Image.Image, turn: Transpose | None) -> bool:
    """Whether an opened, not yet decoded picture's sides are still to be exchanged; Pillow tells a TIFF's upright."""
    return turn in _SIDEWAYS and image.format != "TIFF"


def _check_room(image: Image.Image, title: str) -> None:
    """Refuse what would not fit into memory, at the scale at which it is about to be decoded."""
    need = image.width * image.height * (_BYTES_DEEP if image.mode[0] in "IF" else _BYTES)
    memory.require(need, f"{title}, {image.width} × {image.height} pixels,", "reduce it first", ImageError)


def _reduced(image: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _eight_bits(image: Image.Image, title: str, notes: list[str]) -> Image.Image:
    """To mode L, RGB or RGBA, telling the notes what was scaled or converted."""
    if image.mode in ("L", "RGB", "RGBA") and not image.has_transparency_data:
        return image
    if image.mode[0] in "IF":
        return _scaled(image, title, notes)
    if image.mode in ("CMYK", "LAB"):
        return _by_profile(image, notes)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _scaled(image: Image.Image, title: str, notes: list[str]) -> Image.Image:
    """16-bit, 32-bit and floating-point grey to 8 bits (mode L).

    The range is taken from the values: floats within [0, 1] or [0, 255] and integers within [0, 255] or
    [0, 65535] keep that range; anything else is stretched from its minimum to its maximum.
    """
    values = np.asarray(image, dtype=np.float32)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ImageError(f"{title} holds no finite values; save it again with ordinary grey levels.")
    low, high = float(finite.min()), float(finite.max())
    tops = (1.0, 255.0) if image.mode == "F" else (65535.0,) if ";16" in image.mode else (255.0, 65535.0)
    top = next((t for t in tops if low >= 0 and high <= t), None)
    if top is not None:
        low, high = 0.0, top
        notes.append("scaled to 8 bits")
    else:
        notes.append(f"stretched from {low:.4g} .. {high:.4g} to 8 bits")
    # Halves first: the difference of two float32 numbers can overflow.
    span = max(high / 2 - low / 2, float(np.finfo(np.float32).tiny))
    unit = np.clip((np.nan_to_num(values, nan=low, posinf=high, neginf=low) / 2 - low / 2) / span, 0, 1)
    return Image.fromarray(np.rint(unit * 255).astype(np.uint8))


def _by_profile(image: Image.Image, notes: list[str]) -> Image.Image:
    """CMYK by its embedded profile, LAB by its definition, to sRGB; a damaged profile is left out."""
    embedded: bytes = image.info.get("icc_profile") or b""
    if image.mode == "LAB" or embedded:
        try:
            source = ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(embedded)
            profile = ImageCms.ImageCmsProfile(source)
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                notes.append(f"{image.mode} converted to sRGB by its profile")
                return converted
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            notes.append("colour profile not usable")
    notes.append(f"{image.mode} converted to RGB")
    return image.convert("RGB")


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """RGB, with transparency composited on white."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    low, _ = image.getchannel("A").getextrema()
    if low == 255:
        return image.convert("RGB")
    notes.append("transparency on white")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
