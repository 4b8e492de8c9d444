import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.capture import capture, capture_parameter, record_calls
from engine.errors import LayerError, ModelError, QuestionError
from tests.networks import FunctionalReLUs, Residual, assert_same, naive_gradient, seeded, small


def inputs(side: int = 32, seed: int = 1) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def cotangent(classes: int) -> Tensor:
    return torch.randn(classes, generator=torch.Generator().manual_seed(2))


@contextmanager
def left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Asserts that parameters, buffers, gradients, flags and hooks are afterwards what they were, bit by bit."""

    def state() -> dict[str, Any]:
        return {
            "values": {name: (value.data_ptr(), value.clone()) for name, value in module.state_dict().items()},
            "flags": [(name, p.requires_grad, p.grad) for name, p in module.named_parameters()],
            "modes": [part.training for part in module.modules()],
            "hooks": [
                dict(getattr(part, hooks))
                for part in module.modules()
                for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
            ],
        }

    before = state()
    yield
    after = state()
    assert after["flags"] == before["flags"]
    assert after["modes"] == before["modes"]
    assert after["hooks"] == before["hooks"]
    for name, (where, value) in before["values"].items():
        assert after["values"][name][0] == where
        assert torch.equal(after["values"][name][1], value)


def in_training(module: nn.Module) -> nn.Module:
    """Half trained by mistake: some parts in training mode, some parameters frozen."""
    module.train()
    for index, part in enumerate(module.modules()):
        if index % 3 == 2:
            part.training = False
    for index, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(index % 2 == 0)
    return module


class Raises(nn.Module):
    """Fails in the middle of the pass, when hooks are in place."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.body, self.error = small(), error

    def forward(self, x: Tensor) -> Tensor:
        self.body(x)
        raise self.error


class Answers(nn.Module):
    """Gives its maps and an answer made by `answer` from them."""

    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.convolution, self.answer = nn.Conv2d(3, 4, 3), answer

    def forward(self, x: Tensor) -> Any:
        return self.answer(self.convolution(x))


