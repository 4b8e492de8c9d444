"""Distillation of the teacher into a torchvision ResNet-18, on one GPU or on a few CPU cores.

The student learns three things of every random crop, all read from the teacher's cached maps: the teacher's
probabilities summed over each group of the vocabulary, its 1,000 probabilities (through a second head that
is dropped at the end), and its feature map (through a 1 x 1 adapter, dropped too). The weights that are kept
are an exponential moving average.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from engine.training import checkpoint, mixing, targets
from engine.training.pool import Pool
from engine.training.products import by_products
from engine.training.teacher import CHANNELS, Teacher
from engine.training.vocabulary import IMAGENET_CLASSES, Vocabulary

Tensors = tuple[Tensor, ...] | list[Tensor]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how the student is trained.

    The run ends after `samples` crops or after `minutes` of training, whichever is given; both schedules
    run over that span. phases: (share of the run at which it begins, input side). held_out: photos kept
    for measuring and for the temperature. rest_share: how many of the photos that people bring are expected
    to belong to no named group; the pool may hold more. favour: how many times as often as the others the
    pool's favoured photos are drawn. mixed: the share of crops that are mixed with another one, except in the
    run's last part, `pure`.
    """

    samples: int | None = None
    minutes: float | None = None
    batch: int = 32
    rate: float = 1.5e-3
    warm_up: float = 0.03
    weight_decay: float = 0.05
    average: float = 0.999
    phases: tuple[tuple[float, int], ...] = ((0.0, 64), (0.25, 96), (0.66, 128), (0.93, 160))
    scale: tuple[float, float] = (0.2, 1.0)
    jitter: float = 0.3
    mixed: float = 0.8
    pure: float = 0.15
    classes_weight: float = 0.5
    dense_weight: float = 10.0
    clip: float = 5.0
    held_out: int = 1024
    rest_share: float = 0.08
    favour: float = 3.0
    seed: int = 0

    def rate_at(self, progress: float) -> float:
        """The learning rate at a share of the run: linear warm-up, then half a cosine down to 0."""
        if progress < self.warm_up:
            return self.rate * progress / self.warm_up
        return self.rate * 0.5 * (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up)))

    def size_at(self, progress: float) -> int:
        """The input side at a share of the run."""
        return [size for start, size in self.phases if start <= progress][-1]


