import pytest
from PIL import Image
from torch import Tensor, nn

from engine import Engine
from engine.errors import LayerError, ModelError
from engine.layers import Layer, ambiguous, deepest, describe, find, semantic
from tests.networks import block, seeded, small


def layers_of(module: nn.Module, size: int = 64) -> tuple[Layer, ...]:
    engine = Engine(device="cpu")
    return engine.wrap(module, size=size).layers()


def test_layers_are_told_in_the_order_in_which_they_run() -> None:
    layers = layers_of(seeded(small))
    assert [layer.name for layer in layers] == [
        f"{stage}{part}" for stage in ("stem", "middle", "last") for part in (".0", ".1", ".2", "")
    ]
    stem = find(layers, "stem")
    assert (stem.channels, stem.height, stem.width, stem.stride, stem.grid) == (8, 32, 32, 2, "32 × 32")


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ("resnet18", ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("alexnet", ["features.1", "features.4", "features.7", "features.9", "features.11"]),
        ("squeezenet1_1", [f"features.{i}" for i in (1, 3, 4, 6, 7, 9, 10, 11, 12)]),
        ("mobilenet_v3_small", [f"features.{i}" for i in range(13)]),
    ],
)
def test_the_principal_layers_are_the_stages(torchvision_model: object, name: str, principal: list[str]) -> None:
    layers = torchvision_model(name).layers(96)  # type: ignore[operator]
    assert [layer.name for layer in layers if layer.principal] == principal
    assert deepest(layers).name == principal[-1]
    assert semantic(layers).stride < deepest(layers).stride


def test_the_semantic_layer_is_the_deepest_where_all_are_as_fine() -> None:
    layers = [Layer("a", 3, 8, 8, 4, True), Layer("b", 3, 8, 8, 4, False), Layer("c", 3, 8, 8, 4, True)]
    assert semantic(layers).name == deepest(layers).name == "c"


def test_a_layer_that_is_used_twice_is_not_offered() -> None:
    relu = nn.ReLU()
    shared = block(8, 8, stride=1)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), relu, shared, shared, relu, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert [layer.name for layer in layers_of(module)] == ["0"]


def test_a_network_without_maps_is_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    with pytest.raises(LayerError, match="Sequential has no layer that gives maps"):
        layers_of(module)


def test_a_network_that_cannot_run_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="64 × 64"):
        layers_of(nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(5, 2)))


class ChannelsLast(nn.Module):
    """Maps as (1, h, w, C), as Swin has them; `channels` equal to the rows makes the shape ambiguous."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 4, 4)
        self.norm = nn.LayerNorm(channels)
        self.last = nn.Conv2d(channels, 5, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x).permute(0, 2, 3, 1))
        return self.last(x.permute(0, 3, 1, 2)).mean((2, 3))


@pytest.mark.parametrize("channels", [16, 24])
def test_channels_last_maps_are_not_offered(channels: int) -> None:
    assert [layer.name for layer in layers_of(ChannelsLast(channels))] == ["first", "last"]


def test_as_many_channels_as_rows_are_offered_where_they_come_first() -> None:
    module = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert [layer.name for layer in layers_of(module)] == ["0", "1"]
    fixed = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.Flatten(), nn.Linear(32**3, 2))
    assert [layer.name for layer in layers_of(fixed)] == ["0"]


def test_ambiguous_names_cubes_alone() -> None:
    calls = [("a", (1, 8, 8, 8)), ("b", (1, 8, 8, 4)), ("c", (1, 8)), ("d", (1, 4, 8, 8))]
    assert ambiguous(calls) == {"a"}


def test_layers_follow_the_photo_where_preprocessing_keeps_its_shape() -> None:
    from torchvision.transforms import v2

    engine = Engine(device="cpu")
    whole = v2.Compose([v2.PILToTensor(), v2.ConvertImageDtype()])
    model = engine.wrap(seeded(small), size=64, preprocess=whole)
    trace = engine.trace(model, Image.new("RGB", (96, 64)))
    assert find(trace.layers, "last").grid == "12 × 8"
    assert engine.explain(trace, "gradcam").values.shape == (8, 12)
    assert engine.explain(trace, "guided-backprop").values.shape == (64, 96)


def test_a_container_of_pooling_and_maps_ends_with_maps() -> None:
    stages = [block(3, 4), nn.MaxPool2d(2), block(4, 4), nn.MaxPool2d(2)]
    assert deepest(layers_of(nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten()))).name == "2"


def test_describe_needs_no_more_than_shapes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    layers = describe(module, [("0", (1, 4, 12, 16)), ("1", (1, 4, 6, 8)), ("", (1, 2))], (24, 32))
    assert [(layer.name, layer.stride, layer.grid) for layer in layers] == [("0", 2, "16 × 12"), ("1", 4, "8 × 6")]


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(LayerError, match=r"choose one of stem\.2, middle, last"):
        find(layers_of(seeded(small)), "layer4")
