"""The curve of evidence over Q, against the result's own words for it."""

import numpy as np
import pytest
from skimage import data

from engine import quality
from engine.quality import QualityResult
from engine.quality_screen import curve, extent, likeness, opinion, passes, patches, screened


@pytest.fixture(scope="module")
def result() -> QualityResult:
    return quality.assess(quality.load("no-reference", "cpu"), data.coffee()[:150, :203], stride=16)


def test_the_three_shares_are_all_and_agree_with_the_balance(result: QualityResult) -> None:
    found = curve(result, 11)
    np.testing.assert_allclose(found.above + found.below + found.for_foil, 1)
    for at, foil in enumerate(found.foils):
        assert found.above[at] + found.below[at] == pytest.approx(result.balance(float(foil))[0], abs=1e-5)
    assert found.above[-1] < found.above[5] and found.below[0] < found.below[-1]


def test_the_grid_reaches_past_the_picture_by_less_than_a_cell(result: QualityResult) -> None:
    left, top, right, bottom = extent(result)
    assert (left, top) == (0, 0)
    assert 0 <= (right - 1) * 203 < result.cell and 0 <= (bottom - 1) * 150 < result.cell


@pytest.mark.parametrize("most", [3, 10, 19])
def test_a_map_for_the_screen_holds_means_of_squares(result: QualityResult, most: int) -> None:
    small = screened(result, most)
    factor = small.cell // result.cell
    assert max(small.evidence.shape) <= most and factor * result.cell == small.cell
    rows, columns = result.evidence.shape
    for at in ((0, 0), (small.evidence.shape[0] - 1, small.evidence.shape[1] - 1)):
        down, across = ([min(cell * factor + i, side - 1) for i in range(factor)]
                        for cell, side in zip(at, (rows, columns), strict=True))  # fmt: skip
        assert small.evidence[at] == pytest.approx(result.evidence[np.ix_(down, across)].mean(), abs=1e-6)
    _, _, right, bottom = extent(small)
    assert 0 <= (right - 1) * 203 < small.cell and 0 <= (bottom - 1) * 150 < small.cell
    assert (small.score, small.patches) == (result.score, result.patches)


def test_a_small_map_is_sent_as_it_is(result: QualityResult) -> None:
    assert screened(result) is result


def test_the_likeliest_types_have_names(result: QualityResult) -> None:
    (first, p), (_, q), _ = likeness(result)
    assert isinstance(first, str) and 1 >= p >= q >= 0


def test_the_opinion_score_is_tid2013s(result: QualityResult) -> None:
    assert opinion(result) == pytest.approx(9 * result.score)


@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_patches_are_counted_as_they_are_judged(result: QualityResult, stride: int) -> None:
    judged = quality.assess(quality.load("no-reference", "cpu"), data.coffee()[:70, :101], stride=stride)
    assert patches((101, 70), stride) == len(judged.patches.scores)


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [
        ((160, 120), None, (4,)),  # few patches: at once
        ((600, 400), None, (32, 8, 4)),
        ((600, 400), 8, (32, 8)),
        ((600, 400), 16, (16,)),
        ((5472, 3648), None, (32, 16)),  # 20 megapixels
        ((8000, 6000), None, (32,)),
        ((1600, 1200), None, (32, 8)),
        ((5472, 3648), 4, (32, 8, 4)),  # asked for
    ],
)
def test_a_map_at_once_then_finer_ones(size: tuple[int, int], stride: int | None, expected: tuple[int, ...]) -> None:
    assert passes(size, stride) == expected