class Student(nn.Module):
    """A ResNet-18 with two training-time heads: 1,000 classes, and the teacher's feature map."""

    def __init__(self, groups: int, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.network = torchvision.models.resnet18(num_classes=groups, zero_init_residual=True)
        by_products(self.network.layer4)
        width = self.network.fc.in_features
        self.classes = nn.Linear(width, IMAGENET_CLASSES)
        norm = nn.BatchNorm2d(CHANNELS)
        self.adapter = nn.Sequential(nn.Conv2d(width, CHANNELS, 1, bias=False), norm)
        with torch.no_grad():  # starts at the teacher's statistics, or the dense loss hardly moves
            norm.bias.copy_(mean)
            norm.weight.copy_(deviation / 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, 3, S, S) to logits (N, groups), logits (N, 1000) and features (N, 1280, s, s)."""
        net = self.network
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        pooled = net.avgpool(x).flatten(1)
        return net.fc(pooled), self.classes(pooled), self.adapter(x)


@dataclass(frozen=True)
class Step:
    """What one training step reports."""

    seen: int
    progress: float
    size: int
    losses: dict[str, float] = field(default_factory=dict)


class Distillation:
    """One training run: the student, its average, the optimiser, the random state, and how far it is.

    Two runs of the same recipe give the same weights on the same device, also when one of them was
    stopped, saved and loaded in between (with `samples`; a span in minutes depends on the machine).
    """

    def __init__(
        self, recipe: Recipe, pool: Pool, vocabulary: Vocabulary, teacher: Teacher, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.vocabulary, self.device = recipe, vocabulary, device
        # On a GPU both lie in its memory (4.5 GB for 22,000 photos); on a CPU they stay on the disk.
        self.pixels, self.features = (torch.from_numpy(a).to(device) for a in (pool.pixels, pool.features))
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.seen, self.elapsed = 0, 0.0
        self.head = teacher.classifier.to(device)
        self.table = vocabulary.matrix().to(device)
        order = torch.randperm(len(pool), generator=self.generator)
        held_out = min(recipe.held_out, len(pool) // 4)
        self.held_out, self.train = order[:held_out].sort().values, order[held_out:].sort().values
        pooled, mean, deviation = self._statistics()
        self.deviation = deviation.to(device).clamp_min(1e-3)
        favoured = self.train >= len(pool) - pool.favoured
        self.favoured = int(favoured.sum())
        self.chances, self.shares = self._chances(pooled[self.train], favoured)
        self.student = Student(len(vocabulary), mean, deviation)
        self.student.to(device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.student.network, multi_avg_fn=self._average, use_buffers=True)
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0}],
            lr=recipe.rate,
            fused=True,
        )

    def _average(self, averages: Tensors, current: Tensors, count: Tensor | int) -> None:
        """Move the average towards the current weights, faster at first so that the random start is forgotten."""
        if averages[0].is_floating_point():  # they come sorted by type
            decay = min(self.recipe.average, (1 + int(count)) / (10 + int(count)))
            torch._foreach_lerp_(averages, current, 1 - decay)
        else:  # BatchNorm's counters
            torch._foreach_copy_(averages, current)

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0..1."""
        if self.recipe.samples is not None:
            return min(1.0, self.seen / self.recipe.samples)
        return min(1.0, self.elapsed / 60 / (self.recipe.minutes or 1.0))

    def steps(self) -> Iterator[Step]:
        """Train to the end, one report a step. The run can be saved between two steps."""
        while self.progress < 1:
            started = time.monotonic()
            step = self._step()
            self.elapsed += time.monotonic() - started
            yield step

    def _step(self) -> Step:
        recipe, progress = self.recipe, self.progress
        size = recipe.size_at(progress)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate_at(progress)
        drawn = torch.multinomial(self.chances, recipe.batch, replacement=True, generator=self.generator)
        images, features, boxes = self._batch(self.train[drawn], size)
        with torch.no_grad():
            classes = self.head(targets.pooled_targets(features, boxes)).softmax(1)
            dense = targets.dense_targets(features, boxes, size).permute(0, 3, 1, 2)
        if progress < 1 - recipe.pure:
            shares = mixing.shares(recipe.batch, dense.shape[-1], recipe.mixed, self.generator).to(self.device)
            images = mixing.mixed_images(images, shares)
            dense, classes = mixing.mixed(dense, shares), mixing.mixed(classes, shares.mean((2, 3)))
        self.student.train()
        with autocast(self.device):
            groups_logits, class_logits, map_ = self.student(images)
        losses = {
            "groups": F.cross_entropy(groups_logits.float(), classes @ self.table),
            "classes": F.cross_entropy(class_logits.float(), classes),
            "dense": (((map_.float() - dense) / self.deviation[:, None, None]) ** 2).mean(),
        }
        total = losses["groups"] + recipe.classes_weight * losses["classes"]
        total = total + recipe.dense_weight * losses["dense"]
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), recipe.clip)
        self.optimiser.step()
        self.average.update_parameters(self.student.network)
        self.seen += recipe.batch
        return Step(self.seen, progress, size, {name: loss.item() for name, loss in losses.items()})

    def _batch(self, indices: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        recipe, count = self.recipe, len(indices)
        boxes = targets.random_boxes(count, recipe.scale, self.generator)
        light = mixing.random_light(count, recipe.jitter, self.generator)
        boxes = boxes.to(self.device)
        pixels, features = self._photos(indices)
        images = mixing.relit(targets.crop(pixels, boxes, size) / 255, *(part.to(self.device) for part in light))
        return standardise(images), features, boxes

    def _photos(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 3, side, side) in 0..255 and the teacher's maps (N, 7, 7, 1280), float32."""
        chosen = indices.to(self.device)
        return self.pixels[chosen].permute(0, 3, 1, 2).float().contiguous(), self.features[chosen].float()

    def _statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's pooled features of every photo, and the mean and deviation of each channel."""
        parts = [
            (part.mean((1, 2)), part.square().mean((1, 2))) for part in map(Tensor.float, self.features.split(512))
        ]
        pooled, squares = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
        mean = pooled.mean(0)
        return pooled, mean, (squares.mean(0) - mean**2).clamp_min(0).sqrt()

    def _chances(self, pooled: Tensor, favoured: Tensor) -> tuple[Tensor, Tensor]:
        """How often each photo is drawn, and the share of each group among what is drawn.

        The groups come about equally often, whatever the pool's mix.
        """
        with torch.no_grad():
            answers = self.head.cpu()(pooled).softmax(1) @ self.table.cpu()
        self.head.to(self.device)
        correction = (1 / len(self.vocabulary) / answers.mean(0).clamp_min(1e-6)).clamp(0.2, 5)
        chances = answers @ correction * (1 + (self.recipe.favour - 1) * favoured)
        return chances, (chances / chances.sum()) @ answers

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Begin with a trained network's weights instead of random ones; the training-time heads stay random.

        Raises RuntimeError where they belong to another network or vocabulary.
        """
        for network in (self.student.network, self.average.module):
            network.load_state_dict({name: tensor.to(self.device) for name, tensor in weights.items()})

    def state(self) -> dict[str, Any]:
        """Everything a later run needs to go on from here."""
        return {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "seen": self.seen,
            "elapsed": self.elapsed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state."""
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())
        self.seen, self.elapsed = int(state["seen"]), float(state["elapsed"])

    def save(self, path: Path) -> None:
        """Write the state to a file, all of it or nothing."""
        checkpoint.save(self.state(), path)

    def finished(self) -> nn.Module:
        """A copy of the averaged network as it is shipped: in float16's precision, the rest as likely as expected.

        The group for the rest is moved from its share in training to `rest_share` by Bayes' rule (Saerens 2002).
        """
        network = cast(torchvision.models.ResNet, copy.deepcopy(self.average.module)).eval()
        rest = self.vocabulary.rest
        with torch.no_grad():
            if rest is not None:
                network.fc.bias[rest] += math.log(self.recipe.rest_share / self.shares[rest].item())
            for tensor in network.state_dict().values():
                if tensor.is_floating_point():
                    tensor.copy_(tensor.half())
        return network

    @torch.inference_mode()
    def held_out_logits(self, network: nn.Module, size: int) -> tuple[Tensor, Tensor]:
        """A network's logits and the teacher's group probabilities on the held-out photos, both (N, groups)."""
        logits, wanted = [], []
        for part in self.held_out.split(64):
            pixels, features = self._photos(part)
            whole = torch.tensor([0.0, 0.0, 1.0, 1.0], device=self.device).expand(len(part), 4)
            with autocast(self.device):
                logits.append(network(standardise(targets.crop(pixels, whole, size) / 255)).float())
            wanted.append(self.head(features.mean((1, 2))).softmax(1) @ self.table)
        return torch.cat(logits).cpu(), torch.cat(wanted).cpu()


def standardise(images: Tensor) -> Tensor:
    """Bring images (N, 3, H, W) in 0..1 to the student's range, channels last."""
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the device has instructions for it, else in float32."""
    fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)
