"""`expectancy evaluate saliency`: maps scored against human fixations over a whole data set."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.errors import DataError, QuestionError
from engine.evaluation import downloads
from engine.evaluation.datasets import LAYOUTS, DataSet, open_data
from engine.evaluation.runner import Journal, Prepare, Progress
from engine.evaluation.runner import run as run_all
from engine.evaluation.saliency_work import DEFAULT, PRINCIPAL, OwnMaps, Preparation, Settings
from engine.evaluation.summary import PhotoScores, as_csv, as_json, as_text, summarise
from engine.methods import METHODS
from engine.models.weights import write_atomically

SCHEMA = 1
JOURNAL = ".journal.jsonl"
STEP = 2.0  # seconds between two lines of progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    usual = Settings()
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument(
        "--download", choices=list(downloads.PARTS), help="first fetch this data set into DIR, where it is not there"
    )
    parser.add_argument("--format", choices=[one.id for one in LAYOUTS], help="its layout (found by itself)")
    parser.add_argument("--models", default=",".join(usual.models), help="networks, with commas")
    parser.add_argument("--weights", default=usual.weights, help="default, random, or a .safetensors file")
    parser.add_argument(
        "--methods",
        default=",".join(usual.methods),
        help="ids with commas, options after colons (contrastive-saliency:activation=no); all are all of them; "
        f"known are {', '.join(m.id for m in METHODS)}",
    )
    parser.add_argument(
        "--layers", default=DEFAULT, help=f"{DEFAULT}, {PRINCIPAL}, or names with commas; A+B averages two layers"
    )
    parser.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="score maps of another model too, files named as their photos; NAME@15=DIR for those of photos blurred "
        "by 15 pixels (may be repeated)",
    )
    parser.add_argument("--size", type=int, help="side of the network's square input in pixels")
    parser.add_argument("--blur", default="0", help="radii of Gaussian blur in the photo's pixels, with commas")
    parser.add_argument("--smooth", default="0", help="blur of the maps in degrees of visual angle, with commas")
    parser.add_argument("--photos", metavar="FIRST-LAST", help="only these photos, counted from 1 (101-200)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N of the photos")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write means, intervals, drops and settings")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write every photo's scores")
    parser.add_argument("--maps", type=Path, metavar="DIR", help="write every photo's maps (.npz)")
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (one for each CPU; 0: none)")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="use Ray: here, or the cluster at an address"
    )


def run(args: argparse.Namespace) -> None:
    """Score, resuming where an earlier run stopped; print the table and write what was asked for."""
    tell = reporter(sys.stderr.isatty())
    if args.download is not None:
        downloads.get(args.download, args.data, tell)
    data = open_data(args.data, args.format)
    photos = chosen(data, args.photos, args.limit)
    asked = settings(args)
    preparation = Preparation(data, asked, args.maps, own_maps(args.own, data, photos, asked))
    jobs = args.jobs if args.jobs is not None else 0 if args.ray is not None else os.cpu_count() or 1
    if jobs < 0:
        raise QuestionError(f"The number of jobs cannot be {jobs}; give 1 or more.")
    work = preparation()
    identity = work.identity()
    # Workers load networks for themselves; this process has them already.
    prepare: Prepare = preparation if jobs or args.ray is not None else lambda: work
    options = {"jobs": jobs, "ray": args.ray, "progress": tell}
    out = args.json or args.csv
    if out is None:
        results = run_all(prepare, photos, **options)
    else:
        with Journal(out.with_name(out.name + JOURNAL), {"schema": SCHEMA, **identity}) as journal:
            results = run_all(prepare, photos, journal=journal, **options)
    report(data, identity, results, args.json, args.csv)


def settings(args: argparse.Namespace) -> Settings:
    """The settings that the options mean. Raises QuestionError for what is no number."""
    every = [m.id for m in METHODS]
    methods = dict.fromkeys(one for word in _words(args.methods) for one in (every if word == "all" else [word]))
    return Settings(
        tuple(_words(args.models)),
        tuple(methods),
        tuple(_words(args.layers)),
        _numbers(args.blur, "blur"),
        _numbers(args.smooth, "smooth"),
        args.size,
        args.weights,
    )


def own_maps(given: Sequence[str], data: DataSet, photos: Sequence[str], asked: Settings) -> tuple[OwnMaps, ...]:
    """The maps that were brought, checked before anything is computed.

    Raises:
        QuestionError: a name that is not clear, or a radius that is not measured.
        DataError: photos and maps do not pair; the first names that lack a map are told.
    """
    found = tuple(OwnMaps.parse(text, data.names) for text in given)
    for one in found:
        if one.blur not in asked.blur:
            raise QuestionError(f"The maps {one.name} are of photos blurred by {one.blur:g}; add it to --blur.")
        if one.name in asked.models or sum((one.name, one.blur) == (o.name, o.blur) for o in found) > 1:
            raise QuestionError(f"The name {one.name} is given twice; give each map its own name.")
        one.check(photos)
    return found


def chosen(data: DataSet, span: str | None, limit: int | None) -> list[str]:
    """The names of the photos to score; the centre bias is always that of the whole data set."""
    names = list(data.names)
    if span is not None:
        first, _, last = span.partition("-")
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            raise QuestionError(f"The photos {span} are no span; write it as 101-200.")
        names = names[int(first) - 1 : int(last)]
    if limit is not None:
        names = names[: max(0, limit)]
    if not names:
        raise DataError(f"No photo is left: {data.title} has {len(data.names)} photos with fixations.")
    return names


def report(
    data: DataSet, identity: Mapping[str, Any], results: Mapping[str, Any], json_out: Path | None, csv_out: Path | None
) -> None:
    """Print the table; write the files, whole or not at all."""
    failed = {photo: found["error"] for photo, found in results.items() if "error" in found}
    scored: dict[str, PhotoScores] = {photo: found for photo, found in results.items() if photo not in failed}
    if not scored:
        raise DataError(f"No photo could be scored; the first error: {next(iter(failed.values()))}")
    rows = summarise(scored)
    if json_out is not None:
        content = {
            "schema": SCHEMA,
            "data": {"title": data.title, "photos": len(scored), "notes": list(data.notes)},
            "settings": identity,
            "versions": _versions(),
            "errors": failed,
            "rows": as_json(rows),
        }
        _write(json_out, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if csv_out is not None:
        _write(csv_out, as_csv(scored))
    print(as_text(rows))
    print(f"{len(scored)} photos of {data.title}.")
    for photo, error in failed.items():
        print(f"{photo}: {error}", file=sys.stderr)


def reporter(terminal: bool) -> Callable[[Progress], None]:
    """Tells progress on stderr: on one line of a terminal, else every few seconds on a new one."""
    last = [0.0]

    def tell(progress: Progress) -> None:
        now = time.monotonic()
        if now - last[0] >= STEP or progress.done == progress.total:
            last[0] = now
            print(progress, file=sys.stderr, end="  \r" if terminal and progress.done < progress.total else "\n")

    return tell


def _words(text: str) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise QuestionError("A list of names is empty; give at least one.")
    return words


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(dict.fromkeys(float(word) for word in _words(text)))
    except ValueError as error:
        raise QuestionError(f"The option --{option} takes numbers with commas, not {text}.") from error
    if not all(0 <= number < 1000 for number in numbers):
        raise QuestionError(f"The option --{option} takes numbers from 0 to 1000.")
    return numbers


def _versions() -> dict[str, str]:
    found = {}
    for name in ("expectancy-explorer", "torch", "torchvision", "numpy", "scipy", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "unknown"
    return found


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.encode("utf-8"))
    except OSError as error:
        raise DataError(f"The file {path.name} cannot be written; is the disk full?") from error
