"""Checkpoints of a training run: tensors as .safetensors has them, and whatever else as JSON in its header.

So nothing is ever unpickled: a checkpoint that somebody was given can hold nothing but numbers and texts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from engine.errors import DataError
from engine.models.weights import whole

_STATE = "state"
_TENSOR, _DICT = "tensor", "dict"


def save(state: Any, path: Path) -> None:
    """Write tensors, numbers, texts, None, and lists and dicts of them to a file, all of it or nothing."""
    tensors: dict[str, Tensor] = {}
    outline = json.dumps(_packed(state, tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(as_bytes(tensors, {_STATE: outline}))


def load(path: Path, device: torch.device | None = None) -> Any:
    """What was saved, its tensors on `device`; tuples come back as lists. Raises DataError where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            outline = json.loads(file.metadata()[_STATE])
        return _unpacked(outline, tensors, device)
    except (SafetensorError, OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"The checkpoint {path.name} cannot be read: delete it or choose another --work.") from error


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON has it; its tensors go to `tensors`. A dict becomes pairs, for its keys may be numbers."""
    if isinstance(value, Tensor):
        name, dense = str(len(tensors)), value.detach().clone()
        tensors[name] = dense.cpu().contiguous()
        return {_TENSOR: name, "stride": dense.stride()}
    if isinstance(value, dict):
        return {_DICT: [[key, _packed(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(inner, tensors) for inner in value]
    return value


def _unpacked(value: Any, tensors: dict[str, Tensor], device: torch.device | None) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, tensors, device) for inner in value]
    if not isinstance(value, dict):
        return value
    if _DICT in value:
        return {key: _unpacked(inner, tensors, device) for key, inner in value[_DICT]}
    tensor = tensors[value[_TENSOR]]
    # Optimisers walk through weights and moments as they lie in memory, so the order must be the one that was saved.
    return torch.empty_strided(tensor.shape, value["stride"], dtype=tensor.dtype, device=device).copy_(tensor)
