"""Does the evidence lie where the damage is? Damage in known places, and the share of the evidence found there."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from engine import quality
from engine.distortions import distort

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

DAMAGES = ("block-wise", "gaussian-blur", "gaussian-noise", "jpeg")
CASES = 50
NEAR = 16
"""Evidence within this many pixels of the damage counts as found."""


def localisation(
    network: quality.QualityNetwork, photos: Sequence[Pixels], cases: int = CASES, stride: int = 16, seed: int = 0
) -> dict[str, Any]:
    """Mean share of the evidence "holds it below 1" near the damage, over the damaged share of the area.

    `photos` are undamaged, uint8 (H, W, 3), at least 128 pixels a side; they and the four damages (coloured blocks,
    local blur, noise and JPEG, at levels 3 to 5) take turns. Gives gain (their ratio, averaged over cases), share,
    area, the gain of each damage, and how many cases had no evidence at all (these count as a gain of 0).
    """
    gains: dict[str, list[float]] = {name: [] for name in DAMAGES}
    shares, areas, empty = [], [], 0
    for name, damaged, photo, mask in _cases(photos, cases, seed):
        reference = photo if network.kind == "full-reference" else None
        share = evidence_near(quality.assess(network, damaged, reference, stride), mask)
        empty += share is None
        area = float(mask.mean())
        shares.append(share or 0.0)
        areas.append(area)
        gains[name].append((share or 0.0) / area)
    return {
        "gain": round(float(np.mean(np.array(shares) / np.array(areas))), 3),
        "share": round(float(np.mean(shares)), 4),
        "area": round(float(np.mean(areas)), 4),
        "by damage": {name: round(float(np.mean(values)), 3) for name, values in gains.items() if values},
        "cases": cases,
        "without evidence": empty,
    }


def evidence_near(result: quality.QualityResult, mask: Mask) -> float | None:
    """Share, 0 to 1, of the evidence that holds the picture below 1 within 16 pixels of the mask; None for none."""
    held = np.maximum(-result.sides(1.0), 0)
    large = np.kron(held, np.ones((result.cell, result.cell), np.float32))[: mask.shape[0], : mask.shape[1]]
    near = ndimage.distance_transform_edt(~mask) <= NEAR
    total = float(large.sum())
    return float(large[near].sum()) / total if total else None


def _cases(photos: Sequence[Pixels], cases: int, seed: int) -> Iterator[tuple[str, Pixels, Pixels, Mask]]:
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        photo = photos[case % len(photos)]
        name = DAMAGES[case // len(photos) % len(DAMAGES)]
        mask = _blocks(photo, rng)
        if name == "block-wise":
            yield name, _coloured(photo, mask, rng), photo, mask
        else:
            yield name, distort(photo, name, int(rng.integers(3, 6)), seed=case, region=mask), photo, mask


def _blocks(photo: Pixels, rng: Generator) -> Mask:
    """Two to four rectangles of 48 to 96 pixels a side, about a tenth of a TID2013 picture."""
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), bool)
    for _ in range(int(rng.integers(2, 5))):
        h, w = rng.integers(48, 97, 2)
        y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        mask[y : y + h, x : x + w] = True
    return mask


def _coloured(photo: Pixels, mask: Mask, rng: Generator) -> Pixels:
    """Every rectangle filled with a colour of its own."""
    labels, count = ndimage.label(mask)
    colours = rng.integers(0, 256, (count + 1, 3)).astype(np.uint8)
    return np.where(mask[..., None], colours[labels], photo)