@pytest.mark.parametrize("layer", ["stem", "first", "relu", "second"])
def test_gradients_are_right_where_parts_work_in_place(layer: str) -> None:
    module = seeded(Residual)
    if layer == "relu":
        module = nn.Sequential(module.stem, module.relu, nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        module, layer = module.eval(), "1"
    kept = capture(module, inputs(), [layer])
    g = cotangent(kept.logits.shape[1])
    (gradient,) = torch.autograd.grad(kept.logits, kept.activations[layer], g[None])
    activation, expected = naive_gradient(module, inputs(), layer, g)
    assert_same(kept.activations[layer].detach()[0], activation)
    assert_same(gradient[0], expected)


def test_all_layers_come_from_one_pass_and_one_graph() -> None:
    module = seeded(small)
    names = ["stem", "stem.0", "stem.2", "middle", "last"]
    kept = capture(module, inputs(), names)
    g = cotangent(7)
    gradients = torch.autograd.grad(kept.logits, [kept.activations[name] for name in names], g[None])
    for name, gradient in zip(names, gradients, strict=True):
        assert_same(gradient[0], naive_gradient(module, inputs(), name, g)[1])
    assert_same(kept.logits.detach(), module(inputs()).detach())


def test_the_graph_begins_at_the_shallowest_layer() -> None:
    kept = capture(seeded(small), inputs(), ["middle", "last"])
    assert kept.activations["middle"].is_leaf
    assert not kept.activations["last"].is_leaf


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("names", [["stem", "last"], []])
def test_state_is_as_before_after_success(names: list[str], guided: bool) -> None:
    module, x = in_training(seeded(small)), inputs()
    with left_as_it_was(module):
        kept = capture(module, x, names, guided=guided)
        capture_parameter(module, x, "stem.0.weight")
        record_calls(module, x)
    assert not x.requires_grad
    # BatchNorm used its kept statistics although it stands in training mode.
    assert_same(kept.logits.detach(), seeded(small)(x).detach())


@pytest.mark.parametrize(
    "error",
    [RuntimeError("wrong shape"), ValueError("x"), TypeError("y"), AssertionError(), KeyError("z"), MemoryError()],
)
def test_state_is_as_before_after_an_error(error: Exception) -> None:
    module = in_training(Raises(error))
    tries: list[Callable[[], object]] = [
        lambda: capture(module, inputs(), ["body.stem", "body.last"]),
        lambda: capture(module, inputs(), [], guided=True),
        lambda: capture_parameter(module, inputs(), "body.stem.0.weight"),
        lambda: record_calls(module, inputs()),
    ]
    for one in tries:
        with left_as_it_was(module), pytest.raises(ModelError):
            one()


def test_state_is_as_before_after_an_interruption() -> None:
    module = in_training(Raises(KeyboardInterrupt()))
    with left_as_it_was(module), pytest.raises(KeyboardInterrupt):
        capture(module, inputs(), ["body.stem"])


def test_state_is_as_before_after_a_wrong_layer() -> None:
    module = in_training(seeded(small))
    for name, words in (("head", "does not give maps"), ("nothing", "no layer named"), ("stem.7", "no layer named")):
        with left_as_it_was(module), pytest.raises(LayerError, match=words):
            capture(module, inputs(), ["stem", name])


def test_a_layer_that_does_not_run_is_refused() -> None:
    module = seeded(small)
    module.unused = nn.Conv2d(3, 4, 1)
    module.forward = lambda x: small().eval()(x)  # type: ignore[method-assign]
    with pytest.raises(LayerError, match="takes no part"):
        capture(module, inputs(), ["unused"])


def test_a_persons_own_hooks_stay() -> None:
    module, seen = seeded(small), []
    module.stem.register_forward_hook(lambda *_: seen.append(1))
    with left_as_it_was(module):
        capture(module, inputs(), ["stem"])
    assert seen == [1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda maps: (maps.mean((2, 3)), maps), "one row of logits"),
        (lambda maps: {"logits": maps.mean((2, 3))}, "one row of logits"),
        (lambda maps: maps, "one row of logits"),
        (lambda maps: maps.mean((2, 3))[0], "one row of logits"),
        (lambda maps: maps.mean((2, 3))[:, :0], "one row of logits"),
        (lambda maps: maps.mean((2, 3)) * float("nan"), "NaN or infinity"),
        (lambda maps: maps.mean((2, 3)) / 0, "NaN or infinity"),
        (lambda maps: maps.mean((2, 3)).detach(), "no gradients"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(answer: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        capture(Answers(answer), inputs(), ["convolution"])


def test_an_input_that_does_not_fit_is_told_with_its_size() -> None:
    with pytest.raises(ModelError, match="5 × 5"):
        capture(Answers(lambda maps: nn.Linear(3, 2)(maps.flatten(1))), inputs(5), [])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_does_not_matter(mode: Callable[[], Any]) -> None:
    module = seeded(small)
    with mode():
        kept = capture(module, inputs(), ["last"])
        (gradient,) = torch.autograd.grad(kept.logits, kept.activations["last"], cotangent(7)[None])
        assert capture(module, inputs(), []).activations[""].requires_grad
    assert_same(gradient[0], naive_gradient(module, inputs(), "last", cotangent(7))[1])


@pytest.mark.parametrize("build", [small, Residual])
@pytest.mark.parametrize("names", [["stem"], ["stem.0", "middle"], []])
def test_held_bytes_are_what_autograd_saves(build: Callable[[], nn.Module], names: list[str]) -> None:
    module = seeded(build)
    names = [name for name in names if name in dict(module.named_modules())]
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = capture(module, inputs(), names)
    own = {p.untyped_storage().data_ptr() for p in [*module.parameters(), *module.buffers()]}
    graph = sum(size for where, size in saved.items() if where not in own)
    ends = sum(a.nbytes for a in kept.activations.values()) + inputs().nbytes + kept.logits.nbytes
    assert graph <= kept.nbytes <= graph + ends


@pytest.mark.parametrize("affine", [True, False])
def test_fixed_norms_have_the_gradient_of_pytorchs_own_and_keep_less(affine: bool) -> None:
    norm = nn.BatchNorm2d(8, affine=affine)
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.Tanh(), nn.Flatten()))
    if affine:
        norm.weight.data = torch.linspace(-2, 2, 8)
    x, g = inputs(8), cotangent(288)
    kept = capture(module, x, ["0"])
    (gradient,) = torch.autograd.grad(kept.logits, kept.activations["0"], g[None])
    activation, expected = naive_gradient(module, x, "0", g)
    assert_same(kept.activations["0"].detach()[0], activation)
    assert_same(gradient[0], expected)
    # The activation itself and tanh's result; the norm's input, which is a copy of the former, is not among it.
    assert kept.nbytes < 2.5 * kept.activations["0"].nbytes + x.nbytes


@pytest.mark.parametrize("layer", ["0", "3"])
def test_fixed_norms_answer_as_pytorchs_own_before_the_graph_and_in_it(layer: str) -> None:
    module = seeded(lambda: nn.Sequential(*convolution_norm(3, 8), *convolution_norm(8, 4), nn.Flatten()))
    kept = capture(module, inputs(8), [layer])
    torch.testing.assert_close(kept.logits.detach(), module(inputs(8)), rtol=1e-6, atol=1e-6)


def test_fixed_norms_in_half_precision_are_as_exact_as_pytorchs_own() -> None:
    def module() -> nn.Module:
        return nn.Sequential(*convolution_norm(3, 8), nn.Flatten())

    exact, half = seeded(module), seeded(module).bfloat16()
    half[1].running_var.fill_(2**-20)  # far below eps, which half precision would lose beside larger numbers
    exact.load_state_dict({name: value.float() for name, value in half.state_dict().items()})
    x = inputs(8).bfloat16()
    kept = capture(half, x, ["0"])
    assert kept.logits.dtype == torch.bfloat16
    own = (half(x) - exact(x.float())).abs().max()
    assert (kept.logits - exact(x.float())).abs().max() <= 1.5 * own


def convolution_norm(before: int, after: int) -> tuple[nn.Module, ...]:
    """A convolution whose result is normalised and rectified."""
    return nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU()


def test_norms_whose_weights_follow_from_the_photo_keep_pytorchs_gradient() -> None:
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)

        def forward(self, x: Tensor) -> Tensor:
            x = self.convolution(x)
            weight = x.mean((0, 2, 3))
            return F.batch_norm(x, self.norm.running_mean, self.norm.running_var, weight, weight).mean((2, 3))

    module, g = seeded(Conditional), cotangent(4)
    kept = capture(module, inputs(), ["convolution"])
    (gradient,) = torch.autograd.grad(kept.logits, kept.activations["convolution"], g[None])
    assert_same(gradient[0], naive_gradient(module, inputs(), "convolution", g)[1])


