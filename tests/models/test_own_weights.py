"""A person's own .safetensors: its header is held against the architecture before anything is read or built."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine import Engine
from engine.errors import ExplorerError, WeightsError
from engine.models import catalogue, weights
from engine.models.weights import outline
from tests.hostile.corpus import sentence_problem

HEAD = "fc.bias"
"""The last of ResNet-18's arrays with one row a class: it tells how many there are."""


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A ResNet-18 of five classes."""
    return {name: value.clone() for name, value in catalogue._build("resnet18", 5).state_dict().items()}


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    save_file(state, path)
    return path


def crafted(path: Path, header: dict[str, object], content: bytes = b"") -> Path:
    """A file with any header that the format allows, also such as no library writes."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def array(kind: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


def refused(path: Path, words: str) -> None:
    with pytest.raises(ExplorerError, match=words) as told:
        Engine(device="cpu").load("resnet18", path)
    assert sentence_problem(str(told.value)) is None


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be read of the file but its header, and nothing built but shapes."""
    monkeypatch.setattr(catalogue, "read", lambda _: pytest.fail("its values were read"))
    monkeypatch.setattr(catalogue, "_build", lambda *_: pytest.fail("a network was built"))


def test_an_outline_is_names_shapes_and_types(tmp_path: Path, state: dict[str, Tensor]) -> None:
    found = outline(saved(tmp_path / "w.safetensors", state))
    assert {name: (value.shape, value.dtype) for name, value in found.items()} == {
        name: (value.shape, value.dtype) for name, value in state.items()
    }
    assert all(value.is_meta for value in found.values())


def test_a_file_that_fits_is_taken(tmp_path: Path, state: dict[str, Tensor]) -> None:
    model = Engine(device="cpu").load("resnet18", saved(tmp_path / "own.safetensors", state))
    assert model.classes == tuple(f"class {index}" for index in range(5))
    assert torch.equal(model.module.get_parameter("fc.weight"), state["fc.weight"])


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "missing": (lambda s: s.pop("layer2.0.conv1.weight"), "“layer2.0.conv1.weight” is missing"),
    "unknown": (lambda s: s.update(extra=torch.ones(1)), "“extra” is unknown"),
    "no head": (lambda s: s.pop(HEAD), "“fc.bias” is missing"),
    "no classes": (lambda s: s.update({HEAD: torch.ones(0)}), "“fc.bias” is missing"),
    "shape": (lambda s: s.update({"conv1.weight": torch.ones(64, 3, 3, 3)}), "“conv1.weight” is .* instead of"),
    "other rows": (lambda s: s.update({HEAD: torch.ones(6)}), "“fc.weight” is .* instead of"),
    "type": (lambda s: s.update({HEAD: torch.ones(5, dtype=torch.int32)}), "“fc.bias” is of type"),
    "complex": (lambda s: s.update({HEAD: torch.ones(5, dtype=torch.complex64)}), "which is not read"),
    "8 bits": (lambda s: s.update({HEAD: torch.ones(5).to(torch.float8_e4m3fn)}), "which is not read"),
}


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_is_refused_by_its_header(tmp_path: Path, state: dict[str, Tensor], name: str) -> None:
    change, words = CHANGES[name]
    state = dict(state)
    change(state)
    refused(saved(tmp_path / "own.safetensors", state), words)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([10**12, 0], "is missing"),  # no bytes at all, and a list of 10^12 class names
        ([10**5 + 1, 1], "at most 100,000"),
        ([], "another architecture"),
        ([5], "another architecture"),
    ],
)
def test_a_head_that_promises_too_much(tmp_path: Path, shape: list[int], words: str) -> None:
    length = 4
    for side in shape:
        length *= side
    path = crafted(tmp_path / "own.safetensors", {HEAD: array("F32", shape, 0, length)}, bytes(length))
    refused(path, words)


@pytest.mark.parametrize(
    "header",
    [
        {HEAD: array("F32", [5, 512], 0, 2**50)},
        {HEAD: array("F32", [2**62, 2**62], 0, 4)},
        {HEAD: array("F32", [-5, 512], 0, 4)},
        {HEAD: array("F32", [1], 4, 0)},
        {HEAD: array("F32", [1], 0, 4), "fc.weight": array("F32", [1], 0, 4)},  # both at one place
        {HEAD: array("P64", [1], 0, 4)},
        {HEAD: "fc"},
        {HEAD: None},
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: dict[str, object]) -> None:
    refused(crafted(tmp_path / "own.safetensors", header, bytes(4)), "not a readable")


@pytest.mark.parametrize("classes", [5, "five", ["a"] * 4, [1, 2, 3, 4, 5], {"a": 1}, None])
def test_class_names_that_are_none_become_numbers(tmp_path: Path, state: dict[str, Tensor], classes: object) -> None:
    path = tmp_path / "own.safetensors"
    save_file(state, path, {"classes": json.dumps(classes)})
    assert Engine(device="cpu").load("resnet18", path).classes[4] == "class 4"


def test_a_value_that_is_no_number_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state = {name: value.clone() for name, value in state.items()}
    state["layer4.1.conv2.weight"][0, 0, 0, 0] = float("nan")
    refused(saved(tmp_path / "own.safetensors", state), "NaN or infinity in “layer4.1.conv2.weight”")


def test_a_file_that_is_too_large_is_refused_before_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "sha256", lambda _: pytest.fail("it was read"))
    with (tmp_path / "own.safetensors").open("wb") as file:
        file.truncate(weights.MOST_BYTES + 1)  # sparse: takes no room
    refused(tmp_path / "own.safetensors", "larger than 4 GiB")


def test_weights_of_the_embedded_architecture_are_checked_alike(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors", {"conv1.weight": torch.ones(1)})
    with pytest.raises(WeightsError, match="another architecture"):
        Engine(device="cpu").load("embedded", path)


def test_one_module_serves_as_the_model_of_what_is_wanted() -> None:
    """`match` looks at shapes alone, so that shapes on the meta device are judged as the network itself is."""
    with torch.device("meta"):
        wanted = nn.Linear(3, 2).state_dict()
    weights.match(wanted, nn.Linear(3, 2).state_dict(), "own.safetensors")
    with pytest.raises(WeightsError, match="instead of"):
        weights.match(wanted, nn.Linear(3, 3).state_dict(), "own.safetensors")
