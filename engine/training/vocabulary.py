"""Vocabularies: the answers a network may give, each a name and the ImageNet classes it stands for.

A vocabulary is a CSV file with the columns ``group`` and ``imagenet``. The second holds indices of the
1,000 ImageNet classes (torchvision's order) and ranges of them, separated by spaces ("151-268 273"). One
group, best the last, may say ``*``: it stands for every class that no other group names.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import DataError

IMAGENET_CLASSES = 1000
REST = "*"


@dataclass(frozen=True)
class Vocabulary:
    """Group names, their ImageNet indices, and the position of the group for the rest (None: there is none)."""

    groups: tuple[str, ...]
    imagenet: tuple[tuple[int, ...], ...]
    rest: int | None = None

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def named(self) -> tuple[int, ...]:
        """The ImageNet indices that belong to a group with a name of its own."""
        return tuple(i for g, indices in enumerate(self.imagenet) if g != self.rest for i in indices)

    def matrix(self) -> Tensor:
        """The 0/1 matrix (1000, groups) that sums ImageNet probabilities over each group."""
        table = torch.zeros(IMAGENET_CLASSES, len(self.groups))
        for group, indices in enumerate(self.imagenet):
            table[list(indices), group] = 1
        return table


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read a vocabulary file.

    Raises DataError where the file is missing, a column is missing, an index is no ImageNet class or
    belongs to two groups, a name comes twice, or classes are left over and no group takes the rest.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The vocabulary {path} cannot be read: {error}.") from error
    if not rows or not {"group", "imagenet"} <= rows[0].keys():
        raise DataError(f"The vocabulary {path} needs the columns 'group' and 'imagenet' and at least one row.")
    owner: dict[int, str] = {}
    members: dict[str, list[int]] = {}
    rest: str | None = None
    for row in rows:
        name, text = (row["group"] or "").strip(), (row["imagenet"] or "").strip()
        if not name or name in members:
            raise DataError(f"The vocabulary {path} has a group without a name or names '{name}' twice.")
        if text == REST and rest is None:
            rest, members[name] = name, []
            continue
        members[name] = _indices(text, name, path)
        for index in members[name]:
            if index in owner:
                raise DataError(f"In {path}, class {index} belongs to both '{owner[index]}' and '{name}'.")
            owner[index] = name
    left = [i for i in range(IMAGENET_CLASSES) if i not in owner]
    if rest is not None:
        members[rest] = left
    elif left:
        raise DataError(f"{path} names no group for {len(left)} classes (first: {left[0]}); add a row with '*'.")
    if empty := [name for name, indices in members.items() if not indices]:
        raise DataError(f"In {path}, the group '{empty[0]}' stands for no ImageNet class.")
    names = tuple(members)
    return Vocabulary(names, tuple(tuple(members[n]) for n in names), names.index(rest) if rest else None)


def _indices(text: str, name: str, path: Path) -> list[int]:
    found: list[int] = []
    for word in text.split():
        first, dash, last = word.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise DataError(f"In {path}, '{word}' in the group '{name}' is neither an index nor a range like 151-268.")
        found += range(int(first), int(last or first) + 1)
    if any(i >= IMAGENET_CLASSES for i in found):
        raise DataError(f"In {path}, the group '{name}' names a class beyond {IMAGENET_CLASSES - 1}.")
    return found