def test_guided_backprop_sees_functional_relus() -> None:
    modules = seeded(small)
    functions = FunctionalReLUs(modules)
    assert torch.equal(guided_gradient(functions), guided_gradient(modules))
    assert not torch.equal(guided_gradient(modules), plain_gradient(modules))


def test_guided_backprop_of_one_relu_by_hand() -> None:
    # y = ReLU(x) with gradient g: passes where x > 0 and g > 0.
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten())
    nn.init.ones_(module[0].weight)  # type: ignore[arg-type]
    x = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]]])
    kept = capture(module, x, (), guided=True)
    (gradient,) = torch.autograd.grad(kept.logits, kept.activations[""], torch.tensor([[2.0, -2.0, 2.0, -2.0]]))
    assert gradient.flatten().tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize(
    "relu", [nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(0, 6), F.relu6, lambda x: F.relu(x).mul_(2), F.relu_]
)
def test_guided_backprop_knows_the_kinds_of_relu(relu: Callable[[Tensor], Tensor]) -> None:
    module = Answers(lambda maps: relu(maps).mean((2, 3)))
    kept = capture(module, inputs(), ["convolution"], guided=True)
    (gradient,) = torch.autograd.grad(kept.logits, kept.activations["convolution"], torch.tensor([[1.0, 1, -1, -1]]))
    assert gradient[:, :2].max() > 0
    assert gradient[:, 2:].count_nonzero() == 0


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("GELU", nn.GELU()), ("SiLU", nn.SiLU()), ("Hardswish", nn.Hardswish()), ("ELU", nn.ELU()), ("Mish", nn.Mish()),
        ("leaky ReLU", nn.LeakyReLU()), ("PReLU", nn.PReLU()), ("SELU", nn.SELU()), ("CELU", nn.CELU()),
        ("Softplus", nn.Softplus()), ("Hardtanh", nn.Hardtanh()), ("randomised ReLU", nn.RReLU()),
    ],
)  # fmt: skip
def test_guided_backprop_refuses_other_activations(name: str, part: nn.Module) -> None:
    module = Answers(lambda maps: part(F.relu(maps)).mean((2, 3)))
    with left_as_it_was(module), pytest.raises(QuestionError, match=f"uses {name};"):
        capture(module, inputs(), [], guided=True)


def test_guided_backprop_needs_a_relu() -> None:
    with pytest.raises(QuestionError, match="has none"):
        capture(Answers(lambda maps: maps.mean((2, 3))), inputs(), [], guided=True)


def test_record_calls_tells_every_part_in_order() -> None:
    calls = record_calls(seeded(small), inputs())
    assert [name for name, _ in calls][:4] == ["stem.0", "stem.1", "stem.2", "stem"]
    assert dict(calls)[""] == (1, 7)
    assert dict(calls)["last"] == (1, 16, 4, 4)


def test_a_part_used_twice_is_recorded_twice() -> None:
    part = nn.Conv2d(3, 3, 3, padding=1)
    calls = record_calls(nn.Sequential(part, part, nn.Flatten()), inputs(8))
    assert [name for name, _ in calls] == ["0", "0", "2", ""]


def test_eight_threads_on_one_module_give_what_one_gives() -> None:
    module, g = in_training(seeded(small)), cotangent(7)
    start = threading.Barrier(8)

    def work(seed: int) -> tuple[Tensor, Tensor]:
        start.wait()
        return result(seed)

    def result(seed: int) -> tuple[Tensor, Tensor]:
        name = ("stem", "middle", "last", "last.0")[seed % 4]
        kept = capture(module, inputs(seed=seed), [name], guided=seed % 2 == 0)
        return kept.logits.detach(), torch.autograd.grad(kept.logits, kept.activations[name], g[None])[0]

    expected = [result(seed) for seed in range(8)]
    with left_as_it_was(module), ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for got, wanted in zip(pool.map(work, range(8)), expected, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def guided_gradient(module: nn.Module) -> Tensor:
    kept = capture(module, inputs(), (), guided=True)
    return torch.autograd.grad(kept.logits, kept.activations[""], cotangent(7)[None])[0]


def plain_gradient(module: nn.Module) -> Tensor:
    kept = capture(module, inputs(), ())
    return torch.autograd.grad(kept.logits, kept.activations[""], cotangent(7)[None])[0]
