"""From a trained quality network to the files that the app loads: float16 weights and their card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save

from engine.models.quality_networks import CELLS, PATCH, PatchQualityNetwork
from engine.models.weights import write_atomically
from engine.quality import NAMES

TITLES = {"no-reference": "Image quality without a reference", "full-reference": "Image quality against a reference"}

SCALE = (
    "A score is TID2013's mean opinion score divided by 9. Distorted pictures there end at about 0.8; a pristine "
    "picture, which its viewers did not score, counts as 1."
)
TERMS = (
    "Trained on the opinion scores of TID2013 (for research) and on pictures made again from the Kodak photos "
    "(unrestricted use).",
    "Further photos came from OSIE (MIT), from ImageNet samples and from public repositories, some under research-only "
    "terms; no photo is distributed.",
)


def export(network: PatchQualityNetwork, folder: Path, training: Sequence[str], measured: Mapping[str, Any]) -> Path:
    """Write quality-nr or quality-fr (.safetensors and the card .json), each whole or not at all; gives the former."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAMES[network.kind]}.safetensors"
    state = {name: tensor.detach().half().contiguous().cpu() for name, tensor in network.state_dict().items()}
    weights = save(state)
    card = {
        "title": TITLES[network.kind],
        "task": "quality",
        "kind": network.kind,
        "architecture": "patch network after Bosse 2018, linear score head",
        "widths": list(network.widths),
        "context": network.context.hidden if network.context else 0,
        "size": PATCH,
        "cells": CELLS,
        "parameters": sum(tensor.numel() for tensor in state.values()),
        "scale": SCALE,
        "training": list(training),
        "terms": list(TERMS),
        "measured": dict(measured),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomically(path, weights)
    write_atomically(path.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return path
