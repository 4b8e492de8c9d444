"""The training loop of the quality networks: pictures as bags of patches, one label a picture."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from engine.models.quality_networks import PATCH, WIDTHS, Kind, PatchQualityNetwork
from engine.training.checkpoint import load, save
from engine.training.quality_data import Contents, Pixels

_SAVE_EVERY = 60.0  # seconds
_LARGEST_GRADIENT = 5.0
_HEADS = 4.0  # how much faster the heads learn than the features
_PRISTINE_ERROR = 1.0  # grey levels; a patch whose mean absolute error is below counts as undamaged


@dataclass(frozen=True)
class Example:
    """A distorted picture, its reference, its label 0..1, and its distortion (0 pristine, 1..24)."""

    distorted: Pixels
    reference: Pixels
    label: float
    kind: int


class Source(Protocol):
    """Where examples are drawn from."""

    def draw(self, rng: Generator, pristine: float) -> Example:
        """One random example; a share ``pristine`` of them undamaged."""


@dataclass(frozen=True)
class Labelled:
    """Pictures in stacks (n, variants, H, W, 3), the first variant pristine, with labels and kinds (n, variants)."""

    pictures: Sequence[NDArray[np.uint8]]
    labels: NDArray[np.floating]
    kinds: NDArray[np.integer]

    @classmethod
    def of_contents(cls, contents: Contents, labels: NDArray[np.floating]) -> "Labelled":
        """Labels (n, 6), one for each picture."""
        pictures = [picture for shard in contents.pictures for picture in shard]
        return cls(pictures, labels, (contents.variants + 4) // 5)

    def draw(self, rng: Generator, pristine: float) -> Example:
        """One random example; slight damage is sometimes made slighter, so that scores reach up to 1 without a gap."""
        index = int(rng.integers(len(self.pictures)))
        stack = self.pictures[index]
        place = 0 if rng.random() < pristine else int(rng.integers(1, len(stack)))
        label, kind = float(self.labels[index, place]), int(self.kinds[index, place])
        distorted, reference = stack[place], stack[0]
        if place and label > 0.5 and rng.random() < 0.15:
            share = rng.uniform(0.1, 0.9)
            error = distorted.astype(np.float32) - reference
            distorted = np.rint(reference + share * error).astype(np.uint8)
            label = 1 - share * (1 - label)
        return Example(distorted, reference, label, kind)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, besides its data."""

    kind: Kind
    steps: int
    seed: int = 0
    widths: tuple[int, ...] = WIDTHS
    pictures: int = 16
    patches: int = 8
    rate: float = 2e-3
    pristine: float = 0.1
    patchwise: float = 0.1  # weight of the loss on single patches
    naming: float = 0.1  # weight of the loss on the distortion's name
    undamaged: float = 0.2  # weight of the loss on patches without error


Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def draw_batch(sources: Sequence[Source], recipe: Recipe, rng: Generator) -> Batch:
    """Patches (B P, 3, 32, 32) uint8 distorted and reference, labels (B,), kinds (B,)."""
    distorted, reference, labels, kinds = [], [], [], []
    for place in range(recipe.pictures):
        example = sources[place % len(sources)].draw(rng, recipe.pristine)
        turn, mirror = int(rng.integers(4)), rng.random() < 0.5
        for _ in range(recipe.patches):
            y = int(rng.integers(0, example.reference.shape[0] - PATCH + 1))
            x = int(rng.integers(0, example.reference.shape[1] - PATCH + 1))
            pair = [p[y : y + PATCH, x : x + PATCH] for p in (example.distorted, example.reference)]
            pair = [np.rot90(p[:, ::-1] if mirror else p, turn) for p in pair]
            distorted.append(pair[0])
            reference.append(pair[1])
        labels.append(example.label)
        kinds.append(example.kind)
    patches = [torch.from_numpy(np.stack(p)).permute(0, 3, 1, 2) for p in (distorted, reference)]
    return patches[0], patches[1], torch.tensor(labels), torch.tensor(kinds)


