"""Many layers at once: which they are, what they cost, and that they are what each alone would be."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from engine import Engine, Model, Trace
from engine.errors import LayerError
from engine.layer_grid import Column, every_layer, prepare, stages
from tests.networks import Residual, seeded, small


class Counting(nn.Sequential):
    """A block that counts its forward passes."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        result: Tensor = super().forward(x)
        return result


def counted() -> tuple[nn.Module, Counting]:
    body = seeded(small)
    stem = Counting(*body.get_submodule("stem").children())
    parts = OrderedDict((name, stem if name == "stem" else part) for name, part in body.named_children())
    return nn.Sequential(parts).eval(), stem


def traced(photo: Image.Image, module: nn.Module) -> tuple[Engine, Trace]:
    engine = Engine(device="cpu")
    return engine, engine.trace(engine.wrap(module, size=64), photo)


def names(trace: Trace) -> tuple[str, ...]:
    return tuple(layer.name for layer in every_layer(trace))


def test_every_layer_is_there_once_in_the_order_in_which_it_runs(small_trace: Trace) -> None:
    known = [layer.name for layer in small_trace.layers]
    found = names(small_trace)
    assert [layer.name for layer in stages(small_trace)] == ["stem.2", "middle", "last"]
    assert [name for name in known if name in found] == list(found)
    assert {"stem.0", "stem.1", "stem.2", "middle", "last"} <= set(found)
    assert not {"stem", "middle.2", "last.2"} & set(found), "a block has the output of its last part"


def test_a_block_that_adds_something_is_not_its_last_part(
    shared: Engine, torchvision_model: Callable[[str], Model], photo: Image.Image
) -> None:
    found = names(shared.trace(torchvision_model("resnet18"), photo, 64))
    assert {"layer1.0", "layer1.0.bn2", "layer1"} <= set(found)
    assert "layer1.1" not in found and "layer2.0.downsample.1" not in found


def test_of_too_many_layers_the_inner_ones_are_left_out(
    shared: Engine, torchvision_model: Callable[[str], Model], photo: Image.Image
) -> None:
    trace = shared.trace(torchvision_model("resnet18"), photo, 64)
    outer = every_layer(trace, 20)
    assert len(stages(trace)) < len(outer) <= 20
    assert max(layer.name.count(".") for layer in outer) == 1
    assert every_layer(trace, 1) == stages(trace)


@pytest.mark.parametrize("build", [small, Residual])
def test_prepared_maps_are_those_that_each_layer_gives_alone(
    photo: Image.Image, build: Callable[[], nn.Module]
) -> None:
    """The other route: an engine of its own for each layer, without any preparation."""
    engine, trace = traced(photo, seeded(build))
    columns = [Column("gradcam", 1, 2), Column("contrast", 1, 2), Column("contrastive-saliency", 1, 2)]
    prepare(engine, trace, names(trace), columns)
    for name in names(trace):
        alone, fresh = traced(photo, seeded(build))
        for column in columns:
            found = engine.explain(trace, column.method, name, 1, 2)
            expected = alone.explain(fresh, column.method, name, 1, 2).values
            assert found.cached
            np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-5 * float(np.abs(expected).max()))


def test_all_layers_cost_one_forward_pass_and_the_stages_none(photo: Image.Image) -> None:
    module, stem = counted()
    engine, trace = traced(photo, module)
    columns = [Column("contrast", 0, foil) for foil in (1, 2, 3)]
    for layer in trace.layers:
        trace.model.extent(layer, trace.inputs)  # where the cells lie is measured with passes on noise
    before = stem.passes
    prepare(engine, trace, [layer.name for layer in stages(trace)], columns)
    assert stem.passes == before
    prepare(engine, trace, names(trace), [*columns, Column("features", 0, 1)])
    assert stem.passes == before + 1
    prepare(engine, trace, names(trace), [*columns, Column("contrast", 0, 5)])
    assert stem.passes == before + 1, "the second pass is kept"


def test_progress_grows_to_one_and_may_stop_the_work(photo: Image.Image) -> None:
    engine, trace = traced(photo, seeded(small))
    told: list[float] = []
    prepare(engine, trace, names(trace), [Column("contrast", 0, 1)], told.append)
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1 and len(told) > len(names(trace))

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(engine, trace, names(trace), [Column("contrast", 0, 1)], stop)


def test_what_cannot_be_asked_is_left_to_the_engine_to_say(photo: Image.Image) -> None:
    engine, trace = traced(photo, seeded(small))
    prepare(engine, trace, ["no-such-layer", "last"], [Column("gradcam", 0, 1)])
    assert engine.explain(trace, "gradcam", "last", 0).cached
    with pytest.raises(LayerError):
        engine.explain(trace, "gradcam", "no-such-layer")


def test_the_options_of_a_method_are_used(photo: Image.Image) -> None:
    engine, trace = traced(photo, seeded(small))
    prepare(engine, trace, ["middle"], [Column("contrastive-saliency", 0, 1, (("vectors", 2),))])
    assert engine.explain(trace, "contrastive-saliency", "middle", vectors=2).cached
    assert not engine.explain(trace, "contrastive-saliency", "middle", vectors=4).cached
