"""With one score for the whole photo, all Q on one side of it ask for one and the same map."""

import numpy as np
import pytest
from skimage import data

from engine import Engine
from engine.distortions import distort
from engine.quality import FOILS, QualityResult
from engine.quality_whole import whole_maps


@pytest.fixture(scope="module")
def result(shared: Engine) -> QualityResult:
    from PIL import Image

    region = np.zeros((160, 240), bool)
    region[60:, 100:] = True
    photo = data.coffee()[100:260, 150:390]
    return shared.quality(Image.fromarray(distort(photo, "jpeg", 5, region=region)), Image.fromarray(photo), 16)


def test_maps_on_one_side_are_multiples_of_each_other(result: QualityResult) -> None:
    maps = {found.foil: found for found in whole_maps(result)}
    assert tuple(maps) == FOILS
    for found in maps.values():
        assert (found.like - result.score) * (found.foil - result.score) > 0
        np.testing.assert_allclose(found.values, found.factor * maps[found.like].values, rtol=1e-4, atol=1e-7)
        assert found.factor > 0
    assert {found.like for found in maps.values()} == {max(FOILS), max(foil for foil in FOILS if foil < result.score)}


def test_they_lie_where_the_photo_is_worse_or_better_than_its_score(result: QualityResult) -> None:
    for found in whole_maps(result):
        if found.foil > result.score:
            assert (found.values <= 0).all() and ((found.values < 0) <= (result.evidence < 0)).all()
        else:
            assert (found.values >= 0).all() and ((found.values > 0) <= (result.evidence > 0)).all()
        assert found.values.any()


def test_with_a_score_for_each_patch_they_are_no_multiples(result: QualityResult) -> None:
    first, second = result.map(1.0, signed=False).ravel(), result.map(0.75, signed=False).ravel()
    one, two = (whole_maps(result, (foil,))[0].values.ravel() for foil in (1.0, 0.75))
    if result.score < 0.75:
        assert np.corrcoef(one, two)[0, 1] > 0.9999
        assert np.corrcoef(first, second)[0, 1] < 0.999


def test_a_foil_that_equals_the_score_has_an_empty_map(result: QualityResult) -> None:
    (found,) = whole_maps(result, (result.score,))
    assert not found.values.any() and found.factor == 1
