"""Quality maps against the published way, which takes a window at a time and asks each question anew."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine import quality
from engine.distortions import distort
from engine.models.quality_networks import PATCH, PatchQualityNetwork
from tests.benchmarks.harness import Ratio, Row, at_most, faster, paired, ratio, seconds

SIZE, STRIDE = (384, 512), 4
QUESTIONS = 1 + len(quality.FOILS)
"""The tutorial's row: why s, and why s rather than each of four Q."""
SAMPLE = 50  # every 50th window is timed; the windows are alike
BATCH = 32  # patches

Pixels = NDArray[np.uint8]


def rows(rounds: int) -> Iterator[Row]:
    """Seeded random weights: what is computed does not depend on them."""
    torch.manual_seed(0)
    network = quality.wrap(PatchQualityNetwork("full-reference"), device="cpu")
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    pictures = distort(reference, "jpeg", 4), reference
    one = against_windows(network, pictures, rounds)
    every = paired([(ours, QUESTIONS * theirs) for ours, theirs in one])
    published = "a window at a time, two passes each"
    what = f"quality map, {SIZE[1]} x {SIZE[0]}, stride {STRIDE}"
    yield faster(f"{what}: the tutorial's {QUESTIONS} questions", published, every, 100)
    yield faster(f"{what}: one question alone", published, paired(one), 100)
    yield at_most(
        "new Q on a quality map", f"one forward pass of {BATCH} patches", new_q(network, pictures, rounds), 0.02
    )


def against_windows(
    network: quality.QualityNetwork, pictures: tuple[Pixels, Pixels], rounds: int
) -> list[tuple[float, float]]:
    """Seconds of the whole map, and of one question asked window by window, in turn."""
    module = copy.deepcopy(network.module).requires_grad_(True)  # the published way expects an ordinary network
    places = [(y, x) for y in range(0, SIZE[0] - PATCH + 1, STRIDE) for x in range(0, SIZE[1] - PATCH + 1, STRIDE)]
    chosen = places[::SAMPLE]

    def ours() -> object:
        return quality.assess(network, *pictures, stride=STRIDE).map(0.75)

    def theirs() -> object:
        return published(module, pictures, chosen, 0.75)

    ours(), theirs()
    return [(seconds(ours), seconds(theirs) * len(places) / len(chosen)) for _ in range(rounds)]


def published(
    module: PatchQualityNetwork, pictures: tuple[Pixels, Pixels], places: list[tuple[int, int]], foil: float
) -> torch.Tensor:
    """Grad-CAM of (s - Q)^2 of every window by itself, enlarged and laid over one another (H, W)."""
    total = torch.zeros(SIZE)
    for y, x in places:
        window = [
            torch.from_numpy(p[y : y + PATCH, x : x + PATCH].copy()).permute(2, 0, 1)[None].float() for p in pictures
        ]
        module.zero_grad()
        answer = module(*window)
        answer.activations.retain_grad()
        ((answer.scores[0] - foil) ** 2).backward()
        gradient = answer.activations.grad
        assert gradient is not None
        found = torch.relu((gradient.mean((2, 3), keepdim=True) * answer.activations).sum(1, keepdim=True)).detach()
        total[y : y + PATCH, x : x + PATCH] += nn.functional.interpolate(found, (PATCH, PATCH), mode="bilinear")[0, 0]
    return total


def new_q(network: quality.QualityNetwork, pictures: tuple[Pixels, Pixels], rounds: int) -> Ratio:
    """The map of another Q, by side, against the least that any pass over patches costs."""
    result = quality.assess(network, *pictures, stride=STRIDE)
    foils = iter(np.linspace(0, 1, 100_000))
    batch = [torch.rand(BATCH, 3, PATCH, PATCH) * 255 for _ in pictures]

    def forward() -> object:
        with torch.inference_mode():
            return network.module(*batch)

    return ratio(lambda: result.sides(float(next(foils))), forward, rounds, 20)
