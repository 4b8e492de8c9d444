"""Small seeded networks in which every part of the engine's contract can be tried in milliseconds."""

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Net = Callable[[], nn.Module]


def seeded(build: Net, seed: int = 0) -> nn.Module:
    """The network with seeded weights and BatchNorm statistics that are not trivial, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
                part.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    return module.eval()


def block(channels: int, out: int, stride: int = 2, inplace: bool = True) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU."""
    convolution = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace))


def small(classes: int = 7, head: str = "linear") -> nn.Module:
    """Three blocks and a head; only "linear" is global average pooling and one linear part."""
    heads: dict[str, list[tuple[str, nn.Module]]] = {
        "linear": [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("head", nn.Linear(16, classes))],
        "maximum": [("pool", nn.AdaptiveMaxPool2d(1)), ("flat", nn.Flatten()), ("head", nn.Linear(16, classes))],
        "two": [
            ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()),
            ("hidden", nn.Linear(16, 16)), ("relu", nn.ReLU()), ("head", nn.Linear(16, classes)),
        ],
        "grid": [("pool", nn.AdaptiveAvgPool2d(2)), ("flat", nn.Flatten()), ("head", nn.Linear(64, classes))],
    }  # fmt: skip
    stages = [("stem", block(3, 8)), ("middle", block(8, 12)), ("last", block(12, 16))]
    return nn.Sequential(OrderedDict([*stages, *heads[head]]))


class Residual(nn.Module):
    """In-place addition and in-place ReLU on the very tensors whose gradients are asked for."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.first = nn.Conv2d(8, 8, 3, 1, 1)
        self.second = nn.Conv2d(8, 8, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.first(self.relu(x))
        y += x
        y = y.relu_()
        z = self.second(y)
        z.mul_(2).add_(y)
        return self.head(self.relu(z).mean((2, 3)))


class FunctionalReLUs(nn.Module):
    """`small()` with functional ReLUs of several spellings, sharing its weights."""

    def __init__(self, like: nn.Module) -> None:
        super().__init__()
        self.like = like

    def forward(self, x: Tensor) -> Tensor:
        spellings = (F.relu, torch.relu, lambda t: t.relu_())
        for name, relu in zip(("stem", "middle", "last"), spellings, strict=True):
            convolution, norm, _ = self.like.get_submodule(name).children()
            x = relu(norm(convolution(x)))
        return self.like.get_submodule("head")(x.mean((2, 3)))


def naive_gradient(module: nn.Module, inputs: Tensor, layer: str, cotangent: Tensor) -> tuple[Tensor, Tensor]:
    """(A, G) by another route: the rest of the network as a function of the layer's output, differentiated alone."""
    seen: list[Tensor] = []
    part = module.get_submodule(layer)
    handle = part.register_forward_hook(lambda _m, _i, output: seen.append(output.detach().clone()))
    with torch.no_grad():
        module(inputs)
    handle.remove()
    activation = seen[0]

    def rest(replacement: Tensor) -> Tensor:
        handle = part.register_forward_hook(lambda _m, _i, _o: replacement.clone())
        try:
            return module(inputs)[0] @ cotangent
        finally:
            handle.remove()

    return activation[0], torch.func.grad(rest)(activation)[0]


def assert_same(found: Tensor, expected: Tensor, relative: float = 1e-5) -> None:
    """Equal up to `relative` of the whole's size; maps may be tiny, so absolute tolerances would say nothing."""
    assert found.shape == expected.shape
    found, expected = found.detach(), expected.detach()
    assert float((found - expected).norm()) <= relative * float(expected.norm())
