"""The tutorial's row as one picture: where its tiles stand, and what their colours say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import quality
from engine.models.quality_networks import PatchQualityNetwork
from engine.quality_figure import TILE, row

GREY = np.full((96, 96, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def result() -> quality.QualityResult:
    """Score 0.5 everywhere; all evidence lies in the upper left quarter, where places are at 0.3."""
    torch.manual_seed(0)
    found = quality.assess(quality.wrap(PatchQualityNetwork("no-reference", (4, 4, 4)), device="cpu"), GREY)
    scores, evidence = np.full((12, 12), 0.5, np.float32), np.zeros((12, 12), np.float32)
    scores[:6, :6], evidence[:6, :6] = 0.3, -0.2
    return replace(found, score=0.5, patch_scores=scores, evidence=evidence, score_evidence=scores * evidence)


def places(picture: np.ndarray) -> list[int]:
    """Left edges of the tiles: columns of the photo's grey behind a column of white."""
    line = picture[300].astype(int)
    inside = (line != 255).any(axis=1)
    return [int(x) for x in np.flatnonzero(inside[1:] & ~inside[:-1]) + 1]


def test_every_foil_has_a_tile_of_one_size(result: quality.QualityResult) -> None:
    picture = row(GREY, result, (1.0, 0.75, 0.25))
    lefts = places(picture)
    assert len(lefts) == 5 and len(set(np.diff(lefts))) == 1 and np.diff(lefts)[0] > TILE
    assert row(GREY, result, (1.0,)).shape[1] < picture.shape[1]


def test_colours_say_the_side_on_one_scale(result: quality.QualityResult) -> None:
    picture = row(GREY, result, (0.75, 0.4, 0.1)).astype(int)
    top = 300 - TILE // 2  # rows 300 and `top` lie within every tile: the lower one without evidence
    strongest = []
    for left, low in zip(places(picture.astype(np.uint8))[2:], (True, True, False), strict=True):
        tile = picture[top : top + 20, left + 60 : left + 80].mean((0, 1))
        strongest.append(abs(tile[0] - tile[2]))
        if low:  # held below: blue
            assert tile[2] > tile[0] + 5
        else:  # evidence for the foil is not drawn
            assert strongest[-1] < 1
        below = picture[top + 300 : top + 310, left + 300 : left + 320]
        assert np.ptp(below.mean((0, 1))) < 1
    assert strongest[0] > 2 * strongest[1] > 0


@pytest.mark.parametrize("size", [(40, 3000), (3000, 40), (9, 9)])
def test_any_shape_can_be_drawn(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = quality.wrap(PatchQualityNetwork("no-reference", (4, 4, 4)), device="cpu")
    photo = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    picture = row(photo, quality.assess(network, photo, stride=32), quality.FOILS)
    assert picture.dtype == np.uint8 and picture.shape[0] < 1000 and np.ptp(picture) > 100
