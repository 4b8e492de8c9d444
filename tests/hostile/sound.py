"""Sound files of unusual kinds: depths, palettes, transparency, colour spaces, animations, orientations."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms

from tests.hostile.case import SUFFIX, Case, encoded, good, png, rgb, scene


def modes() -> Iterator[Case]:
    """Depths, palettes, transparency, CMYK, animations: sound files that must be read rightly."""
    image = Image.fromarray(scene())
    yield from _eight_bit_modes(image)
    yield from _deep_modes(image)
    yield from _transparent_modes(image)
    yield from _colour_spaces(image)
    yield from _animations(image)


def _eight_bit_modes(image: Image.Image) -> Iterator[Case]:
    lossy = {"JPEG": 6.0, "WEBP": 6.0}
    for codec in SUFFIX:
        tolerance = lossy.get(codec, 8.0 if codec == "GIF" else 0.0)
        yield good(f"rgb {codec}", codec, encoded(image, codec), rgb(image), tolerance)
        grey = image.convert("L")
        yield good(f"grey {codec}", codec, encoded(grey, codec), rgb(grey), lossy.get(codec, 0.0))
    binary = image.convert("1")
    palette = image.quantize(32)
    for codec in ("PNG", "BMP", "GIF", "TIFF"):
        yield good(f"1-bit {codec}", codec, encoded(binary, codec), rgb(binary))
        yield good(f"palette {codec}", codec, encoded(palette, codec), rgb(palette))
    for bits in (1, 2, 4):
        few = image.quantize(2**bits)
        yield good(f"palette {bits}-bit PNG", "PNG", encoded(few, "PNG", bits=bits), rgb(few))
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        content = encoded(image, "TIFF", compression=compression)
        yield good(f"TIFF {compression}", "TIFF", content, rgb(image), 6.0 if compression == "jpeg" else 0.0)
    fax = encoded(binary, "TIFF", compression="group4")
    yield good("1-bit TIFF group4", "TIFF", fax, rgb(binary))
    yield good("progressive JPEG", "JPEG", encoded(image, "JPEG", progressive=True), rgb(image), 6.0)
    yield good("lossless WebP", "WEBP", encoded(image, "WEBP", lossless=True), rgb(image))


def _deep_modes(image: Image.Image) -> Iterator[Case]:
    grey = np.asarray(image.convert("L"))
    expected = np.repeat(grey[..., None], 3, axis=2)
    sixteen = grey.astype(np.uint16) * 257
    for codec in ("PNG", "TIFF"):
        yield good(f"16-bit grey {codec}", codec, encoded(sixteen, codec), expected)
    yield good("16-bit RGB PNG", "PNG", _png_16bit_rgb(scene()), scene())
    as_int = encoded(Image.fromarray(grey.astype(np.int32)), "TIFF")
    yield good("32-bit integer TIFF", "TIFF", as_int, expected, 0.0)
    as_float = encoded(Image.fromarray(grey.astype(np.float32) / 255), "TIFF")
    yield good("float TIFF in 0..1", "TIFF", as_float, expected, 0.0)
    wide = grey.astype(np.float32)
    low, high = wide.min(), wide.max()
    stretched = np.repeat(np.rint((wide - low) / (high - low) * 255).astype(np.uint8)[..., None], 3, axis=2)
    yield good("float TIFF below zero", "TIFF", encoded(wide * 1e4 - 3e6, "TIFF"), stretched, 0.5)
    holes = wide.copy()
    holes[:4, :4] = np.nan
    yield Case("float TIFF with NaN", "nan.tif", encoded(holes, "TIFF"), "picture")
    yield Case("float TIFF of NaN", "nan.tif", encoded(np.full_like(wide, np.nan), "TIFF"))
    extremes = np.where(wide > wide.mean(), np.finfo(np.float32).max, np.finfo(np.float32).min)
    yield Case("float TIFF of extremes", "huge.tif", encoded(extremes.astype(np.float32), "TIFF"), "picture")


def _transparent_modes(image: Image.Image) -> Iterator[Case]:
    alpha = np.zeros((image.height, image.width), np.uint8)
    alpha[:, image.width // 2 :] = 255
    alpha[: image.height // 4] = 128
    clear = image.copy()
    clear.putalpha(Image.fromarray(alpha))
    weight = alpha[..., None] / 255
    expected = np.rint(scene() * weight + 255 * (1 - weight)).astype(np.uint8)
    for codec in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True, "exact": True} if codec == "WEBP" else {}
        yield good(f"alpha {codec}", codec, encoded(clear, codec, **options), expected, 1.0)
    grey_alpha = clear.convert("LA")
    grey = rgb(image.convert("L"))
    on_white = np.rint(grey * weight + 255 * (1 - weight)).astype(np.uint8)
    yield good("grey with alpha PNG", "PNG", encoded(grey_alpha, "PNG"), on_white, 1.0)
    palette = image.quantize(16)
    index = np.asarray(palette)
    hole = np.where((index == index[0, 0])[..., None], 255, rgb(palette)).astype(np.uint8)
    for codec in ("PNG", "GIF"):
        content = encoded(palette, codec, transparency=int(index[0, 0]))
        yield good(f"palette with a clear colour {codec}", codec, content, hole)
    steps = bytes(range(0, 256, 16))
    a = np.frombuffer(steps, np.uint8)[index][..., None] / 255
    mixed = np.rint(rgb(palette) * a + 255 * (1 - a)).astype(np.uint8)
    yield good("palette with alphas PNG", "PNG", encoded(palette, "PNG", transparency=steps), mixed, 1.0)
    flat = Image.new("RGB", (16, 16), (9, 8, 7))
    keyed = encoded(flat, "PNG", transparency=(9, 8, 7))
    yield good("RGB with a clear colour PNG", "PNG", keyed, np.full((16, 16, 3), 255, np.uint8))


def _colour_spaces(image: Image.Image) -> Iterator[Case]:
    cmyk = image.convert("CMYK")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # without its date, so that each corpus is the same
    for codec, tolerance in (("JPEG", 8.0), ("TIFF", 0.0)):
        yield good(f"CMYK {codec}", codec, encoded(cmyk, codec), rgb(image), tolerance)
        # An RGB profile on CMYK data cannot apply; neither can rubbish: the plain conversion is right then.
        for kind, icc in (
            ("RGB profile", profile),
            ("broken profile", b"\0" * 200),
            ("cut profile", profile[:99]),
        ):
            content = encoded(cmyk, codec, icc_profile=icc)
            yield good(f"CMYK {codec}, {kind}", codec, content, rgb(image), tolerance)
        yield Case(
            f"CMYK {codec}, its profile",
            "cmyk" + SUFFIX[codec],
            encoded(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), codec, icc_profile=dark_ink_profile()),
            "picture",
            np.full((32, 32, 3), 185, np.uint8),  # L* = 75 in sRGB
            1.5,
        )
    for kind, icc in (("profile", profile), ("broken profile", b"profile")):
        for codec in ("PNG", "TIFF"):
            content = encoded(image, codec, icc_profile=icc)
            yield good(f"RGB {codec}, {kind}", codec, content, rgb(image))
    grey = np.repeat(np.linspace(0, 100, 64, dtype=np.uint8)[None, :, None], 32, axis=0)
    lab = np.concatenate([grey * 2, np.full_like(grey, 128), np.full_like(grey, 128)], axis=2)
    yield Case("LAB TIFF", "lab.tif", encoded(Image.fromarray(lab, "LAB"), "TIFF"), "picture")
    yield good("YCbCr TIFF", "TIFF", encoded(image.convert("YCbCr"), "TIFF"), rgb(image), 3.0)


def dark_ink_profile() -> bytes:
    """A CMYK profile (ICC.1, lut8Type) in which each full ink takes 25 from L* and adds no colour."""
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4).sum(axis=1)
    lab = np.stack([255 - inks * 255 / 4, np.full(16, 128), np.full(16, 128)], axis=1)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(np.eye(3, dtype=int).ravel() * 65_536).tolist())
    lut = b"mft1\0\0\0\0\4\3\2\0" + identity + ramp * 4 + np.rint(lab).astype(np.uint8).tobytes() + ramp * 3
    size = 128 + 4 + 12 + len(lut)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ") + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)  # the illuminant D50
    return head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def _animations(image: Image.Image) -> Iterator[Case]:
    frames = [Image.new("RGB", image.size, colour) for colour in ("red", "lime", "blue")]
    for codec in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if codec == "WEBP" else {}
        content = encoded(image.quantize(32), codec, save_all=True, append_images=frames, **options)
        yield good(f"animated {codec}", codec, content, rgb(image.quantize(32)), 2.0)


def _png_16bit_rgb(pixels: np.ndarray) -> bytes:
    height, width = pixels.shape[:2]
    rows = (pixels.astype(">u2") * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(width, height, raw, depth=16, colour=2)


_STORED_AS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def orientations() -> Iterator[Case]:
    """The scene stored in each of the eight ways (TIFF 6.0, tag 274): it must come out upright."""
    for number, stored in _STORED_AS.items():
        pixels = np.ascontiguousarray(stored(scene()))
        exif = Image.Exif()
        exif[274] = number
        for codec in ("JPEG", "PNG", "WEBP", "TIFF"):
            content = encoded(pixels, codec, exif=exif)
            tolerance = 6.0 if codec in ("JPEG", "WEBP") else 0.0
            yield good(f"orientation {number} {codec}", codec, content, scene(), tolerance)


def nonsense_exif() -> Iterator[Case]:
    """Damaged EXIF data around a sound picture: the picture as it is stored."""
    blocks = {
        "empty": b"Exif\0\0",
        "rubbish": b"Exif\0\0" + bytes(range(256)),
        "cut": b"Exif\0\0MM\0*\0\0",
        "loop": b"Exif\0\0" + _ifd([(274, 3, 1, 1)], next_ifd=8),
        "far offset": b"Exif\0\0II*\0\xff\xff\xff\xff",
        "many entries": b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        "orientation as text": b"Exif\0\0" + _ifd([(274, 2, 4, 0x00666666)]),
        "orientation as many": b"Exif\0\0" + _ifd([(274, 3, 2**31, 0)]),
        "exif pointer loop": b"Exif\0\0" + _ifd([(274, 3, 1, 1), (34665, 4, 1, 8)]),
    }
    for value in (0, 9, 255, 65535):
        blocks[f"orientation {value}"] = b"Exif\0\0" + _ifd([(274, 3, 1, value)])
    for kind, block in blocks.items():
        for codec in ("JPEG", "PNG", "WEBP"):
            content = encoded(scene(), codec, exif=block)
            yield good(f"EXIF {kind} {codec}", codec, content, scene(), 0.0 if codec == "PNG" else 6.0)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="evil<script>"/></x:xmpmeta>'
    yield good("XMP nonsense", "JPEG", encoded(scene(), "JPEG", xmp=xmp), scene(), 6.0)


def _ifd(entries: list[tuple[int, int, int, int]], next_ifd: int = 0) -> bytes:
    """A little-endian TIFF header with one directory of (tag, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_ifd)
