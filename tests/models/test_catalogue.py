import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from engine import Engine, Model
from engine.capture import footprint
from engine.errors import ImageError, ModelError, WeightsError
from engine.geometry import PERIOD, origin
from engine.models import catalogue
from engine.models.model import squared
from engine.models.resnet18 import resnet18
from engine.models.weights import sha256
from tests.networks import seeded, small

CPU = torch.device("cpu")


def saved(path: Path, module: nn.Module, half: bool = False, **metadata: str) -> Path:
    state = {name: value.half() if half and value.is_floating_point() else value.clone()
             for name, value in module.state_dict().items()}  # fmt: skip
    save_file(state, path, metadata)
    return path


def test_names_begin_with_the_embedded_and_the_tutorials_networks() -> None:
    names = catalogue.names()
    assert names[:6] == ("embedded", "resnet18", "resnet34", "resnet50", "resnet101", "vgg16")
    assert len(set(names)) == len(names) > 60
    assert sorted(names[1:]) == torchvision.models.list_models(module=torchvision.models)


@pytest.mark.parametrize("classes", [3, 22])
def test_the_own_resnet_is_torchvisions_bit_for_bit(classes: int) -> None:
    theirs = seeded(lambda: torchvision.models.resnet18(num_classes=classes))
    ours = seeded(lambda: resnet18(classes))
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    photo = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours.eval()(photo), theirs.eval()(photo))


def test_what_is_known_of_the_embedded_network_beforehand_is_so(shared: Engine) -> None:
    model = shared.load()
    for side in (*model.sizes, 1024):
        photo = torch.zeros(1, 3, side, side)
        need = footprint(model.module, photo)
        assert need is not None and need <= model.pixel_bytes * side**2 <= 1.1 * need
    untrained = shared.load(weights="random").module  # trained weights may look more to one side than to the other
    for side in model.sizes:
        for layer in model.layers(side):
            if layer.principal:
                found = origin(untrained, layer.name, torch.zeros(1, 3, side, side))
                assert model.centres[layer.name, side % PERIOD, side % PERIOD] == found


def test_the_embedded_network_needs_neither_torchvision_nor_torchs_compiler() -> None:
    program = (
        "import sys; from PIL import Image; from engine import Engine; engine = Engine(device='cpu'); "
        "engine.trace(engine.load(), Image.new('RGB', (64, 48), 'teal')); "
        "print([name for name in ('torchvision', 'torch._dynamo', 'scipy', 'streamlit') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in catalogue.names() if name != "embedded"])
def test_every_published_file_has_its_hash_in_its_name(name: str) -> None:
    entry = catalogue._published(name)
    assert re.fullmatch(r".*-[0-9a-f]{8,}\.pth", entry.url.rsplit("/", 1)[-1])
    assert len(entry.meta["categories"]) == 1000
    assert entry.transforms().crop_size


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "densenet121", "googlenet", "inception_v3", "squeezenet1_1",
                                  "mnasnet1_0", "vit_b_16", "swin_t", "maxvit_t", "alexnet"])  # fmt: skip
def test_the_head_is_where_the_number_of_classes_is(name: str) -> None:
    with torch.device("meta"):
        state = catalogue._architecture(name, 23).state_dict()
    assert state[catalogue._head_of(name)].shape[0] == 23


def test_titles_are_as_a_person_reads_them() -> None:
    found = [catalogue.title(name) for name in ("resnet18", "vgg16", "densenet121", "alexnet", "embedded", "swin_t")]
    assert found == ["ResNet-18", "VGG-16", "DenseNet-121", "AlexNet", "Embedded network", "swin_t"]


