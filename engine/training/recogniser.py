"""`expectancy train recogniser`: the whole recipe, from photos and a teacher to weights and their card."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine import memory
from engine.errors import DataError
from engine.training import checkpoint
from engine.training.distil import Distillation, Recipe, Step
from engine.training.export import cross_entropy, export, fit_temperature
from engine.training.pool import build_pool
from engine.training.teacher import load_teacher
from engine.training.vocabulary import load_vocabulary

SIZES = (128, 160, 192, 224)
_COLUMNS = (
    "samples", "minutes", "size", "rate", "groups", "classes", "dense", "agreement", "agreement_top3", "held_out_loss",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    default = Recipe()
    parser.description = __doc__
    parser.add_argument("--teacher", type=Path, required=True, help="MobileNetV2 weights, safetensors")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="zip files or folders of photos")
    parser.add_argument("--favour", type=Path, nargs="+", default=(), help="more photos, drawn three times as often")
    parser.add_argument("--start", type=Path, metavar="FILE", help="go on from these weights (safetensors)")
    parser.add_argument("--vocabulary", type=Path, required=True, help="CSV of groups and ImageNet indices")
    parser.add_argument("--out", type=Path, required=True, help="OUT.safetensors and OUT.json are written")
    parser.add_argument("--work", type=Path, default=Path("build/recogniser"), help="caches, checkpoints, log")
    span = parser.add_mutually_exclusive_group(required=True)
    span.add_argument("--samples", type=int, help="train on this many random crops")
    span.add_argument("--minutes", type=float, help="train for this long")
    parser.add_argument("--phases", nargs="+", metavar="SHARE:SIZE", help="input sides, e.g. 0:96 0.3:128 0.8:160")
    parser.add_argument("--size", type=int, choices=SIZES, default=160, help="the network's default input side")
    parser.add_argument("--batch", type=int, default=default.batch, help="crops per step")
    parser.add_argument("--rate", type=float, default=default.rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of all randomness")
    parser.add_argument("--device", help="cuda or cpu; the better one by default")
    parser.add_argument("--threads", type=int, help="CPU threads; 1 is fastest where others use the cores too")
    parser.add_argument("--side", type=int, default=160, help="side at which the photos are kept")
    parser.add_argument("--every", type=float, default=3.0, help="minutes between measurements and checkpoints")


def run(args: argparse.Namespace) -> None:
    """Train, or go on from the checkpoint in the working folder.

    Raises DataError or WeightsError where photos, vocabulary, teacher or checkpoint cannot be used.
    """
    memory.keep()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    recipe = _recipe(args)
    vocabulary = load_vocabulary(args.vocabulary)
    folder, told = args.work / "pool", _progress("photos")
    pool = build_pool(args.images, args.teacher, folder, args.side, device, told, args.favour)
    distillation = Distillation(recipe, pool, vocabulary, load_teacher(args.teacher), device)
    saved = args.work / "checkpoint.safetensors"
    if saved.is_file():
        state = checkpoint.load(saved, device)
        try:
            distillation.restore(state)
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{saved} belongs to another recipe: delete it or choose another --work.") from error
        print(f"going on after {distillation.seen} samples", file=sys.stderr)
    elif args.start:
        _start(distillation, args.start)
    began, already, measured = time.monotonic(), distillation.seen, time.monotonic()
    for step in distillation.steps():
        _report(step, distillation, (step.seen - already) / (time.monotonic() - began))
        if time.monotonic() - measured > args.every * 60:
            _measure(distillation, args, step)
            distillation.save(saved)
            measured = time.monotonic()
    distillation.save(saved)
    _measure(distillation, args, None)


def _start(distillation: Distillation, path: Path) -> None:
    try:
        distillation.start_from(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    except RuntimeError as error:
        raise DataError(f"{path} holds another network or another vocabulary's answers.") from error


def _recipe(args: argparse.Namespace) -> Recipe:
    phases = Recipe().phases
    if args.phases:
        try:
            pairs = [word.split(":") for word in args.phases]
            phases = tuple((float(share), int(size)) for share, size in pairs)
        except ValueError as error:
            raise DataError("--phases takes pairs like 0:96 0.3:128: a share of the run and an input side.") from error
        if phases[0][0] != 0 or list(phases) != sorted(phases):
            raise DataError("--phases must begin at share 0 and be in order.")
    return Recipe(
        samples=args.samples, minutes=args.minutes, batch=args.batch, rate=args.rate, phases=phases, seed=args.seed
    )


def _measure(distillation: Distillation, args: argparse.Namespace, step: Step | None) -> None:
    """Measure on the held-out photos, add a row to the log, and write the network as it is now."""
    network = distillation.finished()
    logits, wanted = distillation.held_out_logits(network, args.size)
    temperature = fit_temperature(logits, wanted)
    best = wanted.argmax(1, keepdim=True)
    ranked = logits.topk(min(3, logits.shape[1])).indices == best
    agreement, agreement_top3 = ranked[:, 0].float().mean().item(), ranked.any(1).float().mean().item()
    loss = cross_entropy(logits, wanted, temperature)
    log = args.work / "log.csv"
    fresh = not log.is_file()
    with log.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(_COLUMNS)
        minutes = round(distillation.elapsed / 60, 2)
        if step is not None:
            rate = distillation.recipe.rate_at(step.progress)
            losses = [round(step.losses[k], 4) for k in ("groups", "classes", "dense")]
            row = [step.seen, minutes, step.size, f"{rate:.3g}", *losses]
        else:
            row = [distillation.seen, minutes, "", "", "", "", ""]
        writer.writerow([*row, round(agreement, 4), round(agreement_top3, 4), round(loss, 4)])
    export(
        network,
        distillation.vocabulary,
        args.out,
        temperature=temperature,
        size=args.size,
        sizes=SIZES,
        training=_sentences(distillation, args.start),
        measured={"held_out_agreement": {"photos": len(wanted), "size": args.size, "top1": round(agreement, 4),
                                         "top3": round(agreement_top3, 4)}},
    )  # fmt: skip


def _sentences(distillation: Distillation, start: Path | None) -> list[str]:
    recipe, vocabulary = distillation.recipe, distillation.vocabulary
    phases = ", ".join(f"{size} px from {share:.0%}" for share, size in recipe.phases)
    earlier: list[str] = []
    began = "from scratch"
    if start is not None:
        card = start.with_suffix(".json")
        earlier = json.loads(card.read_text("utf-8"))["training"] if card.is_file() else []
        began = "on, from earlier weights,"
    favoured = f", {distillation.favoured} of them drawn {recipe.favour:g} times as often" * (distillation.favoured > 0)
    return [
        *earlier,
        f"Trained {began} on {len(distillation.train)} unlabelled photos of about 160 px{favoured}, by distillation "
        "from MobileNetV2 1.0/224.",
        f"{distillation.seen} random crops seen ({distillation.progress:.0%} of the schedule), input sides {phases}.",
        f"{len(vocabulary)} answers; the named ones stand for {len(vocabulary.named)} of the 1,000 ImageNet classes.",
        f"{recipe.mixed:.0%} of the crops mixed with another one (mixup, CutMix) until the last {recipe.pure:.0%}.",
        f"AdamW at {recipe.rate:g}, batch {recipe.batch}, half a cosine, averaged weights, seed {recipe.seed}.",
    ]


def _report(step: Step, distillation: Distillation, rate: float) -> None:
    """Rewrite the progress line: share, samples, size, losses, rate, time left."""
    recipe = distillation.recipe
    if recipe.samples is not None:
        left = (recipe.samples - step.seen) / rate / 60
    else:
        left = (recipe.minutes or 0) - distillation.elapsed / 60
    losses = "  ".join(f"{name} {loss:.3f}" for name, loss in step.losses.items())
    print(
        f"\r{step.progress:6.1%}  {step.seen} samples  {step.size} px  {losses}  {rate:.0f}/s  {left:.0f} min left ",
        end="", file=sys.stderr, flush=True,
    )  # fmt: skip


def _progress(what: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        print(f"\r{done} of {total} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def main() -> None:
    """Run the command by itself."""
    parser = argparse.ArgumentParser()
    configure(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
