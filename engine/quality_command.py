"""`expectancy quality IMAGE`: how good a photo is, and why it is not better or worse, as files.

The numbers (maps.npz) are those of the photo at the size at which it was judged; the pictures of a large photo are
smaller, which the manifest tells.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from engine import export, quality, quality_figure, quality_screen, render
from engine.errors import QuestionError
from engine.images import decode

_MAX_SIDE = 8192  # pixels of the longer side up to which a photo is judged at its own size
_PICTURES = 2048  # and up to which it is drawn


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the photo to judge")
    parser.description = __doc__
    parser.add_argument("--reference", type=Path, help="the same photo undistorted, of the same size")
    parser.add_argument("--foils", default="1,0.75,0.5,0.25", help="scores Q from 0 to 1 to contrast with, with commas")
    parser.add_argument("--stride", type=int, default=8, choices=quality.STRIDES, help="pixels between patches")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder for row.png, one picture a question, maps.npz and manifest.json")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the manifest instead of a sentence")


def run(args: argparse.Namespace) -> None:
    """Write photo.png, row.png (the tutorial's figure), one overlay a question, maps.npz and manifest.json."""
    foils = _foils(args.foils)
    photo = decode(args.image, max_side=_MAX_SIDE)
    reference = decode(args.reference, max_side=_MAX_SIDE) if args.reference else None
    network = quality.load("full-reference" if reference else "no-reference")
    result = quality.assess(
        network, photo.pixels, reference.pixels if reference else None, args.stride, None if args.json else _progress
    )
    sheets = _sheets(result, foils)
    drawn = photo if max(photo.size) <= _PICTURES else decode(photo.pil(), photo.name, _PICTURES)
    files = export.contents(drawn, sheets)
    manifest = json.loads(files["manifest.json"]) | _facts(result, network)
    manifest["photo"] = {"digest": photo.digest, "width": photo.size[0], "height": photo.size[1], "note": photo.note}
    manifest["pictures"] = list(drawn.size)
    if reference:
        manifest["reference"] = {"digest": reference.digest, "note": reference.note}
    files["manifest.json"] = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    files["row.png"] = render.png(quality_figure.row(drawn.pixels, result, foils))
    export.write(files, args.out)
    if args.json:
        print(files["manifest.json"].decode())
        return
    print(f"{result.score:.2f} ({quality.words(result.score)}), {result.note}")
    for foil in foils:
        side, other = result.balance(foil)
        print(f"rather than {foil:g}: {side:.0%} of the evidence for {result.score:.2f}, {other:.0%} for {foil:g}")
    print(f"row.png, the maps and manifest.json are in {args.out}")


def _foils(text: str) -> list[float]:
    try:
        foils = [float(word) for word in text.split(",")]
    except ValueError:
        foils = []
    if not foils or not all(0 <= foil <= 1 for foil in foils):
        raise QuestionError(f"--foils takes scores from 0 to 1 with commas between them, not “{text}”.")
    return list(dict.fromkeys(foils))


def _sheets(result: quality.QualityResult, foils: list[float]) -> list[export.Sheet]:
    """The patch scores, why s, and why s rather than each foil, these on one scale."""
    s, covered = f"{result.score:.2f}", quality_screen.extent(result)

    def sheet(name: str, values: Any, signed: bool, words: tuple[str, str], top: float | None, **facts: Any) -> Any:
        return export.Sheet(name, values, signed, words, {**facts, "extent": covered}, top, covered)

    sheets = [
        sheet("scores", result.patch_scores, False, ("score", ""), 1.0, question="score of each patch"),
        sheet("why", result.map(), True, (f"better than {s}", f"worse than {s}"), result.reach, question=f"Why {s}?"),
    ]
    for foil in foils:
        asked = {"question": f"Why {s}, rather than {foil:g}?", "foil": foil, "for": round(result.balance(foil)[0], 6)}
        words = (f"keeps it above {foil:g}", f"holds it below {foil:g}")
        sheets.append(sheet(f"foil-{foil:g}", result.sides(foil), True, words, result.scale, **asked))
    return sheets


def _facts(result: quality.QualityResult, network: quality.QualityNetwork) -> dict[str, Any]:
    return {
        "score": round(result.score, 6),
        "words": quality.words(result.score),
        "kind": result.kind,
        "size": list(result.size),
        "stride": result.stride,
        "note": result.note,
        "weights": network.card["sha256"],
    }


def _progress(share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:.0%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)
