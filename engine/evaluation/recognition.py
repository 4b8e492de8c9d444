"""`expectancy evaluate recognition`: how often a network's answers are right on labelled photos, and how sure it is.

Labels are ImageNet indices. An answer of the network is right when the photo's label is one of the indices that
the answer stands for, so any vocabulary can be scored. Photos of the named answers are reported by themselves:
those of "something else" are right when the network says that it knows none of the others.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from engine.archive import read_file
from engine.engine import Engine
from engine.errors import DataError, ModelError
from engine.images import decode, plain_name
from engine.models.model import Model
from engine.training import teacher as teaching
from engine.training.pool import photos

SOMETHING_ELSE = "something else"
BINS = 15
FEWEST = 5
MOST_BYTES = 64 * 2**20
"""Of a file of labels; those of ImageNet's 1.3 million photos take 40 MB."""
_BATCH = 32
_NAME_COLUMNS, _LABEL_COLUMN = ("name", "image", "file"), "class_index"


@dataclass(frozen=True)
class Scores:
    """Shares in 0..1 over `photos` photos; agreement is None where no teacher was asked."""

    photos: int
    top1: float
    top3: float
    top5: float
    ece: float
    agreement: float | None = None


@dataclass(frozen=True)
class ClassScore:
    """One answer: how many photos have it, how many of them got it first, and what they got instead most often."""

    answer: str
    photos: int
    top1: float
    mistaken_for: str


@dataclass(frozen=True)
class Report:
    """Scores at one input size: over all photos, over those of the named answers, over those of the rest."""

    size: int
    overall: Scores
    named: Scores | None
    something_else: Scores | None
    classes: tuple[ClassScore, ...]

    def worst(self, count: int = 5) -> list[ClassScore]:
        """The answers that are missed most often, among those with at least FEWEST photos."""
        enough = [score for score in self.classes if score.photos >= FEWEST]
        return sorted(enough, key=lambda score: score.top1)[:count]


def scores(probabilities: ArrayLike, truth: ArrayLike, teacher: ArrayLike | None = None) -> Scores:
    """Score probabilities (N, C) against true answers (N,); `teacher` (N,) holds the teacher's answers.

    Ties count as the order of the classes puts them. Raises DataError where there is no photo or the shapes differ.
    """
    p, answers = np.asarray(probabilities, float), np.asarray(truth, int)
    if p.ndim != 2 or answers.shape != p.shape[:1] or not len(p):
        raise DataError(f"Scores need (N, C) probabilities and N answers, not {p.shape} and {answers.shape}.")
    order = np.argsort(-p, axis=1, kind="stable")
    hits = order == answers[:, None]
    agreement = None if teacher is None else float((order[:, 0] == np.asarray(teacher, int)).mean())
    top1, top3, top5 = (float(hits[:, :k].any(1).mean()) for k in (1, 3, 5))
    return Scores(len(p), top1, top3, top5, calibration_error(p.max(1), hits[:, 0]), agreement)


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error (Guo 2017, eq. 3): mean gap of confidence and accuracy over equal-width bins.

    confidence: (N,) in 0..1; right: (N,) bool. Each bin counts by its photos; 0 is perfect.
    """
    sure, correct = np.asarray(confidence, float), np.asarray(right, float)
    where = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)  # a bin holds its upper edge
    gaps = np.bincount(where, correct - sure, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def report(
    size: int, probabilities: NDArray[Any], truth: NDArray[Any], classes: Sequence[str], teacher: NDArray[Any] | None
) -> Report:
    """Everything that is reported at one input size; arguments as in `scores`, and the names of the answers."""

    def part(chosen: NDArray[Any]) -> Scores | None:
        if not chosen.any():
            return None
        return scores(probabilities[chosen], truth[chosen], None if teacher is None else teacher[chosen])

    rest = list(classes).index(SOMETHING_ELSE) if SOMETHING_ELSE in classes else -1
    answers = np.asarray(probabilities).argmax(1)
    by_class = []
    for index, name in enumerate(classes):
        given = answers[truth == index]
        if not len(given):
            continue
        wrong = np.bincount(given[given != index], minlength=len(classes))
        mistaken = classes[int(wrong.argmax())] if wrong.any() else ""
        by_class.append(ClassScore(name, len(given), float((given == index).mean()), mistaken))
    overall = scores(probabilities, truth, teacher)
    return Report(size, overall, part(truth != rest), part(truth == rest), tuple(by_class))


def read_labels(path: Path) -> dict[str, int]:
    """Read a CSV with the columns name (or image, or file) and class_index: name to ImageNet index."""
    title = f"The labels {plain_name(path.name)}"
    content = read_file(path, MOST_BYTES, title)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{title} are not a table in UTF-8; save them as CSV.") from error
    named = next((c for c in _NAME_COLUMNS if rows and c in rows[0]), None)
    if named is None or _LABEL_COLUMN not in rows[0]:
        raise DataError(f"{title} need the columns '{_NAME_COLUMNS[0]}' and '{_LABEL_COLUMN}'.")
    try:
        return {row[named]: int(row[_LABEL_COLUMN]) for row in rows}
    except (TypeError, ValueError) as error:
        raise DataError(f"{title} cannot be used: a class_index is not a whole number.") from error


def true_answers(labels: Sequence[int], imagenet: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Which answer each ImageNet label belongs to, (N,); -1 where no answer stands for it."""
    owner = {index: answer for answer, indices in enumerate(imagenet) for index in indices}
    return np.array([owner.get(label, -1) for label in labels], np.int64)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--data", type=Path, required=True, help="zip file or folder of photos")
    parser.add_argument("--labels", type=Path, required=True, help="CSV: name, class_index (ImageNet)")
    parser.add_argument("--model", default="embedded", help="a network as `expectancy models` lists them")
    parser.add_argument("--weights", default="default", help="default, random, or a .safetensors file")
    parser.add_argument("--sizes", type=int, nargs="+", help="input sides; the network's own by default")
    parser.add_argument("--teacher", type=Path, help="MobileNetV2 weights, to report the agreement with it")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")


