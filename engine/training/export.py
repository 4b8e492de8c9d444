"""From a trained student to the files that the app loads: calibrated, in float16, with a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.weights import write_atomically
from engine.training.distil import MEAN, STD
from engine.training.vocabulary import Vocabulary

TERMS = (
    "The weights were trained on photos gathered from public repositories, some under research-only terms; "
    "the photos themselves are not distributed.",
    "The teacher, MobileNetV2 1.0/224, is Apache-2.0 (Google Coral test data).",
)


def cross_entropy(logits: Tensor, wanted: Tensor, temperature: float) -> float:
    """Mean cross-entropy in nats of softmax(logits / temperature) against probabilities, both (N, C)."""
    return F.cross_entropy(logits / temperature, wanted).item()


def fit_temperature(logits: Tensor, wanted: Tensor) -> float:
    """The temperature that makes softmax(logits / t) likeliest (Guo 2017), by golden-section search.

    logits, wanted: (N, C); wanted are probabilities. The cross-entropy is convex in 1 / t, so it has one
    minimum in the range searched, 0.05 to 20.
    """
    low, high = 0.05, 20.0
    ratio = (5**0.5 - 1) / 2
    while high - low > 1e-4 * high:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if cross_entropy(logits, wanted, left) < cross_entropy(logits, wanted, right):
            high = right
        else:
            low = left
    return (low + high) / 2


def export(
    network: nn.Module,
    vocabulary: Vocabulary,
    out: Path,
    *,
    temperature: float,
    size: int,
    sizes: Sequence[int],
    training: Sequence[str],
    measured: Mapping[str, Any],
) -> None:
    """Write OUT.safetensors (float16, torchvision's keys) and its card OUT.json, each all or nothing.

    A card that is there already keeps its `default_layers` and the measured figures that are not replaced.
    """
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    weights = save({name: tensor.contiguous().cpu() for name, tensor in half.items()})
    weights_path, card_path = out.with_suffix(".safetensors"), out.with_suffix(".json")
    before = json.loads(card_path.read_text()) if card_path.is_file() else {}
    card = {
        "title": "Embedded recogniser",
        "task": "recognition",
        "architecture": "resnet18",
        "classes": list(vocabulary.groups),
        "imagenet": [list(indices) for indices in vocabulary.imagenet],
        "size": size,
        "sizes": list(sizes),
        "mean": list(MEAN),
        "std": list(STD),
        "temperature": round(temperature, 4),
        "default_layers": before.get("default_layers", {}),
        "training": list(training),
        "terms": list(TERMS),
        "measured": before.get("measured", {}) | dict(measured),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, data in ((weights_path, weights), (card_path, (json.dumps(card, indent=1) + "\n").encode())):
        write_atomically(path, data)
