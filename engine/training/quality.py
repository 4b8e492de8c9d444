"""`expectancy train quality`: the whole recipe of both quality networks, from photos and opinions to weights.

1. TID2013's pictures are made again from the Kodak photos; thousands of other photos are distorted alike.
2. The full-reference network learns the opinion scores of 19 references and, on the other photos, the mean
   opinion of each type and level.
3. It then labels every patch that the no-reference network sees in training, of thousands of contents.
4. The no-reference network's heads learn once more, with what the patches of a whole photo have in common.

Whatever is finished in the working folder is not done again: the command can be stopped and called again.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from engine.errors import DataError, WeightsError
from engine.models.quality_networks import Kind, PatchQualityNetwork
from engine.quality import load
from engine.training.quality_context import ContextRecipe, look, set_in_context
from engine.training.quality_data import (
    REFERENCES,
    TEST_REFERENCES,
    Opinions,
    contents,
    kodak_variants,
    read_opinions,
    typical_opinions,
)
from engine.training.quality_export import export
from engine.training.quality_loop import Labelled, Recipe, Source, train

RECIPES: dict[Kind, Recipe] = {
    "full-reference": Recipe("full-reference", steps=9000, pictures=16, patches=8, pristine=0.06, naming=0.1),
    # Much damage cannot be seen without the reference (a shifted mean, say). What looks intact must more often be
    # so than not, or the median that the loss seeks lies far below 1.
    "no-reference": Recipe(
        "no-reference", steps=25000, pictures=32, patches=4, pristine=0.3, patchwise=0.5, naming=0.5
    ),
}

CONTEXT = ContextRecipe()
LOOKED_AT = (48, 8)
"""Patches that the context sees of a Kodak photo, 384 x 512 pixels, and of another one, 128 x 128."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = __doc__
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EXPECTANCY_DATA", "../shared/data")),
                        help="folder with tid2013/mos.csv, kodak/, and photos in osie/, val/ and pool/")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="where the weights and cards are written")
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="pictures made, checkpoints")
    parser.add_argument("--minutes", type=float, help="stop each network after this long; call again to go on")
    parser.add_argument("--steps", type=int, help="training steps of each network, in place of the recipe's")
    parser.add_argument("--contents", type=int, default=5000, help="other photos besides Kodak's")
    parser.add_argument("--only", choices=tuple(RECIPES), help="train one of the two networks")
    parser.add_argument("--seed", type=int, default=1, help="seed of all randomness")
    parser.add_argument("--device", help="cuda or cpu; the better one by default")


def run(args: argparse.Namespace) -> None:
    """Train both networks and write them.

    Raises DataError where photos or opinions are missing, or where the no-reference network is to be trained
    before there is a full-reference one to label its photos.
    """
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    opinions = read_opinions(args.data / "tid2013" / "mos.csv")
    kodak = _kodak(args.data / "kodak", args.work, opinions)
    others = contents(args.data, args.work, args.contents, args.seed, _progress)
    few, many = kodak, Labelled.of_contents(others, typical_opinions(opinions)[others.variants])
    if args.only != "no-reference":
        network = _train("full-reference", [few, many], args, device)
        _export(network, args, _sentences("full-reference", args))
    if args.only != "full-reference":
        teacher = _teacher(args.out, device)
        # 19 contents are soon known by heart
        network = _train("no-reference", [many, many, many, few], args, device, teacher)
        network = _in_context(network, few, many, teacher, args)
        _export(network, args, [*_sentences("no-reference", args), *_context_sentences(args)])


