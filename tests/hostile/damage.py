"""Files that are no pictures, polyglots, hostile names, truncations and flipped bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.hostile.case import SUFFIX, Case, encoded, good, plain, rgb, scene


def not_pictures() -> Iterator[Case]:
    """Other things under a picture's name, and pictures under another's."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("a.txt"), "a")
    others = {
        "empty": b"",
        "one byte": b"\x89",
        "text": b"This is a text, not a picture.\n" * 20,
        "html": b"<html><script>alert(1)</script></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "xml svg": b'<?xml version="1.0"?><svg/>',
        "pdf": b"%PDF-1.7\n1 0 obj\n",
        "zip": archive.getvalue(),
        "executable": b"\x7fELF" + bytes(200),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "avif": encoded(scene(), "AVIF"),
        "ppm": encoded(scene(), "PPM"),
        "ico": encoded(Image.fromarray(scene()).resize((32, 32)), "ICO"),
        "jpeg 2000": encoded(scene(), "JPEG2000"),
        "tga": encoded(scene(), "TGA"),
        "pcx": encoded(scene(), "PCX"),
        "photoshop": b"8BPS\0\1" + bytes(60),
        "pickle": b"\x80\x04\x95\x10\0\0\0",
        "zeros": bytes(5000),
    }
    for kind, content in others.items():
        for name in ("picture.png", "picture.jpg"):
            yield Case(f"{kind} as {name}", name, content)
    magics = (
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"BM",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"RIFF\0\0\0\0WEBP",
    )
    rubbish = np.random.default_rng(1).bytes(3000)
    for magic in magics:
        yield Case(f"magic {magic!r} alone", "magic.png", magic)
        yield Case(f"magic {magic!r} and rubbish", "magic.png", magic + rubbish)
        yield Case(f"magic {magic!r} and zeros", "magic.png", magic + bytes(3000))
    for codec in SUFFIX:
        for suffix in (*SUFFIX.values(), ".txt", ".exe", ""):
            if suffix != SUFFIX[codec]:
                yield Case(f"{codec} as {suffix}", "file" + suffix, plain(9, 9, codec), "picture")


def polyglots() -> Iterator[Case]:
    """Files that are a picture and something else: the picture, or a refusal where it is not the first."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("../../escape.txt"), "x")
    tails = {
        "zip": archive.getvalue(),
        "html": b"<script>alert(1)</script>",
        "php": b"<?php system('id'); ?>",
    }
    for codec in SUFFIX:
        content = encoded(scene(), codec)
        for kind, tail in tails.items():
            case = good(f"{codec} with {kind} behind", codec, content + tail, scene(), 8.0)
            yield (case if codec != "WEBP" else Case(case.kind, case.name, case.content, "either", scene(), 8.0))
            yield Case(f"{codec} behind {kind}", "polyglot" + SUFFIX[codec], tail + content)
        other = "PNG" if codec != "PNG" else "JPEG"
        both = content + encoded(255 - scene(), other)
        yield Case(f"{codec} then {other}", "two" + SUFFIX[codec], both, "either", scene(), 8.0)
    yield Case("GIF that is a script", "script.gif", b"GIF89a=1;alert(1);//" + bytes(40))
    comment = encoded(scene(), "JPEG", comment=b"*/=alert(1);/*<script>")
    yield good("JPEG with a script as comment", "JPEG", comment, scene(), 6.0)


HOSTILE_NAMES = (
    "../../etc/passwd.png",
    "..\\..\\windows\\system32\\a.png",
    "/absolute/path.png",
    "C:\\temp\\con.png",
    "<script>alert(1)</script>.png",
    "<img src=x onerror=alert(1)>.png",
    "a\0b.png",
    "line\nbreak\r\n.png",
    "\x1b[31mred\x1b[0m.png",
    "right\u202eleft\u202cgnp.png",
    "zero\u200bwidth\ufeff.png",
    "**bold** [link](javascript:alert(1)).png",
    ":red[streamlit] $x^2$ `code`.png",
    "very " * 200 + "long.png",
    "n." + "p" * 500,
    "....",
    "   ",
    "",
    ".png",
    "\ud800surrogate.png",
    "'; DROP TABLE photos; --.png",
    "%00%2e%2e%2fescaped.png",
    "日本語の写真.png",
    "emoji 🐈‍⬛.png",
)


def names() -> Iterator[Case]:
    sound = encoded(scene(), "PNG")
    for name in HOSTILE_NAMES:
        yield Case(f"name {name[:30]!r}", name, sound, "picture", scene())
        yield Case(f"name {name[:30]!r}, text", name, b"text")


def sound_files() -> dict[str, tuple[str, bytes]]:
    """One sound file of each format and coding."""
    image = Image.fromarray(scene())
    noisy = np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    files = {codec: (codec, encoded(image, codec)) for codec in SUFFIX}
    files |= {
        "progressive JPEG": ("JPEG", encoded(image, "JPEG", progressive=True)),
        "noisy JPEG": ("JPEG", encoded(noisy, "JPEG", quality=95)),
        "noisy PNG": ("PNG", encoded(noisy, "PNG")),
        "palette PNG": ("PNG", encoded(image.quantize(16), "PNG")),
        "lossless WebP": ("WEBP", encoded(noisy, "WEBP", lossless=True)),
        "animated GIF": ("GIF", encoded(image, "GIF", save_all=True, append_images=[image.rotate(90)])),
        "LZW TIFF": ("TIFF", encoded(image, "TIFF", compression="tiff_lzw")),
        "deflate TIFF": ("TIFF", encoded(noisy, "TIFF", compression="tiff_adobe_deflate")),
        "JPEG TIFF": ("TIFF", encoded(image, "TIFF", compression="jpeg")),
        "palette BMP": ("BMP", encoded(image.quantize(16), "BMP")),
    }
    return files


def truncations(points: int = 24) -> Iterator[Case]:
    """Each file cut at many points: refused, or, where only its end mark is missing, the whole picture."""
    for kind, (codec, content) in sound_files().items():
        whole = rgb(Image.open(io.BytesIO(content)))
        cuts = {round(i * len(content) / points) for i in range(1, points)}
        cuts |= {2, 3, 4, 8, 12, 16, 26, len(content) - 1, len(content) - 2, len(content) - 12}
        for cut in sorted(cuts):
            name = "cut" + SUFFIX[codec]
            # A decoder may not miss the last bytes of coded data: a block of the picture is wrong then.
            yield Case(f"{kind} cut at {cut} of {len(content)}", name, content[:cut], "either", whole, 1.0)


def bit_flips(flips: int = 16) -> Iterator[Case]:
    """Each file with a few bytes overwritten: some picture or a refusal."""
    generator = np.random.default_rng(3)
    for kind, (codec, content) in sound_files().items():
        for number in range(flips):
            damaged = np.frombuffer(content, np.uint8).copy()
            # Half of them in the headers, where sizes and offsets are.
            top = len(damaged) if number % 2 else min(len(damaged), 200)
            at = generator.integers(0, top, size=int(generator.integers(1, 6)))
            damaged[at] = generator.integers(0, 256, size=len(at))
            yield Case(f"{kind} damaged {number}", "flip" + SUFFIX[codec], damaged.tobytes(), "either")
