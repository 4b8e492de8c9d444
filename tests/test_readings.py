from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from engine import Engine, Map, Trace
from engine.questions import one_hot
from engine.readings import _evened, _peakedness
from engine.render import enlarge
from tests.networks import assert_same, seeded, small

LAYERS = ("stem", "middle", "last", "middle.0")


@pytest.fixture(scope="module")
def wide(photo: Image.Image) -> Trace:
    """Ninety classes: above the number up to which all foils are taken exactly."""
    engine = Engine(device="cpu")
    return engine.trace(engine.wrap(seeded(lambda: small(90, "two")), size=64), photo)


def values(trace: Trace, method: str, layer: str = "middle", **given: Any) -> Tensor:
    if method == "contrastive-saliency":
        given = {"even": False} | given
    return torch.from_numpy(Engine(device="cpu").explain(trace, method, layer, **given).values.copy())


def class_map(trace: Trace, layer: str, c: int) -> Tensor:
    """Grad-CAM by its definition (Selvaraju 2017), from a gradient of its own."""
    gradient = trace.vjp(layer, torch.eye(len(trace.logits))[c])
    return (gradient.mean((1, 2))[:, None, None] * trace.activation(layer)).sum(0)


@settings(max_examples=60)
@given(st.integers(0, 6), st.integers(0, 6), st.sampled_from(LAYERS))
def test_contrast_is_the_mean_class_map_less_the_foils(small_trace: Trace, fact: int, foil: int, layer: str) -> None:
    p = small_trace.probabilities
    expected = sum(p[c] * class_map(small_trace, layer, c) for c in range(7)) - class_map(small_trace, layer, foil)
    found = values(small_trace, "contrast", layer, fact=fact, foil=foil)
    scale = float(class_map(small_trace, layer, foil).norm())  # the difference itself may be near zero
    assert float((found - expected).norm()) <= 1e-5 * scale


@pytest.mark.parametrize("layer", LAYERS)
def test_every_cam_is_its_sum_of_class_maps(small_trace: Trace, layer: str) -> None:
    p = small_trace.probabilities
    maps = torch.stack([class_map(small_trace, layer, c) for c in range(7)])
    answer = torch.einsum("n,nhw->hw", p, maps)
    expected = {
        "gradcam": maps[2], "counterfactual": -maps[2], "confidence": answer - maps[2],
        "contrast-mean": answer - maps.mean(0),
        "contrast-variance": torch.stack([answer - m for m in maps]).var(0, correction=0),
    }  # fmt: skip
    for method, wanted in expected.items():
        assert_same(values(small_trace, method, layer, fact=2), wanted, 1e-4)


def test_the_variance_over_many_classes_is_estimated(wide: Trace) -> None:
    exact = wide.class_maps("middle").var(0, correction=0)
    estimate = values(wide, "contrast-variance")
    assert np.corrcoef(exact.flatten(), estimate.flatten())[0, 1] > 0.95
    assert float(estimate.mean() / exact.mean()) == pytest.approx(1, abs=0.3)


def contrastive_variance(trace: Trace, layer: str, foils: list[int]) -> Tensor:
    """Var_Q of dCE(z, Q)/dA over the foils, (C, h, w), a gradient of the loss for each."""
    p = trace.probabilities
    gradients = [trace.vjp(layer, p - torch.eye(len(p))[foil]) for foil in foils]
    return torch.stack(gradients).var(0, correction=0)


@pytest.mark.parametrize("layer", LAYERS)
def test_contrastive_saliency_is_the_weighed_variance_over_all_foils(small_trace: Trace, layer: str) -> None:
    variance = contrastive_variance(small_trace, layer, list(range(7)))
    activation = small_trace.activation(layer)
    expected = peaked_sum(activation.square() * variance)
    assert_same(values(small_trace, "contrastive-saliency", layer, conflict="exact", later=False), expected)


def peaked_sum(maps: Tensor) -> Tensor:
    """The sum over channels, each weighed by its deviation over its mean, which ends at 0.01."""
    flat = maps.flatten(1)
    weights = (flat.std(1, correction=0) / flat.mean(1)).nan_to_num(0).square().add(1e-4).sqrt()
    return (maps * weights[:, None, None]).sum(0)


@pytest.mark.parametrize(
    ("options", "statistic"),
    [
        ({}, lambda v, a: peaked_sum(v * a**2)),
        ({"activation": False}, lambda v, a: peaked_sum(v)),
        ({"foils": "deviation"}, lambda v, a: peaked_sum(v.sqrt() * a.abs())),
        ({"foils": "deviation", "activation": False}, lambda v, a: peaked_sum(v.sqrt())),
        ({"channels": "sum"}, lambda v, a: (v * a**2).sum(0)),
        ({"channels": "maximum"}, lambda v, a: (v * a**2).amax(0)),
        ({"channels": "deviation"}, lambda v, a: (v * a**2).std(0, correction=0)),
    ],
)
def test_every_statistic_is_what_it_is_called(small_trace: Trace, options: dict[str, Any], statistic: Any) -> None:
    expected = statistic(contrastive_variance(small_trace, "middle", list(range(7))), small_trace.activation("middle"))
    found = values(small_trace, "contrastive-saliency", conflict="exact", **options)
    assert_same(found, expected)


