"""Fixtures that several tests share: photos, one engine, seeded networks that are built once."""

import sys
from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image
from skimage import data
from torch import nn

import engine  # noqa: F401  (before torch: it sets how threads wait)
from engine import Engine, Model, Trace
from tests.networks import seeded, small

# A busy machine stalls now and then: how long an example takes says nothing of it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _main_stays() -> Iterator[None]:
    """AppTest leaves the page as Python's main module, and worker processes run their parent's main module again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A cat, 451 x 300."""
    return Image.fromarray(data.chelsea())


@pytest.fixture(scope="session")
def photos(photo: Image.Image) -> list[Image.Image]:
    """Eight different photos, 96 x 96."""
    others = [Image.fromarray(data.coffee()), Image.fromarray(data.astronaut()), Image.fromarray(data.rocket())]
    small = [image.resize((96, 96)) for image in (photo, *others)]
    return [*small, *(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in small)]


@pytest.fixture(scope="session")
def shared() -> Engine:
    """An engine that all tests may use; what it gives is immutable."""
    return Engine(device="cpu")


@pytest.fixture(scope="session")
def torchvision_model(shared: Engine) -> Callable[[str], Model]:
    """A torchvision network with seeded random weights, built once."""
    return cache(lambda name: shared.load(name, "random"))


@pytest.fixture(scope="session")
def peaked() -> Callable[[str], nn.Module]:
    """A torchvision network with seeded weights whose head is scaled so that its answers differ clearly.

    Random weights alone give nearly the same probability to every class.
    """

    @cache
    def build(name: str) -> nn.Module:
        import torchvision

        module = seeded(lambda: torchvision.models.get_model(name, weights=None))
        head = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
        with torch.no_grad():
            head.weight.mul_(400 if name.startswith("vgg") else 20)
        return module

    return build


@pytest.fixture(scope="session")
def small_model(shared: Engine) -> Model:
    """Seven classes, three blocks, a pooled linear head, inputs of 64 pixels."""
    return shared.wrap(seeded(small), size=64)


@pytest.fixture(scope="session")
def small_trace(shared: Engine, small_model: Model, photo: Image.Image) -> Trace:
    """The small network's pass on the cat."""
    return shared.trace(small_model, photo)
