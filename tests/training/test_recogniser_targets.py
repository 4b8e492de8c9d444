"""Targets of crops: they lie where the student looks, and the crops show what the boxes say."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from engine.training import targets
from engine.training.teacher import Teacher

WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(across: bool) -> Tensor:
    """Teacher features (1, 7, 7, 1) that hold each cell's own position on the photo, in 0..1."""
    positions = (torch.arange(7.0) * 32 + 31.5) / 224
    grid = positions[None, :] if across else positions[:, None]
    return grid.expand(7, 7)[None, :, :, None]


@pytest.mark.parametrize("size", [64, 96, 160, 224])
@pytest.mark.parametrize("across", [True, False])
def test_dense_targets_come_from_where_the_students_cells_look(size: int, across: bool) -> None:
    boxes = targets.random_boxes(50, (0.1, 1), seeded())
    found = targets.dense_targets(ramp(across).expand(50, -1, -1, -1), boxes, size)[..., 0]
    axis = 0 if across else 1
    cells = torch.arange(found.shape[1]) * 32 + 0.5  # a torchvision network's cell j looks at pixel 32 j
    wanted = boxes[:, axis, None] + boxes[:, axis + 2, None] * cells / size
    wanted = wanted.clamp(31.5 / 224, 223.5 / 224)
    found = found[:, 0] if across else found[:, :, 0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_targets_of_a_shifted_crop_are_the_teachers_own_cells() -> None:
    features = torch.randn(1, 7, 7, 5, generator=seeded())
    shifted = torch.tensor([[31 / 224, 31 / 224, 1.0, 1.0]])  # now both grids coincide
    torch.testing.assert_close(targets.dense_targets(features, shifted, 224), features, atol=1e-5, rtol=0)


def positive(network: nn.Module) -> nn.Module:
    """Make every weight positive and small, so that no activation saturates and gradients show receptive fields."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().mul_(0.05 if parameter.ndim > 1 else 1)
    return network.eval()


def centre_of_sight(features: Callable[[Tensor], Tensor], cell: int, side: int) -> float:
    """The centre of gravity, in pixels along a row, of what one cell's activation depends on."""
    image = torch.rand(1, 3, side, side, generator=seeded(), requires_grad=True)  # no ties for max pooling
    features(image)[0, :, cell, cell].sum().backward()
    assert image.grad is not None
    weight = image.grad.abs().sum((0, 1, 2))
    return float((weight * torch.arange(side)).sum() / weight.sum())


def test_the_teachers_cells_look_31_pixels_further_than_a_torchvision_networks() -> None:
    torch.manual_seed(0)
    teacher = positive(Teacher())
    assert centre_of_sight(teacher.features, 8, 576) == pytest.approx(32 * 8 + 31, abs=1)
    network = positive(torchvision.models.resnet18())
    stages = nn.Sequential(*list(network.children())[:-2])
    assert centre_of_sight(stages, 8, 544) == pytest.approx(32 * 8, abs=1)


def test_the_whole_photo_gives_the_teachers_mean() -> None:
    features = torch.randn(3, 7, 7, 5, generator=seeded())
    pooled = targets.pooled_targets(features, WHOLE.expand(3, 4))
    torch.testing.assert_close(pooled, features.mean((1, 2)), atol=1e-6, rtol=1e-5)


def test_a_crop_within_one_cell_gives_that_cell() -> None:
    features = torch.randn(1, 7, 7, 5, generator=seeded())
    box = torch.tensor([[(32 * 2 + 25) / 224, (32 * 4 + 25) / 224, 10 / 224, 10 / 224]])
    torch.testing.assert_close(targets.pooled_targets(features, box), features[:, 4, 2])


def test_a_flipped_crop_has_the_same_answer_and_a_flipped_crop_of_pixels() -> None:
    features = torch.randn(1, 7, 7, 5, generator=seeded())
    pixels = torch.rand(1, 3, 40, 40, generator=seeded())
    box, flipped = torch.tensor([[0.2, 0.1, 0.5, 0.6]]), torch.tensor([[0.7, 0.1, -0.5, 0.6]])
    torch.testing.assert_close(targets.pooled_targets(features, box), targets.pooled_targets(features, flipped))
    torch.testing.assert_close(targets.crop(pixels, flipped, 20), targets.crop(pixels, box, 20).flip(3))


@pytest.mark.parametrize("size", [32, 48, 96])
def test_crops_equal_pillows_bilinear_resizing(size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    box = (6.0, 10.5, 40.0, 46.0)
    wanted = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, box=box))
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    left, top, right, bottom = (edge / 48 for edge in box)
    found = targets.crop(tensor, torch.tensor([[left, top, right - left, bottom - top]]), size)[0].permute(1, 2, 0)
    inner = slice(2, -2)  # at the box's own edge Pillow stops, and a crop of a larger photo goes on
    assert np.abs(found.numpy() - wanted)[inner, inner].max() < 1.5


def test_the_whole_photo_at_its_own_size_is_itself() -> None:
    pixels = torch.rand(1, 3, 32, 32, generator=seeded())
    torch.testing.assert_close(targets.crop(pixels, WHOLE, 32), pixels, atol=1e-5, rtol=0)


def test_random_boxes_lie_on_the_photo_and_have_the_area_asked_for() -> None:
    boxes = targets.random_boxes(2000, (0.3, 0.6), seeded())
    left, top, width, height = boxes.T
    low, high = torch.minimum(left, left + width), torch.maximum(left, left + width)
    assert low.min() > -1e-6
    assert high.max() < 1 + 1e-6
    assert top.min() >= 0
    assert (top + height).max() < 1 + 1e-6
    area = width.abs() * height
    assert 0.3 - 1e-6 < area.min() < 0.31
    assert 0.59 < area.max() < 0.6 + 1e-6
    assert 0.45 < (width < 0).float().mean() < 0.55
