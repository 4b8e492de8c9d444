import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine import METHODS, Engine, Map, Model, Trace
from engine.engine import ENTRY_BYTES
from engine.errors import ExplorerError, LayerError, ModelError, QuestionError
from engine.images import decode
from tests.networks import seeded, small

ASKED = ("gradcam", "contrast", "contrastive-saliency", "contrast-variance", "guided-backprop", "features")


def grey(side: int = 64, value: int = 128) -> Image.Image:
    return Image.new("RGB", (side, side), (value, value, value))


class Counting(nn.Module):
    """Counts its forward passes."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.passes = body, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.body(x)


# --- results -------------------------------------------------------------------------------------------------


def test_results_cannot_be_changed(shared: Engine, small_trace: Trace) -> None:
    found = shared.explain(small_trace, "contrast")
    assert not found.values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        found.values[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.values.flags.writeable = True
    with pytest.raises(FrozenInstanceError):
        found.fact = 3  # type: ignore[misc]
    assert found.positive.flags.owndata


def test_a_map_tells_what_was_asked(shared: Engine, small_trace: Trace) -> None:
    found = shared.explain(small_trace, "contrastive-saliency", "middle", fact=2, foil=3, vectors=4)
    assert (found.method, found.layer, found.fact, found.foil, found.signed) == (
        "contrastive-saliency", "middle", 2, 3, False,
    )  # fmt: skip
    assert dict(found.options)["vectors"] == 4
    assert found.milliseconds > 0


def test_without_a_word_the_answer_and_the_runner_up_are_asked_about(shared: Engine, small_trace: Trace) -> None:
    found = shared.explain(small_trace, "contrast")
    (fact, _, _), (foil, _, _) = small_trace.answer.top(2)
    assert (found.fact, found.foil, found.layer) == (fact, foil, "last")
    assert shared.explain(small_trace, "features").layer == "middle"
    saliency = shared.explain(small_trace, "contrastive-saliency")
    assert (saliency.layer, saliency.notes) == ("stem.2", ("joined with middle",))


def test_positive_is_the_part_above_zero() -> None:
    found = map_of([[-1.0, 3.0]])
    assert found.positive.tolist() == [[0, 3]]
    assert found.positive_share == 0.75
    assert map_of([[0.0, 0.0]]).positive_share == 0


def map_of(values: list[list[float]]) -> Map:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), grey())
    return replace(engine.explain(trace, "gradcam"), values=np.array(values, np.float32))


# --- wrong questions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "grad-cam"}, QuestionError, "no method “grad-cam”"),
        ({"layer": "layer9"}, LayerError, "no explainable layer named “layer9”"),
        ({"layer": "head"}, LayerError, "no explainable layer"),
        ({"fact": 7}, QuestionError, "no class 7: this network knows the classes 0 to 6"),
        ({"fact": -1}, QuestionError, "no class -1"),
        ({"foil": 7}, QuestionError, "no class 7"),
        ({"foil": 1.5}, QuestionError, "no class 1.5"),
        ({"vectors": 8}, QuestionError, "has no option"),
    ],
)
def test_a_wrong_question_is_a_sentence(
    shared: Engine, small_trace: Trace, arguments: dict[str, Any], error: type[ExplorerError], words: str
) -> None:
    with pytest.raises(error, match=words):
        shared.explain(small_trace, **{"name": "gradcam"} | arguments)


# --- the cache -----------------------------------------------------------------------------------------------


def test_one_pass_for_a_photo_and_none_for_a_foil(photo: Image.Image) -> None:
    engine, module = Engine(device="cpu"), Counting(seeded(small))
    model = engine.wrap(module, [f"{c}" for c in range(7)], size=64)
    for name in ("gradcam", "contrastive-saliency"):
        engine.explain(engine.trace(model, grey()), name)  # what is found out about the network itself, once
    before = module.passes
    trace = engine.trace(model, photo)
    assert engine.trace(model, photo.copy()) is trace
    for foil in range(7):
        for name in ("gradcam", "contrast", "contrastive-saliency"):
            engine.explain(trace, name, foil=foil, fact=foil)
    assert module.passes == before + 1


def test_the_same_question_is_answered_from_the_cache(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photo)
    first, second = engine.explain(trace, "contrast"), engine.explain(trace, "contrast")
    assert (first.cached, second.cached) == (False, True)
    assert first.values is second.values


def test_photos_networks_and_sizes_do_not_mix(photos: list[Image.Image]) -> None:
    engine = Engine(device="cpu")
    models = [engine.wrap(seeded(small, seed), size=64) for seed in (0, 1)]
    found = [
        engine.explain(engine.trace(model, image, size), "gradcam", "middle", fact=1).values.tobytes()
        for model in models for image in photos[:2] for size in (64, 96)
    ]  # fmt: skip
    assert len(set(found)) == 8


def test_preprocessing_is_part_of_a_network(photo: Image.Image) -> None:
    engine, module = Engine(device="cpu"), seeded(small)
    plain, mirrored = (engine.wrap(module, size=64, preprocess=how) for how in (pixels, lambda i: pixels(i).flip(-1)))
    maps = [engine.explain(engine.trace(model, photo), "features", "middle").values for model in (plain, mirrored)]
    assert not np.allclose(*maps)


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image.resize((64, 64)), dtype=np.float32) / 255).permute(2, 0, 1)


def test_every_kind_of_source_is_the_same_photo(photo: Image.Image, tmp_path: Any) -> None:
    engine = Engine(device="cpu")
    model = engine.wrap(seeded(small), size=64)
    path = tmp_path / "cat.png"
    photo.save(path)
    sources = [photo, path, str(path), path.read_bytes(), decode(path)]
    assert len({id(engine.trace(model, source)) for source in sources}) == 1


def test_a_cache_that_holds_nothing_changes_no_result(photo: Image.Image) -> None:
    results = []
    for limit in (0, 60_000, 512 * 2**20):
        engine = Engine(memory_limit=limit, device="cpu")
        trace = engine.trace(engine.wrap(seeded(small), size=64), photo)
        results.append([engine.explain(trace, name, "middle").values for name in ASKED])
        assert engine.cache_bytes <= limit
    for others in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], others, strict=True))


def test_a_forgotten_photo_leaves_no_memory(photos: list[Image.Image]) -> None:
    engine = Engine(memory_limit=1, device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64), photos[0])
    engine.explain(trace, "contrast")
    kept = weakref.ref(trace.activation("last").untyped_storage())
    ends = weakref.ref(trace)
    del trace
    assert ends() is None, "no cycle keeps a pass alive until the garbage collector comes"
    assert kept() is None


def test_memory_stops_growing_after_200_photos() -> None:
    limit = 2**20
    engine = Engine(memory_limit=limit, device="cpu")
    model = engine.wrap(seeded(small), size=64)
    generator = np.random.default_rng(0)

    def alive_after(photos: int) -> tuple[int, int]:
        for _ in range(photos):
            image = Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8))
            trace = engine.trace(model, image)
            for foil in range(3):
                engine.explain(trace, "contrast", foil=foil)
            assert engine.cache_bytes <= limit
        del trace
        gc.collect()
        alive = gc.get_objects()
        return len(alive), sum(t.nbytes for t in alive if issubclass(type(t), Tensor))

    alive_after(50)
    assert engine.cache_bytes > 0.7 * limit, "the cache is full, so it has to forget"
    objects, held = alive_after(50)
    more_objects, more_held = alive_after(100)
    assert more_objects - objects < 100  # less than one a photo
    assert more_held - held < limit


def test_a_judgement_that_was_left_goes_on_and_goes_with_the_photo() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    photo, engine = decode(Image.fromarray(noise)), Engine(device="cpu")
    told: list[float] = []

    def leave(share: float) -> None:
        told.append(share)
        if share:
            raise InterruptedError

    def left() -> float:
        with pytest.raises(InterruptedError):
            engine.quality(photo, stride=4, progress=leave)
        return told[-1]

    first, second = left(), left()
    assert 0 < first < second, "it went on where it was left"
    held = engine.cache_bytes
    assert held > photo.pixels.nbytes, "what is held counts"
    engine.forget(photo.digest)
    assert engine.cache_bytes < held, "nothing of it stays"
    assert left() == first
    result = engine.quality(photo, stride=4)
    assert result.score == Engine(device="cpu").quality(photo, stride=4).score
    begun = engine.cache_bytes - ENTRY_BYTES - result.nbytes
    assert begun == 0, "of what is finished only the result is kept"


# --- threads -------------------------------------------------------------------------------------------------


def test_eight_threads_give_what_one_gives(photos: list[Image.Image]) -> None:
    def answers(engine: Engine, model: Model, turn: int) -> list[bytes]:
        trace = engine.trace(model, photos[turn % 4])
        found = [engine.explain(trace, name, foil=turn % 7).values.tobytes() for name in ASKED]
        surprise = engine.surprisal(trace, "middle", [turn % 7]).values.tobytes()
        return [*found, surprise, trace.answer.logits.tobytes()]

    alone = Engine(device="cpu")
    model = alone.wrap(seeded(small), size=64)
    expected = [answers(alone, model, turn) for turn in range(32)]
    for limit in (2**29, 300_000):  # also while photos are forgotten
        together = Engine(memory_limit=limit, device="cpu")
        model = together.wrap(seeded(small).train(), size=64)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(partial(answers, together, model), range(32))) == expected
        assert together.cache_bytes <= limit
        assert all(part.training and not part._forward_hooks for part in model.module.modules())


# --- numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("name", [known.id for known in METHODS])
def test_a_constant_photo_has_finite_maps(shared: Engine, small_model: Model, value: int, name: str) -> None:
    found = shared.explain(shared.trace(small_model, grey(value=value)), name)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("name", ["gradcam", "contrast", "contrastive-saliency", "contrast-variance", "features"])
def test_a_dead_layer_gives_an_empty_map_with_its_label(photo: Image.Image, name: str) -> None:
    module = seeded(small)
    with torch.no_grad():
        module.get_parameter("middle.1.bias").fill_(-1e6)  # behind its ReLU nothing is left
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(module, size=64), photo)
    found = engine.explain(trace, name, "middle")
    assert not found.values.any()
    assert "no positive evidence" in found.notes


def test_a_foil_that_is_the_fact_is_said(shared: Engine, small_trace: Trace) -> None:
    found = shared.explain(small_trace, "contrast", fact=2, foil=2)
    assert "Q equals P" in found.notes
    assert np.array_equal(found.values, shared.explain(small_trace, "confidence", fact=2).values)
    assert "Q equals P" not in shared.explain(small_trace, "contrast", fact=2, foil=3).notes
    assert "Q equals P" not in shared.explain(small_trace, "gradcam", fact=2, foil=2).notes


def test_an_estimate_is_said(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(lambda: small(90)), size=64), photo)
    assert "estimated" in " ".join(engine.explain(trace, "contrast-variance", "middle").notes)
    assert not engine.explain(trace, "contrast-variance", "last").notes  # the closed form is exact


@pytest.mark.parametrize("classes", [1, 2, 20_000])
def test_any_number_of_classes(photo: Image.Image, classes: int) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(lambda: small(classes)), size=64), photo)
    assert len(trace.answer.names) == classes
    for known in METHODS:
        found = engine.explain(trace, known.id)
        assert np.isfinite(found.values).all()
        if classes == 1:
            assert found.fact == found.foil == 0
            assert not known.needs_foil or "Q equals P" in found.notes
    if classes == 1:
        with pytest.raises(QuestionError, match="one class only"):
            engine.explain(trace, "contrastive-saliency", conflict="likely")
    if classes == 20_000:
        with pytest.raises(QuestionError, match="20,000"):
            engine.explain(trace, "contrastive-saliency", conflict="exact")


def test_gradients_that_overflow_are_a_sentence(photo: Image.Image) -> None:
    class Steep(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 1e30).tanh() * 1e30

    body = seeded(small)
    module = nn.Sequential(body.stem, Steep(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        for part in body.stem.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.zero_()
                part.bias.fill_(1e-35)
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(module, size=64), photo)
    with pytest.raises(ModelError, match="overflow"):
        engine.explain(trace, "contrastive-saliency", "0.1", activation=False)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_does_not_matter(
    shared: Engine, small_trace: Trace, photo: Image.Image, mode: Callable[[], Any]
) -> None:
    engine = Engine(device="cpu")
    model = engine.wrap(seeded(small), size=64)
    with mode():
        trace = engine.trace(model, photo)
        found = [engine.explain(trace, known.id) for known in METHODS]
        surprise = engine.surprisal(trace)
    for known, one in zip(METHODS, found, strict=True):
        expected = shared.explain(small_trace, known.id)
        np.testing.assert_allclose(one.values, expected.values, rtol=1e-5, atol=1e-6 * abs(expected.values).max())
        assert one.layer == expected.layer
    assert not trace.inputs.is_inference()
    np.testing.assert_allclose(surprise.values, shared.surprisal(small_trace).values, rtol=1e-5)


def test_all_layers_at_once_equal_one_at_a_time(photo: Image.Image) -> None:
    together, alone = Engine(device="cpu"), Engine(device="cpu")
    traces = [engine.trace(engine.wrap(seeded(small), size=64), photo) for engine in (together, alone)]
    for name in ("contrast", "contrastive-saliency"):
        maps = together.explain_layers(traces[0], name, foil=3)
        assert list(maps) == ["stem.2", "middle", "last"]
        for layer, found in maps.items():
            expected = alone.explain(traces[1], name, layer, foil=3)
            np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5 * abs(expected.values).max())
            assert (found.layer, found.foil) == (layer, 3)


def test_chosen_layers_at_once_are_those_and_equal_one_at_a_time(photo: Image.Image) -> None:
    together, alone = Engine(device="cpu"), Engine(device="cpu")
    traces = [engine.trace(engine.wrap(seeded(small), size=64), photo) for engine in (together, alone)]
    maps = together.explain_layers(traces[0], "contrast", foil=3, layers=["last", "stem.0"])
    assert list(maps) == ["last", "stem.0"]
    for layer, found in maps.items():
        expected = alone.explain(traces[1], "contrast", layer, foil=3)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5 * abs(expected.values).max())


def test_a_whole_network_of_the_tutorial(torchvision_model: Callable[[str], Model], photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    trace = engine.trace(torchvision_model("resnet18"), photo, 96)
    maps = [engine.explain(trace, "contrast", foil=foil) for foil in (281, 285)]
    assert all(found.values.shape == (3, 3) for found in maps)
    assert not np.array_equal(maps[0].values, maps[1].values)
