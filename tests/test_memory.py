"""Room: what is free, what would be needed, and a sentence before anything huge is begun."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torchvision
from PIL import Image, ImageFile
from safetensors.torch import save_file
from torch import Tensor, nn

from engine import Engine, Model, memory
from engine.capture import capture, footprint
from engine.errors import ExplorerError, ImageError, ModelError
from engine.images import decode
from engine.models import catalogue
from tests.hostile.corpus import sentence_problem
from tests.networks import Residual, seeded, small

MEGABYTE = 2**20


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let there be only so many bytes of memory."""

    def only(count: int) -> None:
        monkeypatch.setattr(memory, "available", lambda: count)

    return only


def is_a_sentence(told: pytest.ExceptionInfo[ExplorerError]) -> bool:
    return sentence_problem(str(told.value)) is None


# --- what is free ------------------------------------------------------------------------------------------------


def group(folder: Path, limit: str, usage: str, name: str, files: int) -> Path:
    for path, content in ((limit, "1000000"), (usage, "700000"), (str(Path(limit).with_name("memory.stat")), "")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    (folder / limit).with_name("memory.stat").write_text(f"anon 5\n{name} {files}\n")
    return folder


@pytest.mark.parametrize(
    ("limit", "usage", "name"),
    [
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, limit: str, usage: str, name: str) -> None:
    folder = group(tmp_path, limit, usage, name, 100_000)
    assert memory._left_in_group(folder) == [400_000]
    (folder / usage).write_text("1500000")
    assert memory._left_in_group(folder) == [0]
    (folder / limit).write_text("max")
    assert memory._left_in_group(folder) == []


def test_without_a_container_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory._left_in_group(tmp_path) == []
    assert 0 < memory.available() <= psutil.virtual_memory().total
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(memory, "_left_in_group", lambda: [12_345])
    assert memory.available() == 12_345


@pytest.mark.parametrize(("count", "words"), [(0, "0 MB"), (3.4 * 2**30, "3.4 GB"), (120 * MEGABYTE, "120 MB")])
def test_sizes_are_read_by_people(count: float, words: str) -> None:
    assert memory.size(count) == words


def test_what_fits_is_let_in() -> None:
    memory.require(10, "It", "reduce it", ModelError, free=10)
    with pytest.raises(ModelError, match=r"^It needs about 2.0 GB of memory, and 10 MB are free; reduce it\.$"):
        memory.require(2 * 2**30, "It", "reduce it", ModelError, free=10 * MEGABYTE)


# --- a pass --------------------------------------------------------------------------------------------------------


def inputs(side: int) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("build", "side", "layer"),
    [
        (small, 64, "stem.2"),
        (Residual, 64, "stem"),
        (torchvision.models.resnet18, 96, "relu"),
        (torchvision.models.squeezenet1_1, 96, "features.1"),
        (torchvision.models.mobilenet_v3_small, 96, "features.0"),
        (torchvision.models.densenet121, 64, "features.relu0"),
        (torchvision.models.swin_t, 64, "features.0"),
    ],
)
def test_the_estimate_bounds_what_a_pass_keeps(build: Callable[[], nn.Module], side: int, layer: str) -> None:
    module = seeded(build)
    kept = capture(module, inputs(side), [layer] if layer in dict(module.named_modules()) else []).nbytes
    estimate = footprint(module, inputs(side))
    assert estimate is not None
    assert kept <= estimate <= 30 * kept


def test_the_estimate_grows_with_the_photo() -> None:
    module = seeded(small)
    first, second = footprint(module, inputs(64)), footprint(module, inputs(128))
    assert first is not None and second is not None
    assert second == pytest.approx(4 * first, rel=0.05)


def test_the_estimate_computes_nothing_and_leaves_the_network_as_it_was() -> None:
    module = seeded(small).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    enormous = torch.empty(1, 3, 50_000, 50_000, device="meta")  # 30 GB, and it takes none of it
    estimate = footprint(module, enormous)
    assert estimate is not None and estimate > 2**35
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.training and all(p.requires_grad and p.device.type == "cpu" for p in module.parameters())


def test_a_network_that_cannot_be_estimated_is_let_run(photo: Image.Image, little: Callable[[int], None]) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(small)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(
                x + torch.tensor(float(x.detach().mean()))
            )  # looks at values, which the meta device has not

    assert footprint(Own(), inputs(64)) is None
    whole = decode(photo)
    little(1)
    engine = Engine(device="cpu")
    assert engine.trace(engine.wrap(Own(), size=64), whole).answer.logits.shape == (7,)


def test_a_pass_that_would_not_fit_is_refused_before_it_runs(photo: Image.Image, little: Callable[[int], None]) -> None:
    ran: list[int] = []

    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(small)

        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "meta":
                ran.append(x.shape[-1])
            return self.body(x)

    engine = Engine(device="cpu")
    model = engine.wrap(Told(), size=64)
    whole = decode(photo)
    trace = engine.trace(model, whole)
    assert ran
    ran.clear()
    need = footprint(model.module, inputs(1024))
    assert need is not None
    little(need - 1)
    with pytest.raises(ModelError, match=r"Told on 1024 × 1024 pixels needs about .* choose a smaller") as told:
        engine.trace(model, whole, 1024)
    assert is_a_sentence(told) and ran == []
    assert engine.trace(model, whole) is trace, "what is there already needs no room"
    little(need)
    assert engine.trace(model, whole, 1024).size == 1024


def test_the_app_says_so_and_goes_on(little: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.testing.v1 import AppTest

    from pages.widgets import session

    engine = Engine(device="cpu")
    monkeypatch.setattr(session, "_engine", lambda: engine)
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=240)
    app.query_params["panels"] = "features"
    app.run()
    assert not app.error
    little(20 * MEGABYTE)
    app.selectbox(key="network_size").select(224).run()
    assert not app.exception
    assert "needs about" in app.error[0].value and app.error[0].value.endswith(
        "choose a smaller input size or network."
    )
    app.selectbox(key="network_size").select(160).run()
    assert not app.exception and not app.error


# --- a photo -----------------------------------------------------------------------------------------------------


def encoded(image: Image.Image, codec: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, codec)
    return buffer.getvalue()


@pytest.mark.parametrize("codec", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG"])
def test_a_photo_that_would_not_fit_is_refused_before_it_is_decoded(
    codec: str, little: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(Image.new("RGB", (600, 400)), codec)
    little(MEGABYTE)
    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
        with pytest.raises(
            ImageError, match=r"600 × 400 pixels, needs about 4 MB of memory, and 1 MB are free"
        ) as told:
            decode(content, "big.png")
    assert is_a_sentence(told)
    little(4 * MEGABYTE)
    assert decode(content).size == (600, 400)


def test_deep_greys_need_more(little: Callable[[int], None]) -> None:
    content = encoded(Image.fromarray(np.zeros((400, 600), np.uint16)), "PNG")
    little(5 * MEGABYTE)
    with pytest.raises(ImageError, match="needs about 5 MB"):
        decode(content)


def test_a_jpeg_needs_only_what_it_is_reduced_to(little: Callable[[int], None]) -> None:
    content = encoded(Image.new("RGB", (2400, 1600)), "JPEG")
    little(16 * MEGABYTE)
    assert max(decode(content, max_side=512).size) == 512
    with pytest.raises(ImageError, match="needs about"):
        decode(content)


# --- a network ---------------------------------------------------------------------------------------------------


def unbuilt(*_: object) -> nn.Module:
    return pytest.fail("it was built")


def test_a_network_that_would_not_fit_is_refused_before_it_is_built(
    little: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_build", unbuilt)
    little(400 * MEGABYTE)
    with pytest.raises(ModelError, match=r"VGG-16 needs about 528 MB of memory, and 400 MB are free") as told:
        Engine(device="cpu").load("vgg16", "random")
    assert is_a_sentence(told)


def test_a_persons_own_weights_that_would_not_fit_are_not_read(
    tmp_path: Path, little: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.safetensors"
    model: Model = Engine(device="cpu").load("resnet18", "random")
    save_file({name: value.half().contiguous() for name, value in model.module.state_dict().items()
               if not name.endswith("num_batches_tracked")}, path)  # fmt: skip
    monkeypatch.setattr(catalogue, "_build", unbuilt)
    monkeypatch.setattr(catalogue, "read", unbuilt)
    little(80 * MEGABYTE)
    with pytest.raises(ModelError, match=r"ResNet-18 needs about 89 MB of memory, and 80 MB are free") as told:
        Engine(device="cpu").load("resnet18", path)
    assert is_a_sentence(told)
