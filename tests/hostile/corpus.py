"""Hostile and odd picture files, made by code: every case must give the right picture or one clear sentence.

``cases()`` yields about 1,200 of them, the same ones each time, and ``chosen()`` a quarter, for readers that take long
over each. Feed ``case.content`` under the file
name ``case.name`` to whatever reads pictures, and judge the outcome with ``case.problem(photo_or_error)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain

from tests.hostile.bombs import content_bombs, header_bombs, sides
from tests.hostile.case import Case, encoded, read, scene, sentence_problem
from tests.hostile.damage import HOSTILE_NAMES, bit_flips, names, not_pictures, polyglots, truncations
from tests.hostile.sound import modes, nonsense_exif, orientations

__all__ = ["HOSTILE_NAMES", "Case", "cases", "chosen", "encoded", "read", "scene", "sentence_problem"]


def cases() -> Iterator[Case]:
    """All cases, in a fixed order."""
    return chain(
        modes(),
        orientations(),
        nonsense_exif(),
        sides(),
        header_bombs(),
        content_bombs(),
        not_pictures(),
        polyglots(),
        names(),
        truncations(),
        bit_flips(),
    )


def chosen() -> list[Case]:
    """The cases for a reader that takes long over each; all of them with EXPECTANCY_HOSTILE=all, as in `make soak`.

    They are chosen by what they are, as a stride could always meet the same one of several that take turns: all
    orientations and all names; of each other kind every format and every fault, though not every pair of them; and some
    of those that differ only by where they are cut or damaged.
    """
    if os.environ.get("EXPECTANCY_HOSTILE") == "all":
        return list(cases())
    found = [*orientations(), *names()]
    for kinds in (modes(), nonsense_exif(), sides(), header_bombs(), content_bombs(), not_pictures(), polyglots()):
        found += _every_word(kinds)
    return [*found, *[*truncations(), *bit_flips()][::9]]


def _every_word(kinds: Iterable[Case]) -> Iterator[Case]:
    """The cases whose kind is told with a word that no earlier one had."""
    known: set[str] = set()
    for case in kinds:
        words = set(case.kind.split())
        if words - known:
            known |= words
            yield case
