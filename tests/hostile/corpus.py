"""Hostile and odd picture files, made by code: every case must give the right picture or one clear sentence.

``cases()`` yields about a thousand of them, the same ones each time. Feed ``case.content`` under the file
name ``case.name`` to whatever reads pictures, and judge the outcome with ``case.problem(photo_or_error)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from tests.hostile.bombs import content_bombs, header_bombs, sides
from tests.hostile.case import Case, encoded, read, scene, sentence_problem
from tests.hostile.damage import HOSTILE_NAMES, bit_flips, names, not_pictures, polyglots, truncations
from tests.hostile.sound import modes, nonsense_exif, orientations

__all__ = ["HOSTILE_NAMES", "Case", "cases", "encoded", "read", "scene", "sentence_problem"]


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
