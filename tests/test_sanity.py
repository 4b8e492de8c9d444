"""Randomised copies: only what should change changes, and the network itself never does."""

import pytest
import torch
from torch import nn

from engine import Engine, Model, Trace
from engine.errors import ModelError
from engine.sanity import Part, randomised


def state(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.module.state_dict().items()}


def changed(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in first.items() if not torch.equal(value, second[name])}


@pytest.mark.parametrize("part", ["classifier", "everything"])
def test_the_network_itself_stays_and_the_copy_is_seeded(small_model: Model, part: Part) -> None:
    before, drawn = state(small_model), torch.get_rng_state()
    first, second = randomised(small_model, part), randomised(small_model, part)
    assert not changed(before, state(small_model)) and torch.equal(drawn, torch.get_rng_state())
    assert not changed(state(first), state(second)), "one seed, one network"
    assert first.key != small_model.key and "random" in first.weights
    assert not first.module.training and not any(p.requires_grad for p in first.module.parameters())


def test_the_classifier_is_the_last_linear_layer_alone(small_model: Model) -> None:
    copy = randomised(small_model, "classifier")
    last = next(
        name for name, module in reversed(list(small_model.module.named_modules())) if isinstance(module, nn.Linear)
    )
    assert changed(state(small_model), state(copy)) <= {f"{last}.weight", f"{last}.bias"}
    assert f"{last}.weight" in changed(state(small_model), state(copy))


def test_everything_means_every_weight(small_model: Model) -> None:
    copy = randomised(small_model, "everything", seed=5)
    weights = {name for name, value in small_model.module.named_parameters() if value.ndim > 1}
    assert weights <= changed(state(small_model), state(copy))


def test_the_features_stay_with_a_random_classifier_and_go_with_everything(
    shared: Engine, small_model: Model, small_trace: Trace, photo: object
) -> None:
    layer = small_trace.layers[-1].name
    sound = small_trace.activation(layer)
    head = shared.trace(randomised(small_model, "classifier"), photo).activation(layer)  # type: ignore[arg-type]
    none = shared.trace(randomised(small_model, "everything", 7), photo).activation(layer)  # type: ignore[arg-type]
    assert torch.equal(sound, head) and not torch.allclose(sound, none)


def test_a_network_without_weights_is_told(shared: Engine) -> None:
    model = shared.wrap(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), ["a", "b", "c"])
    with pytest.raises(ModelError, match="no layer"):
        randomised(model, "everything")