def test_chosen_foils_are_those_of_the_answer(wide: Trace) -> None:
    order = [index for index, _, _ in wide.answer.top(90)]
    for conflict, foils in (("likely", order[1:5]), ("least", order[-4:])):
        expected = (contrastive_variance(wide, "middle", foils) * wide.activation("middle").square()).sum(0)
        found = values(wide, "contrastive-saliency", conflict=conflict, vectors=4, channels="sum")
        assert_same(found, expected)


def test_more_vectors_come_nearer_to_the_exact_map(wide: Trace) -> None:
    exact = values(wide, "contrastive-saliency", conflict="exact").flatten()
    agreement = [
        np.corrcoef(values(wide, "contrastive-saliency", vectors=count).flatten(), exact)[0, 1] for count in (1, 8, 32)
    ]
    assert agreement[0] < agreement[1] < agreement[2]
    assert agreement[2] > 0.97


def test_eight_vectors_agree_with_all_foils_on_resnet18(shared: Engine, photo: Image.Image) -> None:
    module = seeded(lambda: torchvision.models.resnet18(num_classes=200))
    trace = shared.trace(shared.wrap(module, size=96), photo)
    exact = shared.explain(trace, "contrastive-saliency", conflict="exact")
    assert (exact.layer, exact.notes) == ("layer2", ("joined with layer3",))
    for vectors, least in ((8, 0.95), (32, 0.98)):
        estimate = shared.explain(trace, "contrastive-saliency", vectors=vectors)
        assert np.corrcoef(exact.values.flatten(), estimate.values.flatten())[0, 1] > least


def test_evening_out_takes_a_checkerboard_away_and_leaves_what_is_smooth() -> None:
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(10), indexing="ij")
    checkerboard, ramp = ((rows + columns) % 2).float()[None], (2.0 * rows + columns)[None]
    assert_same(_evened(checkerboard)[:, 1:-1, 1:-1], torch.full((1, 6, 8), 0.5))
    assert_same(_evened(ramp)[:, 1:-1, 1:-1], ramp[:, 1:-1, 1:-1])


def test_a_channel_with_one_strong_place_comes_before_one_that_is_strong_everywhere() -> None:
    maps = torch.ones(2, 6, 8)
    maps[1] = 0.01
    maps[1, 2, 3] = 1
    even, peaked = _peakedness(maps).tolist()
    assert even == pytest.approx(0.01) and peaked > 1
    constant = _peakedness(torch.rand(5, 1, 1).expand(5, 6, 8) * 1e-12)
    assert_same(constant, torch.full((5,), 0.01))
    for scale in (7, 1e-30):
        assert_same(_peakedness(maps * scale), _peakedness(maps))
    assert bool(torch.isfinite(_peakedness(torch.zeros(1, 3, 3))).all())


def test_later_stages_join_where_they_look_on_the_photo(shared: Engine, photo: Image.Image) -> None:
    module = seeded(lambda: torchvision.models.resnet18(num_classes=200))
    trace = shared.trace(shared.wrap(module, size=96), photo)

    def asked(layer: str, later: bool) -> Map:
        return shared.explain(trace, "contrastive-saliency", layer, later=later)

    alone = [asked(layer, False) for layer in ("layer1", "layer2", "layer3")]
    big = [enlarge(one.values / one.values.mean(), 480, 480, one.extent) for one in alone]
    joined = asked("layer1", True)
    assert joined.extent == alone[0].extent
    assert joined.values.mean() == pytest.approx(1, abs=0.05)
    found = enlarge(joined.values, 480, 480, joined.extent)
    inner = (slice(60, -60), slice(60, -60))  # towards the border a fine grid holds what a coarse one cannot reach
    assert np.corrcoef(found[inner].ravel(), np.mean(big, axis=0)[inner].ravel())[0, 1] > 0.98
    np.testing.assert_array_equal(asked("layer3", True).values, alone[2].values)


@pytest.mark.parametrize("layer", LAYERS)
def test_features_are_the_mean_absolute_activation(small_trace: Trace, layer: str) -> None:
    assert_same(values(small_trace, "features", layer), small_trace.activation(layer).abs().mean(0))


def test_guided_backprop_is_the_largest_channel_of_the_guided_gradient(small_trace: Trace) -> None:
    gradient = small_trace.input_gradient(torch.eye(7)[3], guided=True)
    assert_same(values(small_trace, "guided-backprop", fact=3), gradient.abs().amax(0))
    assert not torch.allclose(gradient, small_trace.input_gradient(torch.eye(7)[3], guided=False))


def test_a_class_map_is_shared_by_all_questions_that_need_it(small_trace: Trace) -> None:
    values(small_trace, "contrast", "middle", fact=0, foil=5)
    assert (*small_trace.key, ("cam", "middle", one_hot(5))) in small_trace._cache
