"""The second stage of the no-reference network: what the patches of a photo have in common sets its heads.

The features stay as the first stage left them, so what they see of every picture is worked out once, and training
the heads and their context on it takes minutes. It learns what no patch shows by itself: that one smooth patch among
sharp ones is a wall, and among smooth ones blur.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.quality_networks import PATCH, PatchQualityNetwork, positive, tone
from engine.models.weights import whole
from engine.training.quality_loop import Labelled

_PARTS = ("means", "tones", "labels", "patches")
_DRAWN = 24  # patches of a picture in a step
_LEAST_SPREAD = 1e-4  # a component of the summary that varies less is scaled as if it varied so much


@dataclass(frozen=True)
class ContextRecipe:
    """Everything that decides the second stage, besides its data."""

    steps: int = 1500
    seed: int = 0
    hidden: int = 64
    pictures: int = 128
    few: float = 0.55  # share of them from the first source
    rate: float = 1e-3
    decay: float = 1e-2
    dropout: float = 0.4  # of the summary
    pristine: float = 0.4
    patchwise: float = 0.3  # weight of the loss on single patches


@dataclass(frozen=True, eq=False)
class Seen:
    """Pictures as the features see them: ``means`` (n, variants, P, C), the mean activations of P patches of each;
    ``tones`` (n, variants, 11); ``labels`` (n, variants) of the pictures and ``patches`` (n, variants, P) of their
    patches."""

    means: NDArray[np.float16]
    tones: NDArray[np.float32]
    labels: NDArray[np.float32]
    patches: NDArray[np.float32]

    def draw(self, rng: Generator, count: int, pristine: float) -> tuple[Tensor, ...]:
        """The same of ``count`` random pictures, a share ``pristine`` of them undamaged; at most 24 patches."""
        rows = rng.integers(len(self.means), size=count)
        places = np.where(rng.random(count) < pristine, 0, rng.integers(1, self.means.shape[1], count))
        some = rng.permutation(self.means.shape[2])[:_DRAWN]
        means, patches = (part[rows, places][:, some] for part in (self.means, self.patches))
        parts = (means, self.tones[rows, places], self.labels[rows, places], patches)
        return tuple(torch.from_numpy(part.astype(np.float32)) for part in parts)


def look(
    network: PatchQualityNetwork,
    labelled: Labelled,
    patches: int,
    seed: int,
    path: Path,
    progress: Callable[[float], None],
    teacher: PatchQualityNetwork | None = None,
) -> Seen:
    """What the features of ``network`` see in ``patches`` patches of every picture; found again in the file ``path``.

    A full-reference ``teacher`` takes the place of the labels, of whole pictures and of their patches.
    """
    key = _digest(network, teacher)
    if path.exists():
        with np.load(path) as file:
            if str(file["key"]) == key and len(file["means"]) == len(labelled.pictures):
                return Seen(*(file[name] for name in _PARTS))
    parts = []
    for row, stack in enumerate(labelled.pictures):
        pairs = _patches(stack, patches, np.random.default_rng([seed, row]))
        parts.append(_seen(network, pairs, labelled.labels[row], teacher))
        progress((row + 1) / len(labelled.pictures))
    seen = Seen(*(np.stack(part) for part in zip(*parts, strict=True)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        np.savez(file, key=key, **{name: getattr(seen, name) for name in _PARTS})  # type: ignore[arg-type]
    return seen


def _patches(stack: NDArray[np.uint8], count: int, rng: Generator) -> NDArray[np.uint8]:
    """Patches (variants, count, 32, 32, 3) at random places of a grid, the same of every variant."""
    down, across = (side // PATCH for side in stack.shape[1:3])
    places = rng.permutation(down * across)[:count]
    corners = [(PATCH * int(place // across), PATCH * int(place % across)) for place in places]
    return np.stack([stack[:, y : y + PATCH, x : x + PATCH] for y, x in corners], 1)


def _seen(
    network: PatchQualityNetwork,
    patches: NDArray[np.uint8],
    labels: NDArray[np.floating],
    teacher: PatchQualityNetwork | None,
) -> tuple[NDArray, ...]:
    """The parts of :class:`Seen` of one picture's variants, from its patches (variants, P, 32, 32, 3)."""
    device = network.score.weight.device

    def batch(which: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(which.reshape(-1, PATCH, PATCH, 3)).to(device).permute(0, 3, 1, 2).float()

    shape = patches.shape[:2]
    with torch.inference_mode():
        pixels = batch(patches)
        means = network(pixels).activations.mean((2, 3)).view(*shape, -1).half().cpu().numpy()
        tones = tone(pixels.unflatten(0, shape)).cpu().numpy()
        if teacher is None:
            labels = labels.astype(np.float32)
            return means, tones, labels, np.repeat(labels[:, None], shape[1], 1)
        known = teacher(pixels, batch(np.broadcast_to(patches[:1], patches.shape)))
        scores, weights = (part.view(shape) for part in (known.scores, known.weights))
        whole = (scores * weights).sum(1) / weights.sum(1)
        return means, tones, whole.cpu().numpy(), scores.cpu().numpy()


def _digest(*networks: PatchQualityNetwork | None) -> str:
    digest = hashlib.sha256()
    for network in filter(None, networks):
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def set_in_context(
    network: PatchQualityNetwork,
    sources: tuple[Seen, Seen],
    recipe: ContextRecipe,
    report: Callable[[int, float], None],
) -> PatchQualityNetwork:
    """The network with a context, and heads trained with it on ``sources``, of few contents and of many.

    AdamW; the rate falls along a cosine. The same network, data and recipe give the same weights.
    """
    torch.manual_seed(recipe.seed)
    made = _with_context(network, recipe, sources)
    context = made.context
    assert context is not None
    trained = [*context.parameters(), *made.score.parameters(), *made.weight.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    rng = np.random.default_rng(recipe.seed)
    few = round(recipe.few * recipe.pictures)
    context.train()
    for step in range(recipe.steps):
        share = step / recipe.steps
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * share))
        loss = torch.zeros(())
        for source, count in zip(sources, (few, recipe.pictures - few), strict=True):
            loss = loss + _loss(made, source.draw(rng, count, recipe.pristine), recipe) * (count / recipe.pictures)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(step + 1, float(loss.detach()))
    return made.eval()