def loss_of(
    network: PatchQualityNetwork, batch: Batch, recipe: Recipe, teacher: PatchQualityNetwork | None = None
) -> Tensor:
    """Mean absolute error of the weighted mean score, plus the helping losses.

    A full-reference ``teacher`` takes the place of the labels: it knows what each patch is worth, not only what
    the whole picture is.
    """
    distorted, reference, labels, kinds = batch
    distorted, reference = distorted.float(), reference.float()
    answer = network(distorted, reference if recipe.kind == "full-reference" else None)
    scores, weights = (t.view(recipe.pictures, -1) for t in (answer.scores, answer.weights))
    predicted = (scores * weights).sum(1) / weights.sum(1)
    patch_labels, share = labels[:, None], recipe.patchwise
    if teacher is not None:
        with torch.no_grad():
            known = teacher(distorted, reference)
        patch_labels, known_weights = (t.float().view(recipe.pictures, -1) for t in (known.scores, known.weights))
        labels = (patch_labels * known_weights).sum(1) / known_weights.sum(1)
    loss = (predicted - labels).abs().mean() + share * (scores - patch_labels).abs().mean()
    names = F.cross_entropy(answer.distortions, kinds.repeat_interleave(recipe.patches))
    if recipe.kind == "full-reference":
        intact = (distorted - reference).abs().mean((1, 2, 3)) < _PRISTINE_ERROR
        loss = loss + recipe.undamaged * (intact * (answer.scores - 1).abs()).mean()
    return loss + recipe.naming * names


def train(
    recipe: Recipe,
    sources: Sequence[Source],
    checkpoint: Path,
    report: Callable[[int, float], None],
    device: torch.device | None = None,
    minutes: float | None = None,
    teacher: PatchQualityNetwork | None = None,
) -> PatchQualityNetwork:
    """Train, or go on from ``checkpoint``; gives the averaged weights, fused and in evaluation mode.

    ``minutes`` stops early; the checkpoint then holds where it stopped. Learning rate: short warm-up, cosine
    to zero. The same recipe, sources and machine give the same weights, also across an interruption.
    """
    device = device or torch.device("cpu")
    torch.manual_seed(recipe.seed)
    network = (
        PatchQualityNetwork(recipe.kind, recipe.widths, normalised=True)
        .to(device)
        .to(memory_format=torch.channels_last)
    )
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    optimiser = _optimiser(network, recipe)
    step = _restore(checkpoint, recipe, network, average, optimiser)
    begin = saved = time.monotonic()
    network.train()
    while step < recipe.steps and (minutes is None or time.monotonic() - begin < 60 * minutes):
        batch = tuple(t.to(device) for t in draw_batch(sources, recipe, np.random.default_rng([recipe.seed, step])))
        share = step / recipe.steps
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * min(1.0, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * share))
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss = loss_of(network, batch, recipe, teacher)  # type: ignore[arg-type]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimiser.step()
        average.update_parameters(network)
        step += 1
        report(step, float(loss.detach()))
        if time.monotonic() - saved > _SAVE_EVERY:
            _store(checkpoint, recipe, step, network, average, optimiser)
            saved = time.monotonic()
    _store(checkpoint, recipe, step, network, average, optimiser)
    network.load_state_dict(average.module.state_dict())
    return network.eval().fused()


def _optimiser(network: PatchQualityNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; the heads learn faster, for they read mean activations, which are small."""
    features = list(network.features.parameters())
    heads = [*network.score.parameters(), *network.weight.parameters(), *network.distortion.parameters()]
    groups = [
        {"params": features, "initial_lr": recipe.rate},
        {"params": heads, "initial_lr": _HEADS * recipe.rate},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=1e-3)


def _store(path: Path, recipe: Recipe, step: int, *parts: Any) -> None:
    save({"recipe": repr(recipe), "step": step, "parts": [p.state_dict() for p in parts]}, path)


def _restore(path: Path, recipe: Recipe, *parts: Any) -> int:
    """The step to go on from; a checkpoint of another recipe is not used."""
    if not path.exists():
        return 0
    state = load(path)
    if not isinstance(state, dict) or state.get("recipe") != repr(recipe):
        return 0
    for part, saved in zip(parts, state["parts"], strict=True):
        part.load_state_dict(saved)
    return int(state["step"])
