"""Convolutions by products: the plain convolution's values and gradients, under the same names."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from engine.training.products import by_products


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [(1, 1), (3, 3), (5, 4), (10, 7)])
def test_values_and_gradients_are_the_plain_ones(stride: int, side: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Sequential(nn.Conv2d(6, 9, 3, stride, padding=1, bias=False))).double()
    changed = copy.deepcopy(plain)
    by_products(changed)
    assert changed.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(2, 6, *side, dtype=torch.float64)
    outcomes = []
    for network in (plain, changed):
        seen = x.clone().requires_grad_()
        y = network(seen)
        (y * torch.arange(y.numel()).view_as(y)).sum().backward()
        outcomes.append((y, seen.grad, network[0][0].weight.grad))
    for expected, found in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected)


def test_a_stage_of_resnet_keeps_its_answers_and_its_plain_parts() -> None:
    torch.manual_seed(1)
    plain = torchvision.models.resnet18(num_classes=3).eval().double()
    changed = copy.deepcopy(plain)
    by_products(changed.layer4)
    assert changed.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(changed(x), plain(x))
    kinds = [type(part).__name__ for part in changed.layer4.modules() if isinstance(part, nn.Conv2d)]
    assert kinds.count("ProductConv2d") == 4 and kinds.count("Conv2d") == 1  # the shortcut is 1 x 1


def test_other_convolutions_are_refused() -> None:
    with pytest.raises(ValueError, match="3 x 3"):
        by_products(nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False, groups=2))))