def _with_context(
    network: PatchQualityNetwork, recipe: ContextRecipe, sources: tuple[Seen, Seen]
) -> PatchQualityNetwork:
    """A copy with an untrained context, which knows how summaries vary."""
    made = PatchQualityNetwork(network.kind, network.widths, context=recipe.hidden)
    made.load_state_dict(network.state_dict(), strict=False)
    for tensor in made.weight.parameters():
        # The first stage's weights favour the few patches that look worst, in undamaged photos too; the context knows
        # better when to.
        nn.init.zeros_(tensor)
    context = made.context
    assert context is not None
    context.dropout.p = recipe.dropout
    with torch.no_grad():
        summaries = torch.cat([_summaries(made, source) for source in sources])
        context.centre.copy_(summaries.mean(0))
        context.spread.copy_(summaries.std(0).clamp(min=_LEAST_SPREAD))
    return made


def _summaries(network: PatchQualityNetwork, seen: Seen) -> Tensor:
    """Of all pictures (n variants, ...), one content at a time: together they would not fit into memory."""
    pairs = zip(seen.means, seen.tones, strict=True)
    return torch.cat([network.summary(torch.from_numpy(m).float(), torch.from_numpy(t)) for m, t in pairs])


def _loss(network: PatchQualityNetwork, pictures: tuple[Tensor, ...], recipe: ContextRecipe) -> Tensor:
    """Mean absolute error of the pictures' scores and, less, of their patches'."""
    means, tones, labels, patches = pictures
    assert network.context is not None
    weights, biases = network.context(network.summary(means, tones))
    heads = torch.cat([network.score.weight, network.weight.weight]) + weights
    bias = torch.cat([network.score.bias, network.weight.bias]) + biases
    scores, raw = (torch.einsum("bpc,bkc->kbp", means, heads) + bias.T[..., None]).unbind()
    each = positive(raw)
    predicted = (scores * each).sum(1) / each.sum(1)
    return (predicted - labels).abs().mean() + recipe.patchwise * (scores - patches).abs().mean()
