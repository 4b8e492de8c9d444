"""The 24 distortions: deterministic, as strong as their level says, where they are asked for, and nowhere else."""

import itertools

import numpy as np
import pytest
import skimage.data

from engine.distortions import KINDS, LEVEL_PSNR, LEVELS, Step, combine, distort, find, interruptible, psnr
from engine.distortions.plain import PLAIN, blur, contrast, jpeg, noise
from engine.distortions.transforms import block_dct, block_idct, to_rgb, to_ycbcr
from engine.errors import ImageError, QuestionError

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[40:200, 140:332])
NUMBERS = [kind.number for kind in KINDS]

# Patches and stream errors come in lumps: their PSNR cannot be met exactly on a small picture.
TOLERANCE = {12: 1.5, 13: 2.5, 14: 4.5, 15: 1.0}


@pytest.mark.parametrize("number", NUMBERS)
def test_levels_are_set_by_psnr(number: int) -> None:
    for level, wanted in zip(LEVELS, LEVEL_PSNR, strict=True):
        distorted = distort(PHOTO, number, level)
        assert distorted.dtype == np.uint8 and distorted.shape == PHOTO.shape
        if number == 15:  # TID2013 gives all five levels one PSNR
            wanted = 23.3
        assert psnr(PHOTO, distorted) == pytest.approx(wanted, abs=TOLERANCE.get(number, 0.6))


@pytest.mark.parametrize("number", NUMBERS)
def test_seed_fixes_the_picture(number: int) -> None:
    before = PHOTO.copy()
    first = distort(PHOTO, number, 3, seed=5)
    assert np.array_equal(first, distort(PHOTO, number, 3, seed=5))
    assert np.array_equal(PHOTO, before)


@pytest.mark.parametrize("number", [1, 6, 12, 14, 15, 24])
def test_another_seed_gives_another_picture(number: int) -> None:
    assert not np.array_equal(distort(PHOTO, number, 3, seed=1), distort(PHOTO, number, 3, seed=2))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("shape", [(8, 8), (9, 31), (50, 33)])
def test_small_and_odd_sizes(number: int, shape: tuple[int, int]) -> None:
    photo = PHOTO[: shape[0], : shape[1]]
    assert distort(photo, number, 5).shape == photo.shape


@pytest.mark.parametrize("number", NUMBERS)
def test_constant_picture(number: int) -> None:
    grey = np.full((40, 48, 3), 128, np.uint8)
    assert distort(grey, number, 2).shape == grey.shape


@pytest.mark.parametrize("number", [1, 8, 10, 15])
def test_region_alone_changes(number: int) -> None:
    region = np.zeros(PHOTO.shape[:2], bool)
    region[60:120, 70:140] = True
    distorted = distort(PHOTO, number, 5, region=region)
    assert np.array_equal(distorted[~region], PHOTO[~region])
    assert psnr(PHOTO[region], distorted[region]) < 30


def test_empty_region_changes_nothing() -> None:
    assert np.array_equal(distort(PHOTO, 1, 5, region=np.zeros(PHOTO.shape[:2], bool)), PHOTO)


def test_combination_is_one_after_the_other() -> None:
    both = combine(PHOTO, [Step("gaussian-blur", 3), Step("gaussian-noise", 2)], seed=4)
    assert np.array_equal(both, distort(distort(PHOTO, "gaussian-blur", 3, 4), "gaussian-noise", 2, 5))


@pytest.mark.parametrize("kind", ["gaussian-blur", "sparse-sampling", "colour-quantisation", "jpeg2000"])
def test_a_search_can_be_left(kind: str) -> None:
    """What takes long is a search, and it is left before the next strength that it would try."""

    def leave() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), interruptible(leave):
        distort(PHOTO, kind, 5)
    assert distort(PHOTO, kind, 5).shape == PHOTO.shape, "outside nobody is asked"


def test_names_and_numbers_are_the_same_kinds() -> None:
    assert list(range(1, 25)) == NUMBERS
    assert len({kind.name for kind in KINDS}) == 24
    assert find("jpeg") is find(10)


def test_what_cannot_be_asked() -> None:
    with pytest.raises(QuestionError, match="no distortion"):
        distort(PHOTO, "mud", 1)
    with pytest.raises(QuestionError, match="levels 1 to 5"):
        distort(PHOTO, 1, 6)
    with pytest.raises(QuestionError, match="mask of the picture's size"):
        distort(PHOTO, 1, 1, region=np.ones((3, 3), bool))
    with pytest.raises(ImageError):
        distort(PHOTO[..., 0], 1, 1)
    with pytest.raises(ImageError):
        distort(PHOTO[:7], 1, 1)


def test_noise_is_what_it_says() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    error = distort(grey, "correlated-noise", 3).astype(float) - 128
    neighbours = np.mean(error[:, 1:] * error[:, :-1]) / error.var()
    assert neighbours == pytest.approx(2 / 3, abs=0.03)  # 3 x 3 means share six of nine samples
    colour = to_ycbcr(distort(grey, "colour-noise", 3).astype(np.float32) - 128).std((0, 1))
    assert colour[1] > 2 * colour[0] and colour[2] > 2 * colour[0]


def test_transforms_invert() -> None:
    image = PHOTO[:45, :37].astype(np.float32)
    assert np.allclose(to_rgb(to_ycbcr(image)), image, atol=1e-3)
    assert np.allclose(block_idct(block_dct(image, 8), image.shape), image, atol=1e-3)


@pytest.mark.parametrize("name", list(PLAIN))
def test_plain_degradations_get_worse(name: str) -> None:
    function, values = PLAIN[name]
    quality = [psnr(PHOTO, function(PHOTO, value)) for value in values]
    assert all(a > b for a, b in itertools.pairwise(quality))


def test_plain_degradations_that_change_nothing() -> None:
    assert np.array_equal(blur(PHOTO, 0), PHOTO)
    assert np.array_equal(noise(PHOTO, 0), PHOTO)
    assert np.array_equal(contrast(PHOTO, 1), PHOTO)
    for wrong in (
        lambda: blur(PHOTO, -1),
        lambda: noise(PHOTO, -1),
        lambda: jpeg(PHOTO, 0),
        lambda: contrast(PHOTO, -1),
    ):
        with pytest.raises(QuestionError):
            wrong()
