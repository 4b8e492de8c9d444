"""Sizes out of bounds, headers that promise too much, and content that grows or keeps a decoder busy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from engine.images import MAX_PIXELS
from tests.hostile.case import SUFFIX, Case, encoded, plain, png, png_chunk, scene


def sides() -> Iterator[Case]:
    """Sides of 0, 1, 7 and 8 pixels, and ribbons."""
    for codec in SUFFIX:
        for width, height in ((1, 1), (1, 64), (64, 1), (7, 64), (7, 7)):
            yield Case(f"{width} x {height} {codec}", "tiny" + SUFFIX[codec], plain(width, height, codec))
        yield Case(f"8 x 8 {codec}", "small" + SUFFIX[codec], plain(8, 8, codec), "picture")
        for width, height in ((0, 0), (0, 64), (64, 0)):
            content = _with_size(codec, width, height)
            yield Case(f"{width} x {height} {codec}", "zero" + SUFFIX[codec], content)
    yield Case("ribbon", "ribbon.png", plain(16_000, 9, "PNG"))
    yield Case("post", "post.png", plain(9, 16_000, "PNG"))


def header_bombs() -> Iterator[Case]:
    """Headers that promise more than MAX_PIXELS."""
    for codec in SUFFIX:
        top = {"WEBP": 2**24, "JPEG": 65_535, "GIF": 65_535}.get(codec, 2**31 - 1)
        for side in (MAX_PIXELS // 8192 + 1, 16_384, 50_000, 65_535, 100_000, 2**31 - 1):
            if side <= top:
                content = _with_size(codec, side, 8192 if side < 8192 else side)
                yield Case(f"header {side} {codec}", "bomb" + SUFFIX[codec], content)
    yield Case("lossless WebP 16384", "bomb.webp", _webp_lossless(16_384, 16_384))
    yield Case("GIF frame larger than its screen", "bomb.gif", _gif(8, 8, 65_535, 65_535))


def _with_size(codec: str, width: int, height: int) -> bytes:
    """A small file whose header claims the given size."""
    if codec == "PNG":
        return png(width, height, b"\0" * 100)
    content = bytearray(encoded(scene(), codec))
    if codec == "BMP":
        content[18:26] = struct.pack("<ii", width, height)
    elif codec == "GIF":
        return _gif(width, height, width, height)
    elif codec == "JPEG":
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
    elif codec == "WEBP":
        canvas = b"\0\0\0\0" + _three_bytes(width - 1) + _three_bytes(height - 1)
        return _riff(_chunk(b"VP8X", canvas) + bytes(content[12:]))
    else:
        content = _tiff_with_size(content, width, height)
    return bytes(content)


def _three_bytes(value: int) -> bytes:
    return struct.pack("<I", value % 2**24)[:3]


def _tiff_with_size(content: bytearray, width: int, height: int) -> bytearray:
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", content, entry)
        if tag in (256, 257):
            struct.pack_into("<HHII", content, entry, tag, 4, 1, width if tag == 256 else height)
    return content


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_lossless(width: int, height: int) -> bytes:
    return _riff(_chunk(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 40))


def _gif(width: int, height: int, frame_width: int, frame_height: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHH", 0, 0, frame_width, frame_height) + b"\0\x02\x02\x4c\x01\0;"


def content_bombs() -> Iterator[Case]:
    """Little files whose content grows or keeps a decoder busy."""
    zeros = bytes(20 * 2**20)
    squeezed = zlib.compress(zeros, 9)
    rows = b"".join(b"\0" + row.tobytes() for row in scene())
    size = scene().shape[1], scene().shape[0]
    yield Case("PNG of 20,000 x 20,000", "bomb.png", png(20_000, 20_000, zeros, colour=0))
    too_much = png(*size, rows + zeros)
    yield Case("PNG with 20 MB after its rows", "bomb.png", too_much, "either", scene())
    for name, head in ((b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")):
        chunk = png_chunk(name, head + squeezed)
        yield Case(f"PNG {name.decode()} bomb", "bomb.png", png(*size, rows, extra=chunk), "either", scene())
    texts = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000))) * 100
    yield Case("PNG with 100 texts", "bomb.png", png(*size, rows, extra=texts), "either", scene())
    jpeg = encoded(scene(), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    yield Case("JPEG of 3,000 scans", "bomb.jpg", jpeg[:last] + jpeg[last:-2] * 3000 + b"\xff\xd9")
    gif = encoded(scene(), "GIF")
    frame = gif[gif.index(b",") : -1]
    yield Case("GIF of 5,000 frames", "bomb.gif", gif[:-1] + frame * 5000 + b";", "picture", scene(), 8.0)
    yield Case("TIFF directory loop", "loop.tif", _tiff_loop(), "either")
    for count in (2**16 - 1, 2**31 - 1, 2**32 - 1):
        for tag in (273, 279, 320, 34675, 258):
            yield Case(f"TIFF tag {tag} of {count} values", "count.tif", _tiff_tag(tag, count), "either")


def _tiff_loop() -> bytes:
    content = bytearray(encoded(scene(), "TIFF"))
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    struct.pack_into("<I", content, at + 2 + 12 * count, at)
    return bytes(content)


def _tiff_tag(tag: int, count: int) -> bytes:
    """A sound TIFF in which one tag, or the last entry if it lacks that one, claims `count` values."""
    content = bytearray(encoded(scene(), "TIFF"))
    (at,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, at)
    places = [at + 2 + 12 * i for i in range(entries)]
    tags = [struct.unpack_from("<H", content, place)[0] for place in places]
    place = places[tags.index(tag)] if tag in tags else places[-1]
    struct.pack_into("<HHII", content, place, tag, 4, count, 8)
    return bytes(content)