def _kodak(folder: Path, work: Path, opinions: Opinions) -> Labelled:
    """The training references with their opinion scores; a pristine picture counts 1."""
    numbers = [number for number in REFERENCES if number not in TEST_REFERENCES]
    pictures = []
    for place, number in enumerate(numbers):
        pictures.append(kodak_variants(folder, work, number))
        _progress("TID2013 from Kodak", (place + 1) / len(numbers))
    kinds = np.concatenate([[0], np.repeat(np.arange(1, 25), 5)])
    levels = np.concatenate([[0], np.tile(np.arange(1, 6), 24)])
    labels = np.ones((len(numbers), len(kinds)), np.float32)
    for row, number in enumerate(numbers):
        for column, (kind, level) in enumerate(zip(kinds, levels, strict=True)):
            if kind:
                labels[row, column] = opinions[number, int(kind), int(level)]
    return Labelled(pictures, labels, np.tile(kinds, (len(numbers), 1)))


def _train(
    kind: Kind,
    sources: Sequence[Source],
    args: argparse.Namespace,
    device: torch.device,
    teacher: PatchQualityNetwork | None = None,
) -> PatchQualityNetwork:
    recipe = _recipe(kind, args)
    report = _reporter(kind, recipe.steps)
    return train(recipe, sources, args.work / f"{kind}.checkpoint.safetensors", report, device, args.minutes, teacher)


def _recipe(kind: Kind, args: argparse.Namespace) -> Recipe:
    return replace(RECIPES[kind], seed=args.seed, steps=args.steps or RECIPES[kind].steps)


def _context_recipe(args: argparse.Namespace) -> ContextRecipe:
    return replace(CONTEXT, seed=args.seed, steps=args.steps or CONTEXT.steps)


def _in_context(
    network: PatchQualityNetwork, few: Labelled, many: Labelled, teacher: PatchQualityNetwork, args: argparse.Namespace
) -> PatchQualityNetwork:
    """The second stage; on the processor, which is fast enough for it."""
    seen = []
    for source, name, count, judge in zip((few, many), ("kodak", "contents"), LOOKED_AT, (None, teacher), strict=True):
        path, told = args.work / f"seen-{name}.npz", partial(_progress, f"patches of {name}")
        seen.append(look(network, source, count, args.seed, path, told, judge))
    recipe = _context_recipe(args)
    return set_in_context(network.cpu(), (seen[0], seen[1]), recipe, _reporter("context", recipe.steps))


def _export(network: PatchQualityNetwork, args: argparse.Namespace, training: Sequence[str]) -> None:
    path = export(network, args.out, training, {})
    print(f"written: {path}; measure it with `expectancy evaluate quality`", file=sys.stderr)


def _sentences(kind: Kind, args: argparse.Namespace) -> list[str]:
    recipe = _recipe(kind, args)
    seen = recipe.steps * recipe.pictures * recipe.patches
    return [
        f"{seen:,} patches of 32 x 32 pixels, {recipe.pictures} pictures of {recipe.patches} patches a step, AdamW.",
        "TID2013's distortions made again from 19 Kodak photos, labelled with the opinion scores; "
        f"references {', '.join(map(str, TEST_REFERENCES))} were kept for testing.",
        f"{args.contents:,} other photos, five distortions each, labelled "
        + ("by the mean opinion of type and level." if kind == "full-reference" else "by the full-reference network."),
    ]


def _context_sentences(args: argparse.Namespace) -> list[str]:
    recipe = _context_recipe(args)
    return [
        f"Then {recipe.steps:,} steps of {recipe.pictures} pictures for the heads and their context alone, "
        f"{recipe.few:.0%} of them Kodak's; the features stayed as they were.",
    ]


def _teacher(folder: Path, device: torch.device) -> PatchQualityNetwork:
    try:
        return load("full-reference", device, folder).module
    except WeightsError as error:
        raise DataError("Train the full-reference network first: the other one learns from it.") from error


def _progress(what: str, share: float) -> None:
    print(f"\r{what}: {share:.0%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


def _reporter(what: str, steps: int) -> Callable[[int, float], None]:
    """A line every 100 steps: the mean loss since the last one, and the time."""
    began, losses = time.monotonic(), []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0 or step == steps:
            minutes = (time.monotonic() - began) / 60
            print(f"{what} {step}/{steps} loss {np.mean(losses):.4f} {minutes:.1f} min", file=sys.stderr)
            losses.clear()

    return report
