"""Crops that are mixed with each other: images, maps and answers by the same shares, and light that stays light."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.training import mixing
from engine.training.targets import STRIDE


def drawn(count: int, cells: int, mixed: float, seed: int = 0) -> torch.Tensor:
    return mixing.shares(count, cells, mixed, torch.Generator().manual_seed(seed))


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 8), st.floats(0, 1), st.integers(0, 99))
def test_every_crop_keeps_a_share_of_each_cell(count: int, cells: int, mixed: float, seed: int) -> None:
    own = drawn(count, cells, mixed, seed)
    assert own.shape == (count, 1, cells, cells)
    assert bool(((own == 0) | (own >= 0.5)).all()) and own.max() <= 1
    assert torch.equal(own, drawn(count, cells, mixed, seed))


def test_half_of_the_mixed_crops_are_blended_and_half_have_a_rectangle_pasted_in() -> None:
    own = drawn(4000, 5, 0.8)[:, 0]
    blended = (own == own[:, :1, :1]).all((1, 2)) & (own[:, 0, 0] < 1)
    pasted = (own == 0).any(1).any(1)
    assert blended.float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert pasted.float().mean().item() == pytest.approx(0.4, abs=0.03)
    for crop in own[pasted][:200]:
        rows, columns = (crop == 0).any(1), (crop == 0).any(0)
        assert torch.equal(crop == 0, rows[:, None] & columns[None])  # a rectangle of whole cells,
        for side in (rows, columns):
            at = side.nonzero()
            assert len(at) == at.max() - at.min() + 1 <= 3  # in one piece, of up to three quarters
        assert bool((crop[crop > 0] == 1).all())
    assert bool((drawn(50, 5, 0.0) == 1).all())


def test_images_and_maps_are_mixed_in_the_same_places() -> None:
    cells, size = 3, 3 * STRIDE - 8  # the last cell is cut off
    own = drawn(6, cells, 1.0)
    images = torch.rand(6, 3, size, size)
    found = mixing.mixed_images(images, own)
    assert found.shape == images.shape
    partner = images.roll(1, 0)
    for crop in range(6):
        for row in range(cells):
            for column in range(cells):
                share = own[crop, 0, row, column]
                place = (..., slice(row * STRIDE, (row + 1) * STRIDE), slice(column * STRIDE, (column + 1) * STRIDE))
                expected = share * images[crop][place] + (1 - share) * partner[crop][place]
                torch.testing.assert_close(found[crop][place], expected)
    maps = torch.rand(6, 4, cells, cells)
    torch.testing.assert_close(mixing.mixed(maps, own), own * maps + (1 - own) * maps.roll(1, 0))


def test_mixed_answers_are_probabilities_by_area() -> None:
    answers = torch.eye(6)
    own = drawn(6, 4, 1.0)
    found = mixing.mixed(answers, own.mean((2, 3)))
    torch.testing.assert_close(found.sum(1), torch.ones(6))
    torch.testing.assert_close(found.diagonal(), own.mean((1, 2, 3)))


def test_light_changes_brightness_contrast_and_colour_only() -> None:
    images = torch.rand(40, 3, 8, 8) * 0.5 + 0.25
    one = torch.ones(40, 1, 1, 1)
    torch.testing.assert_close(mixing.relit(images, one, one, one), images)
    grey = mixing.relit(images, one, one, 0 * one)
    torch.testing.assert_close(grey, images.mean(1, keepdim=True).expand_as(images))
    flat = mixing.relit(images, 0 * one, one, one)
    torch.testing.assert_close(flat, images.mean((1, 2, 3), keepdim=True).expand_as(images))
    light = mixing.random_light(4000, 0.3, torch.Generator().manual_seed(0))
    contrast, brightness, saturation = light
    assert contrast.shape == saturation.shape == (4000, 1, 1, 1) and brightness.shape == (4000, 3, 1, 1)
    assert contrast.min() >= 0.7 and contrast.max() <= 1.3
    assert (saturation == 0).float().mean().item() == pytest.approx(mixing.GREY, abs=0.02)
    relit = mixing.relit(torch.rand(4000, 3, 4, 4), *light)
    assert relit.min() >= 0 and relit.max() <= 1
