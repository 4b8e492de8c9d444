"""Where cells lie on the photo: found on the network itself, for kernels whose centres are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from engine import Engine
from engine.errors import ModelError
from engine.geometry import extent, origin
from engine.layers import stride
from engine.maps import WHOLE
from engine.render import enlarge


def seeded(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3)).eval()


def padded() -> nn.Module:
    return seeded(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1)
    )


def pooled() -> nn.Module:
    stage = [nn.Conv2d(3, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)]
    return seeded(*stage, nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, 1, 1))


def patches() -> nn.Module:
    return seeded(nn.Conv2d(3, 16, 8, 8))


@pytest.mark.parametrize(("network", "centre"), [(padded, 0.5), (pooled, 2.0), (patches, 4.0)])
@pytest.mark.parametrize("side", [64, 65, 96])
def test_the_first_cell_lies_where_its_kernels_put_it(network, centre: float, side: int) -> None:
    module = network()
    module(torch.zeros(1, 3, side, side))
    assert origin(module, "0", torch.zeros(1, 3, side, side)) == (centre, centre)


def test_a_network_that_cannot_see_noise_is_a_sentence() -> None:
    class Fussy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no")

    with pytest.raises(ModelError, match=r"where its cells lie\.$"):
        origin(nn.Sequential(Fussy()), "0", torch.zeros(1, 3, 64, 64))


def test_known_networks() -> None:
    engine = Engine()
    photo = Image.new("RGB", (64, 64), "red")
    trace = engine.trace(engine.load("resnet18", "random"), photo, 224)
    left, top, right, bottom = engine.explain(trace, "gradcam", "layer4").extent
    np.testing.assert_allclose([left * 224, top * 224, right * 224, bottom * 224], [-15.5, -15.5, 208.5, 208.5])
    assert engine.explain(trace, "guided-backprop").extent == WHOLE


@given(st.integers(1, 14), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_cells_that_fill_the_input_fill_the_photo(cells: int, step: int) -> None:
    assert stride(cells * step, cells) == step
    assert extent((step / 2, step / 2), (cells, cells), (cells * step, cells * step)) == WHOLE


@given(st.integers(2, 9), st.integers(0, 8), st.floats(-0.2, 0.2), st.floats(0.8, 1.2))
def test_an_enlarged_cell_peaks_at_its_centre(cells: int, cell: int, begin: float, end: float) -> None:
    cell %= cells
    values = np.zeros((1, cells), np.float32)
    values[0, cell] = 1
    centre = begin + (cell + 0.5) / cells * (end - begin)
    large = enlarge(values, 1000, 1, (begin, 0, end, 1))[0]
    if 0 < centre < 1:
        assert large[int(centre * 1000)] >= 0.98
    assert large.min() >= 0 and large.max() <= 1 + 1e-6


def test_a_constant_map_stays_constant_wherever_it_lies() -> None:
    large = enlarge(np.full((3, 4), 2.5, np.float32), 50, 40, (-0.1, 0.2, 0.7, 0.9))
    np.testing.assert_allclose(large, 2.5, rtol=1e-6)
