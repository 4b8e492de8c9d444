"""The study of image quality: the same rounds for a seed, fair pairs, and agreement that is only counted."""

import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from engine import Engine
from engine.distortions import KINDS, LEVELS, distort, psnr
from engine.errors import QuestionError
from engine.study import ROUNDS, SIDE, Outcome, Round, Version, agreement, encode, plan, scores, trio

PHOTOS = ("cat", "coffee", "rocket")


@settings(max_examples=60)
@given(st.integers(0, 9999))
def test_a_plan_is_fair_and_fixed_by_its_seed(seed: int) -> None:
    rounds = plan(seed, PHOTOS)
    assert len(rounds) == ROUNDS and rounds == plan(seed, PHOTOS)
    counts = Counter(each.photo for each in rounds)
    assert set(counts) <= set(PHOTOS) and max(counts.values()) - min(counts.values()) <= 1
    names = {kind.name for kind in KINDS}
    for each in rounds:
        first, second = each.versions
        assert first.kind != second.kind and {first.kind, second.kind} <= names
        assert abs(first.level - second.level) <= 1 and {first.level, second.level} <= set(LEVELS)
        assert all(0 <= across < 1 and 0 <= down < 1 for across, down in each.places)


def test_seeds_differ_and_no_side_is_preferred() -> None:
    rounds = [each for seed in range(200) for each in plan(seed, PHOTOS)]
    assert len(set(rounds)) > 0.99 * len(rounds)
    uneven = [each.versions for each in rounds if each.versions[0].level != each.versions[1].level]
    assert 0.4 < len(uneven) / len(rounds) < 0.6
    assert 0.4 < np.mean([first.level < second.level for first, second in uneven]) < 0.6


def test_the_pictures_are_crops_of_the_photo_and_their_distortions() -> None:
    pixels = data.coffee()
    asked = plan(3, ("coffee",))[0]
    found = trio(pixels, asked)
    assert found.reference.shape == (SIDE, SIDE, 3)
    height, width = pixels.shape[:2]
    offered = [
        pixels[round(down * (height - SIDE)) :, round(across * (width - SIDE)) :][:SIDE, :SIDE]
        for across, down in asked.places
    ]
    assert any(np.array_equal(found.reference, crop) for crop in offered)
    for version, shown in zip(asked.versions, found.versions, strict=True):
        np.testing.assert_array_equal(shown, distort(found.reference, version.kind, version.level))
    np.testing.assert_array_equal(trio(pixels, asked).versions[1], found.versions[1])


def test_the_crop_with_most_to_see_is_taken() -> None:
    pixels = np.full((SIDE, 2 * SIDE, 3), 120, np.uint8)
    pixels[:, SIDE:] = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3))
    asked = Round("noise", ((0.0, 0.0), (1.0, 0.0), (0.3, 0.0)), (Version("jpeg", 2), Version("contrast", 2)))
    np.testing.assert_array_equal(trio(pixels, asked).reference, pixels[:, SIDE:])


def test_a_photo_smaller_than_the_crop_is_taken_whole() -> None:
    pixels = data.coffee()[:100, :180]
    found = trio(pixels, plan(1, ("small",))[0])
    np.testing.assert_array_equal(found.reference, pixels)


def test_the_file_shown_adds_no_distortion_that_matters() -> None:
    pixels = trio(data.coffee(), plan(2, ("coffee",))[0]).versions[0]
    back = np.asarray(Image.open(io.BytesIO(encode(pixels))))
    assert psnr(pixels, back) > 45, "the mildest level has about 33 dB"


def test_the_network_scores_what_differs_less_higher(shared: Engine) -> None:
    reference = data.coffee()[:SIDE, 100 : 100 + SIDE]
    places = ((0.0, 0.0),)
    mild_first = trio(reference, Round("crop", places, (Version("jpeg", 1), Version("jpeg2000", 5))))
    mild, severe = scores(shared, mild_first)
    assert 0 <= severe < mild <= 1


def test_agreement_counts_rounds_in_which_both_chose_one_version() -> None:
    asked = plan(1, PHOTOS)[0]
    outcomes = [Outcome(asked, 0, (0.7, 0.2)), Outcome(asked, 1, (0.7, 0.2)), Outcome(asked, 1, (0.1, 0.2))]
    assert [each.networks for each in outcomes] == [0, 0, 1]
    assert [each.agree for each in outcomes] == [True, False, True]
    assert agreement(outcomes) == 2 and agreement([]) == 0


@pytest.mark.parametrize(("seed", "photos", "rounds"), [(-1, PHOTOS, 10), (1, (), 10), (1, PHOTOS, 0)])
def test_a_study_of_nothing_is_refused(seed: int, photos: tuple[str, ...], rounds: int) -> None:
    with pytest.raises(QuestionError):
        plan(seed, photos, rounds)