def test_random_weights_are_seeded_and_leave_torchs_generator() -> None:
    before = torch.random.get_rng_state()
    first = Engine(device="cpu").load("squeezenet1_1", "random")
    torch.manual_seed(99)
    second = Engine(device="cpu").load("squeezenet1_1", "random")
    torch.random.set_rng_state(before)
    Engine(device="cpu").load("squeezenet1_1", "random")
    assert torch.equal(torch.random.get_rng_state(), before)
    pairs = zip(first.module.parameters(), second.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert first.key == second.key == "squeezenet1_1:random"
    assert "untrained" in first.weights


def test_a_network_is_loaded_once(torchvision_model: Callable[[str], Model], shared: Engine) -> None:
    assert shared.load("resnet18", "random") is shared.load("resnet18", "random") is torchvision_model("resnet18")


def test_only_a_few_networks_are_kept() -> None:
    engine = Engine(device="cpu")
    engine._models.limit = 2
    first = engine.load("squeezenet1_1", "random")
    engine.load("squeezenet1_0", "random")
    engine.load("shufflenet_v2_x0_5", "random")
    assert engine.load("squeezenet1_1", "random") is not first


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [
        ("resnet", "default", "no network “resnet”"),
        ("resnet18", "pretrained", "Weights must be"),
        ("resnet18", "nowhere.safetensors", "no weights file nowhere.safetensors"),
        ("resnet18", "model.pth", "Weights must be"),
        ("resnet18", "a\0b.safetensors", "no weights file"),
    ],
)
def test_what_cannot_be_loaded_is_told(name: str, weights: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Engine(device="cpu").load(name, weights)


# --- a person's own weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [False, True])
def test_own_weights_with_own_classes(tmp_path: Path, photo: Image.Image, half: bool) -> None:
    module = seeded(lambda: torchvision.models.resnet18(num_classes=3))
    path = saved(tmp_path / "mine.safetensors", module, half, classes=json.dumps(["ant", "bee", "cat"]))
    engine = Engine(device="cpu")
    model = engine.load("resnet18", path)
    assert model.classes == ("ant", "bee", "cat")
    assert model.weights == "weights from mine.safetensors"
    trace = engine.trace(model, photo, 64)
    expected = module(model.prepare(trace_photo(photo), 64))[0].detach()
    torch.testing.assert_close(torch.tensor(trace.answer.logits), expected, atol=0.02 if half else 1e-6, rtol=0)


def trace_photo(photo: Image.Image) -> Image.Image:
    return photo.convert("RGB")


@pytest.mark.parametrize(
    ("metadata", "classes"),
    [
        ({}, ("class 0", "class 1", "class 2")),
        ({"classes": "not json"}, ("class 0", "class 1", "class 2")),
        ({"classes": '["one", "two"]'}, ("class 0", "class 1", "class 2")),
        ({"classes": "[1, 2, 3]"}, ("class 0", "class 1", "class 2")),
    ],
)
def test_classes_without_usable_names_are_numbered(
    tmp_path: Path, metadata: dict[str, str], classes: tuple[str, ...]
) -> None:
    module = torchvision.models.squeezenet1_1(num_classes=3)
    path = saved(tmp_path / "mine.safetensors", module, **metadata)
    assert Engine(device="cpu").load("squeezenet1_1", path).classes == classes


def test_own_weights_of_mnasnet_and_googlenet(tmp_path: Path) -> None:
    for name, first, module in (
        ("mnasnet0_5", "layers.0.weight", torchvision.models.mnasnet0_5(num_classes=2)),
        # with auxiliary heads
        ("googlenet", "conv1.conv.weight", torchvision.models.googlenet(num_classes=2, init_weights=False)),
    ):
        path = saved(tmp_path / f"{name}.safetensors", module)
        found = Engine(device="cpu").load(name, path).module
        assert torch.equal(found.state_dict()[first], module.state_dict()[first])


def test_own_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.safetensors", torchvision.models.squeezenet1_1(num_classes=3))
    with pytest.raises(WeightsError, match="belong to another architecture"):
        Engine(device="cpu").load("resnet18", path)
    module = torchvision.models.resnet34(num_classes=3)
    with pytest.raises(WeightsError, match="belong to another architecture"):
        Engine(device="cpu").load("resnet18", saved(path, module))


def test_a_changed_file_is_another_network(tmp_path: Path) -> None:
    engine = Engine(device="cpu")
    path = tmp_path / "mine.safetensors"
    keys = []
    for seed in (0, 1):
        saved(path, seeded(lambda: torchvision.models.squeezenet1_1(num_classes=3), seed))
        keys.append(engine.load("squeezenet1_1", path).key)
    assert keys[0] != keys[1]
    assert keys[1] == f"squeezenet1_1:{sha256(path)}"


def test_networks_that_normalise_their_input_themselves_do() -> None:
    """torchvision sets this when it loads the published weights of these two, which else answer wrongly."""
    for name in ("googlenet", "inception_v3"):
        with torch.device("meta"):
            assert catalogue._architecture(name, 2).transform_input is True


# --- the embedded network ------------------------------------------------------------------------------------


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small embedded network: SqueezeNet has no linear head, so ShuffleNet."""
    module = seeded(lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=3))
    path = saved(tmp_path / "recogniser.safetensors", module, half=True)
    facts: dict[str, Any] = {
        "title": "Small", "task": "recognition", "architecture": "shufflenet_v2_x0_5", "classes": ["a", "b", "c"],
        "imagenet": [[0], [1, 2], []], "size": 64, "sizes": [64, 96], "mean": [0.5] * 3, "std": [0.2] * 3,
        "temperature": 2.0, "default_layers": {"gradcam": "stage3"}, "training": "none", "sha256": sha256(path),
    }  # fmt: skip
    (tmp_path / "recogniser.json").write_text(json.dumps(facts))
    monkeypatch.setattr(catalogue, "ASSETS", tmp_path)
    return tmp_path


def test_the_embedded_network_is_as_its_card_says(assets: Path, photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    model = engine.load()
    assert (model.name, model.title, model.classes, model.size, model.sizes) == (
        "embedded", "Small", ("a", "b", "c"), 64, (64, 96),
    )  # fmt: skip
    assert model.imagenet == ((0,), (1, 2), ())
    assert engine.default_layer(model, "gradcam") == "stage3"
    trace = engine.trace(model, photo)
    plain = seeded(lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=3))
    warm = plain(model.prepare(photo, 64))[0].detach() / 2  # the card's temperature
    torch.testing.assert_close(torch.tensor(trace.answer.logits), warm, atol=0.01, rtol=0)


def test_what_a_network_reached_is_told_of_its_own_weights_alone(shared: Engine) -> None:
    named = catalogue.card("recogniser")["measured"]["recognition"]["by_size"]["160"]["named"]
    told = shared.load("embedded").reached
    assert f"Right on {named['top1']:.0%}" in told and f"{named['top3']:.0%} within" in told
    untrained = shared.load("embedded", "random")
    assert untrained.reached == "" and untrained.training == "nothing"


def test_embedded_weights_that_do_not_match_their_card_are_refused(assets: Path) -> None:
    with (assets / "recogniser.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match="do not match their card"):
        Engine(device="cpu").load()
    (assets / "recogniser.json").write_text("{")
    with pytest.raises(WeightsError, match="missing or damaged"):
        Engine(device="cpu").load()


# --- wrap ------------------------------------------------------------------------------------------------------


def one_argument(image: Image.Image) -> Tensor:
    return squared()(image, 64)


def two_arguments(image: Image.Image, size: int) -> Tensor:
    return squared()(image, size)


def without_batch(image: Image.Image, size: int) -> Tensor:
    return squared()(image, size)[0].double()


@pytest.mark.parametrize("preprocess", [one_argument, two_arguments, without_batch, None])
def test_preprocessing_of_several_shapes(photo: Image.Image, preprocess: Any) -> None:
    engine = Engine(device="cpu")
    model = engine.wrap(seeded(small), size=64, preprocess=preprocess)
    assert model.classes == tuple(f"class {index}" for index in range(7))
    assert torch.equal(engine.trace(model, photo).inputs, squared()(photo, 64))


@pytest.mark.parametrize("name", ["weights", "compose"])
def test_torchvisions_transforms_can_be_handed_over(photo: Image.Image, name: str) -> None:
    from torchvision.transforms import v2

    transforms = {
        "weights": torchvision.models.ResNet18_Weights.DEFAULT.transforms(crop_size=64, resize_size=64),
        "compose": v2.Compose([v2.PILToTensor(), v2.ConvertImageDtype(), v2.Resize((64, 64))]),
    }[name]
    engine = Engine(device="cpu")
    trace = engine.trace(engine.wrap(seeded(small), size=64, preprocess=transforms), photo)
    assert torch.equal(trace.inputs[0], transforms(photo))


@pytest.mark.parametrize(
    ("preprocess", "words"),
    [
        (lambda image: image, "must give a tensor"),
        (lambda image: torch.ones(2, 3, 64, 64), "must give"),
        (lambda image: torch.ones(64, 64), "must give"),
        (lambda image: torch.full((3, 64, 64), float("nan")), "NaN or infinity"),
        (lambda image: torch.ones(4, 64, 64), "cannot run"),
    ],
)
def test_preprocessing_that_cannot_be_used_is_told(photo: Image.Image, preprocess: Any, words: str) -> None:
    engine = Engine(device="cpu")
    with pytest.raises(ModelError, match=words):
        engine.trace(engine.wrap(seeded(small), ["a"] * 7, preprocess, 64), photo)


@pytest.mark.parametrize("classes", [["a"], ["a"] * 8, []])
def test_a_wrong_number_of_names_is_told(photo: Image.Image, classes: list[str]) -> None:
    engine = Engine(device="cpu")
    with pytest.raises(ModelError, match=f"7 classes, and {len(classes)} names"):
        engine.trace(engine.wrap(seeded(small), classes, size=64), photo)


def test_what_is_no_network_is_told() -> None:
    with pytest.raises(ModelError, match="a function"):
        Engine(device="cpu").wrap(lambda x: x)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_networks_of_other_precisions_give_float32_maps(photo: Image.Image, dtype: torch.dtype) -> None:
    engine = Engine(device="cpu")
    exact = engine.explain(engine.trace(engine.wrap(seeded(small), size=64), photo), "gradcam", "middle", fact=2).values
    trace = engine.trace(engine.wrap(seeded(small).to(dtype), size=64), photo)
    found = engine.explain(trace, "gradcam", "middle", fact=2).values
    assert found.dtype == exact.dtype
    error = torch.tensor(found - exact).norm() / torch.tensor(exact).norm()
    assert float(error) < {torch.float64: 1e-5, torch.float16: 0.02, torch.bfloat16: 0.15}[dtype]


def test_input_sizes_have_bounds(photo: Image.Image) -> None:
    engine = Engine(device="cpu")
    model = engine.wrap(seeded(small), size=64)
    for size in (0, 31, 1025, -64):
        with pytest.raises(ModelError, match="32 to 1024"):
            engine.trace(model, photo, size)
    with pytest.raises(ImageError):
        engine.trace(model, b"no picture")
