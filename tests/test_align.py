"""Pairs that do not lie on one another, made from one photo whose shift is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from engine.align import LEAST_AGREEMENT, align, check, crop, find_shift, moved
from engine.distortions import KINDS, distort
from engine.errors import ImageError

Pixels = NDArray[np.uint8]


def scene() -> Pixels:
    pixels: Pixels = data.coffee()[20:340, 30:430]
    return pixels


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (-3, 2), (40, -25), (-90, 60)])
def test_a_shift_is_found_to_the_pixel(right: int, down: int) -> None:
    whole = scene()
    picture, reference = whole[100 : 100 + 160, 100 : 100 + 200], whole[100 + down :][:160, 100 + right :][:, :200]
    found = find_shift(picture, reference)
    assert (found.right, found.down) == (right, down)
    assert found.agreement == pytest.approx(1, abs=1e-5)
    pair = align(picture, reference)
    np.testing.assert_array_equal(pair.picture, pair.reference)
    assert pair.picture.shape == (160 - abs(down), 200 - abs(right), 3)


def test_a_cut_out_of_a_large_picture_is_found_at_full_size() -> None:
    whole = np.kron(data.astronaut(), np.ones((3, 3, 1), np.uint8))
    whole = whole + np.random.default_rng(0).integers(0, 9, whole.shape, dtype=np.uint8) // 2
    picture = whole[301:1400, 207:1300]
    pair = align(picture, whole)
    np.testing.assert_array_equal(pair.picture, picture)
    np.testing.assert_array_equal(pair.reference, picture)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_no_distortion_is_mistaken_for_a_shift(kind: str) -> None:
    picture = distort(scene(), kind, 5)
    assert moved(picture, scene()) is None
    assert find_shift(picture, scene()).agreement > LEAST_AGREEMENT


@pytest.mark.parametrize("kind", ["gaussian-blur", "jpeg", "gaussian-noise", "contrast", "mean-shift"])
def test_a_moved_and_distorted_pair_is_noticed_and_aligned(kind: str) -> None:
    picture = distort(scene(), kind, 4)[5:, 7:]
    reference = scene()[:-5, :-7]
    found = moved(picture, reference)
    assert found is not None and (found.right, found.down) == (-7, -5)
    assert str(found) == "7 px left and 5 px up"
    assert align(picture, reference).note == "moved by 7 px left and 5 px up, the 386 x 310 pixels that overlap"


def test_the_middle_of_both_is_cropped() -> None:
    pair = crop(scene(), scene()[10:-10])
    np.testing.assert_array_equal(pair.picture, pair.reference)
    assert pair.note == "the middle 400 x 300 pixels of both"


@pytest.mark.parametrize("other", [data.astronaut(), np.full((320, 400, 3), 128, np.uint8), np.rot90(scene())])
def test_what_cannot_be_aligned_is_told(other: Pixels) -> None:
    with pytest.raises(ImageError, match="No shift lays the picture on its reference"):
        align(scene(), other)


def test_too_small_a_common_part_is_told() -> None:
    with pytest.raises(ImageError, match="only 20 x 320 pixels in common"):
        crop(scene(), scene()[:, :20])


def test_two_sizes_are_told() -> None:
    check(scene(), scene())
    with pytest.raises(ImageError, match="The picture is 400 x 320 pixels and its reference 380 x 320"):
        check(scene(), scene()[:, 20:])
