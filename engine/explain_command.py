"""`expectancy explain IMAGE`: the maps of one photo as files."""

import argparse
from pathlib import Path

from engine import METHODS, Engine, Trace
from engine.errors import QuestionError
from engine.export import contents, sheets, write
from engine.images import decode

DEFAULT = "gradcam,contrast,contrastive-saliency"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a JPEG, PNG, WebP, BMP, GIF or TIFF file")
    parser.add_argument("--model", default="embedded", help="a name that `expectancy models` lists")
    parser.add_argument("--weights", default="default", help="default, random, or a .safetensors file")
    parser.add_argument("--layer", help="a layer's name (each method's own)")
    parser.add_argument("--fact", help="P: a class's index or name (the network's answer)")
    parser.add_argument("--foil", help="Q: a class's index or name (the runner-up)")
    parser.add_argument(
        "--methods", default=DEFAULT, help=f"ids with commas, of {', '.join(m.id for m in METHODS)}; or all"
    )
    parser.add_argument("--size", type=int, help="side of the network's square input in pixels")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the results are written")


def run(args: argparse.Namespace) -> None:
    """Write overlays, maps.npz and manifest.json; print the answer."""
    engine = Engine()
    photo = decode(args.image)
    trace = engine.trace(engine.load(args.model, args.weights), photo, args.size)
    fact, foil = find_class(trace, args.fact), find_class(trace, args.foil)
    names = [m.id for m in METHODS] if args.methods == "all" else [name.strip() for name in args.methods.split(",")]
    maps = [engine.explain(trace, name, args.layer, fact, foil) for name in dict.fromkeys(names)]
    write(contents(photo, sheets(trace, maps), trace), args.out)
    for _, name, probability in trace.answer.top(5):
        print(f"{probability:6.1%}  {name}")
    print(f"{len(maps)} maps, maps.npz and manifest.json are in {args.out}")


def find_class(trace: Trace, words: str | None) -> int | None:
    """A class by index or by name (any part that only one class has); raises QuestionError."""
    if words is None or words.isdecimal():
        return None if words is None else int(words)
    wanted = words.casefold()
    names = [name.casefold() for name in trace.answer.names]
    if wanted in names:
        return names.index(wanted)
    matches = [index for index, name in enumerate(names) if wanted in name]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise QuestionError(f"This network knows no class “{words}”; give its index or another word.")
    some = ", ".join(trace.answer.names[index] for index in matches[:5])
    raise QuestionError(f"“{words}” could be {len(matches)} classes ({some}, …); give the whole name or the index.")
