"""`expectancy quality IMAGE`: how good a photo is, and why it is not better or worse, as files."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from engine import export, quality, render
from engine.errors import QuestionError
from engine.images import Photo, decode

_MAX_SIDE = 8192  # a photo is judged at its own size where memory allows


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the photo to judge")
    parser.add_argument("--reference", type=Path, help="the same photo undistorted, of the same size")
    parser.add_argument("--foils", default="1,0.75,0.5,0.25", help="scores Q to contrast with, with commas")
    parser.add_argument("--stride", type=int, default=8, help="pixels between patches: 4, 8, 16 or 32")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results are written")
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
    files = export.contents(photo, sheets)
    manifest = json.loads(files["manifest.json"]) | _facts(result, network)
    if reference:
        manifest["reference"] = {"digest": reference.digest, "note": reference.note}
    files["manifest.json"] = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    files["row.png"] = render.png(_row(photo, sheets))
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
    s = f"{result.score:.2f}"
    sheets = [
        export.Sheet("scores", result.patch_scores, False, ("score", ""), {"question": "score of each patch"}, 1.0),
        export.Sheet("why", result.map(), True, ("better", "worse"), {"question": f"Why {s}?"}),
    ]
    for foil in foils:
        facts: dict[str, Any] = {
            "question": f"Why {s}, rather than {foil:g}?",
            "foil": foil,
            "for": round(result.balance(foil)[0], 6),
        }
        meaning = (f"keeps it above {foil:g}", f"holds it below {foil:g}")
        sheets.append(export.Sheet(f"foil-{foil:g}", result.sides(foil), True, meaning, facts, result.scale))
    return sheets


def _row(photo: Photo, sheets: list[export.Sheet]) -> render.Pixels:
    """The tutorial's row: the photo, then every map with its legend."""
    first = np.vstack([photo.pixels, np.full((render.LEGEND_HEIGHT, photo.size[0], 3), 255, np.uint8)])
    pictures = [
        render.picture(photo.pixels, sheet.values, signed=sheet.signed, words=sheet.words, top=sheet.top)
        for sheet in sheets
    ]
    return np.hstack([first, *pictures])


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
