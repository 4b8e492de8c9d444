"""The sample photos: what a stranger sees first is answered rightly by the embedded network."""

import pytest

from engine import Engine
from pages.widgets.image_picker import SAMPLES, sample

ANSWERS = {
    "cat": "cat",
    "motorbike": "bicycle or motorbike",
    "coffee": "food or drink",
    "rocket": "aeroplane or rocket",
    "astronaut": "person or sport",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(memory_limit=2**26, device="cpu")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_embedded_network_is_right(engine: Engine, name: str) -> None:
    trace = engine.trace(engine.load("embedded"), sample(name))
    assert trace.answer.top(1)[0][1] == ANSWERS[name]