def run(args: argparse.Namespace) -> None:
    """Score a network on labelled photos and print a table.

    Raises DataError for unusable photos or labels, ModelError where the network's classes have no ImageNet indices.
    """
    model = Engine().load(args.model, weights=args.weights)
    if not model.imagenet:
        raise ModelError(f"{model.title} does not say which ImageNet classes its answers stand for.")
    images, labels = _labelled(args.data, read_labels(args.labels))
    truth = true_answers(labels, model.imagenet)
    if (truth < 0).any():
        raise DataError(f"No answer of {model.title} stands for class {labels[int((truth < 0).argmax())]}.")
    teacher = None
    if args.teacher is not None:
        teacher = _teacher_answers(args.teacher, images, model.imagenet)
    reports = []
    for size in args.sizes or model.sizes:
        reports.append(report(size, predict(model, images, size), truth, model.classes, teacher))
        print(_lines(reports[-1]), flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps([asdict(r) for r in reports], indent=1) + "\n", encoding="utf-8")


def predict(model: Model, images: Sequence[Image.Image], size: int) -> NDArray[np.float32]:
    """The network's probabilities (N, C) at one input side."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.cat([model.prepare(image, size) for image in images[start : start + _BATCH]])
            found.append(model.module(batch).softmax(1).float().cpu())
            _show(start + len(batch), len(images), size)
    return torch.cat(found).numpy()


def _labelled(source: Path, labels: Mapping[str, int]) -> tuple[list[Image.Image], list[int]]:
    pairs = [(decode(read(), name).pil(), labels[name]) for name, read in photos([source]) if name in labels]
    if not pairs:
        raise DataError(f"None of the photos in {source} has a label; the names must agree.")
    if len(pairs) < len(labels):
        print(f"{len(labels) - len(pairs)} of {len(labels)} labelled photos are not in {source}.", file=sys.stderr)
    return [image for image, _ in pairs], [label for _, label in pairs]


def _teacher_answers(path: Path, images: Sequence[Image.Image], imagenet: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The answer (N,) with the largest sum of the teacher's probabilities, the whole photo at 224 x 224."""
    network = teaching.load_teacher(path)
    table = torch.zeros(len(network.classifier.bias), len(imagenet))
    for answer, indices in enumerate(imagenet):
        table[list(indices), answer] = 1
    found: list[Tensor] = []
    with torch.inference_mode():
        for image in images:
            small = image.convert("RGB").resize((teaching.SIZE,) * 2, Image.Resampling.BICUBIC)
            pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
            found.append(network(teaching.normalise(pixels)).softmax(1) @ table)
    return torch.cat(found).argmax(1).numpy()


def _show(done: int, total: int, size: int) -> None:
    print(f"\r{done} of {total} photos at {size} px", end="\r" if done < total else "\n", file=sys.stderr, flush=True)


def _lines(found: Report) -> str:
    return "\n".join([f"Input {found.size} x {found.size}", *_table(found), *_worst(found)])


def _table(found: Report) -> Iterator[str]:
    yield f"{'photos':>26}  top-1  top-3  top-5    ECE  agreement with the teacher"
    parts = (("named answers", found.named), (SOMETHING_ELSE, found.something_else), ("all", found.overall))
    for name, part in parts:
        if part is None:
            continue
        agreement = "" if part.agreement is None else f"{part.agreement:.3f}"
        figures = "  ".join(f"{value:5.3f}" for value in (part.top1, part.top3, part.top5, part.ece))
        yield f"{name:>20} {part.photos:5d}  {figures}  {agreement}".rstrip()


def _worst(found: Report) -> Iterator[str]:
    for score in found.worst():
        instead = f", most often taken for {score.mistaken_for}" if score.mistaken_for else ""
        yield f"  {score.answer}: {score.top1:.2f} of {score.photos}{instead}"
