"""Checkpoints: what is saved comes back as it was, as it lies in memory too, and nothing of it is code."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from engine.errors import DataError
from engine.training import checkpoint


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 2, 2)
    tensors = {
        "plain": whole,
        "channels last": whole.to(memory_format=torch.channels_last),
        "a part": whole[:, 1],
        "half": whole.half(),
        "number": torch.tensor(7),
        "none": torch.zeros(0, 3),
        "bytes": torch.Generator().manual_seed(3).get_state(),
    }
    others = {0: [1, 2.5, 1e-300, "text", None, True], "deep": {3: {"x": []}}}
    checkpoint.save({"tensors": tensors, "others": others}, tmp_path / "new" / "c.safetensors")
    found = checkpoint.load(tmp_path / "new" / "c.safetensors", torch.device("cpu"))
    assert found["others"] == others
    for name, value in tensors.items():
        again = found["tensors"][name]
        assert again.dtype == value.dtype and torch.equal(again, value), name
        assert again.stride() == value.clone().stride(), name
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.safetensors"]


def test_an_optimiser_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    """Its state is known by the numbers of the weights, and fused steps go through memory as it lies."""

    def begun() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return module, torch.optim.AdamW(module.parameters(), lr=0.1, fused=True)

    def step(module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        module(torch.linspace(0, 1, 150).reshape(2, 3, 5, 5)).square().sum().backward()
        optimiser.step()

    module, optimiser = begun()
    step(module, optimiser)
    checkpoint.save([module.state_dict(), optimiser.state_dict()], tmp_path / "c.safetensors")
    step(module, optimiser)
    again = begun()
    for part, state in zip(again, checkpoint.load(tmp_path / "c.safetensors"), strict=True):
        part.load_state_dict(state)
    step(*again)
    for one, other in zip(module.parameters(), again[0].parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    torch.save({"seen": 3}, path)
    with pytest.raises(DataError, match=r"The checkpoint c\.safetensors cannot be read"):
        checkpoint.load(path)
    for content in (b"", save({"a": torch.ones(3)}), save({}, {"state": "{"}), save({}, {"state": '{"tensor": "0"}'})):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            checkpoint.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        checkpoint.load(tmp_path / "absent.safetensors")
