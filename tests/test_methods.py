import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import METHODS, Engine, Model, Trace, method
from engine.errors import QuestionError
from tests.networks import seeded, small

# (network, input size, what guided backprop says of it: "" where it can be done)
FAMILIES = [
    ("resnet18", 96, ""), ("vgg16", 64, ""), ("densenet121", 96, ""), ("googlenet", 96, ""), ("inception_v3", 96, ""),
    ("mobilenet_v2", 96, ""), ("mobilenet_v3_small", 96, "Hardswish"), ("efficientnet_b0", 96, "SiLU"),
    ("squeezenet1_1", 96, ""), ("shufflenet_v2_x1_0", 96, ""), ("regnet_x_400mf", 96, ""), ("mnasnet1_0", 96, ""),
    ("convnext_tiny", 96, "GELU"), ("alexnet", 96, ""), ("swin_t", 96, "GELU"), ("vit_b_16", 224, "GELU"),
    ("maxvit_t", 224, "GELU"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size", "refusal"), FAMILIES)
def test_every_method_works_on_every_family(
    shared: Engine, torchvision_model: Callable[[str], Model], photo: Image.Image, name: str, size: int, refusal: str
) -> None:
    trace = shared.trace(torchvision_model(name), photo, size)
    for known in METHODS:
        if known.id == "guided-backprop" and refusal:
            with pytest.raises(QuestionError, match=f"this network uses {refusal}"):
                shared.explain(trace, known.id)
            continue
        found = shared.explain(trace, known.id)
        layer = next(layer for layer in trace.layers if layer.name == found.layer)
        grid = (layer.height, layer.width) if known.grid == "layer" else (size, size)
        assert found.values.shape == grid, known.id
        assert found.values.dtype == np.float32
        assert np.isfinite(found.values).all()
        assert known.signed or found.values.min() >= 0
        assert found.values.any() or "no positive evidence" in found.notes


def test_ids_are_unique_and_found() -> None:
    assert len({known.id for known in METHODS}) == len(METHODS)
    assert all(method(known.id) is known for known in METHODS)
    with pytest.raises(QuestionError, match="gradcam, contrastive-saliency"):
        method("grad-cam")


def test_every_method_says_what_it_asks() -> None:
    for known in METHODS:
        assert known.asks.endswith("?")
        assert known.sentence.endswith(".")
        words = known.asks + known.for_ + known.against + known.sentence
        assert words.format(P="cat", Q="dog")
        assert ("{Q}" in known.asks) == known.needs_foil
        assert bool(known.against) == known.signed
        assert known.source


SALIENCY = [(option.name, choice) for option in method("contrastive-saliency").options for choice in option.choices]


@pytest.mark.parametrize(("name", "choice"), SALIENCY)
def test_every_choice_of_every_option_has_an_effect(wide: tuple[Engine, Trace], name: str, choice: Any) -> None:
    engine, trace = wide
    option = next(o for o in method("contrastive-saliency").options if o.name == name)
    found = engine.explain(trace, "contrastive-saliency", "stem.2", **{name: choice}).values
    for other in option.choices:
        same = np.array_equal(found, engine.explain(trace, "contrastive-saliency", "stem.2", **{name: other}).values)
        assert same == (other is choice)
    assert found.any()


@pytest.mark.parametrize("known", METHODS, ids=lambda known: known.id)
def test_fact_and_foil_matter_exactly_where_they_are_asked_about(wide: tuple[Engine, Trace], known: Any) -> None:
    engine, trace = wide
    first = engine.explain(trace, known.id, "middle", fact=1, foil=2).values
    other_fact = engine.explain(trace, known.id, "middle", fact=3, foil=2).values
    other_foil = engine.explain(trace, known.id, "middle", fact=1, foil=4).values
    depends_on_fact = known.id in ("gradcam", "counterfactual", "confidence", "guided-backprop")
    assert np.array_equal(first, other_fact) != depends_on_fact
    assert np.array_equal(first, other_foil) != known.needs_foil


def test_options_are_completed_with_their_defaults() -> None:
    saliency = method("contrastive-saliency")
    assert saliency.complete({}) == {option.name: option.default for option in saliency.options}
    assert saliency.complete({"vectors": 4})["vectors"] == 4
    assert method("gradcam").complete({}) == {}


def test_an_option_is_the_choice_itself() -> None:
    chosen = method("contrastive-saliency").complete({"vectors": 8.0, "activation": 1, "even": np.False_})
    assert [type(chosen[name]) for name in ("vectors", "activation", "even")] == [int, bool, bool]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("gradcam", {"vectors": 8}, "Grad-CAM has no option “vectors”; it has none"),
        ("contrastive-saliency", {"vector": 8}, "its options are conflict, vectors"),
        ("contrastive-saliency", {"vectors": 3}, "cannot be “3”; choose one of 1, 2, 4, 8"),
        ("contrastive-saliency", {"vectors": "8"}, "cannot be “8”"),
        ("contrastive-saliency", {"conflict": ["all"]}, "choose one of all, exact"),
        ("contrastive-saliency", {"conflict": None}, "cannot be “None”"),
    ],
)
def test_a_wrong_option_is_told(name: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        method(name).complete(given)


def test_readings_have_names_of_their_own() -> None:
    """They are part of a map's key in the cache."""
    readings = {known.reading for known in METHODS}
    assert len({reading.__name__ for reading in readings}) == len(readings)
    assert all(inspect.isfunction(reading) and reading.__name__ != "<lambda>" for reading in readings)


@pytest.fixture(scope="module")
def wide(photo: Image.Image) -> tuple[Engine, Trace]:
    """A network with ninety classes and no closed form."""
    engine = Engine(device="cpu")
    return engine, engine.trace(engine.wrap(seeded(lambda: small(90, "two")), size=64), photo)
