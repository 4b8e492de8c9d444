"""`make bench`: what the engine's actions cost against the peers and against the bare minimum, as one table.

Seeded random weights, 224 pixels, one photo after another so that no pass is found in the cache where a first
one is timed.
"""

import itertools
import os
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from captum.attr import LayerGradCam
from PIL import Image
from pytorch_grad_cam import GradCAM as PytorchGradCam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.methods import GradCAM as TorchCam

from engine import Engine, Model
from engine.images import Photo, decode
from tests.benchmarks.timing import Ratio, ratio

CLASSES = 1000


def photos() -> Iterator[Photo]:
    """Photos that no cache has seen."""
    for seed in itertools.count():
        yield decode(Image.fromarray(np.random.default_rng(seed).integers(0, 255, (224, 224, 3), dtype=np.uint8)))


def peers(module: nn.Module, inputs: torch.Tensor, layer: str) -> dict[str, Callable[[int], object]]:
    """Each peer's Grad-CAM of a class, as its documentation says to call it."""
    target = module.get_submodule(layer)

    def torchcam(index: int) -> object:
        with TorchCam(module, target_layer=layer) as extractor:
            return extractor(index, module(inputs.clone().requires_grad_()))

    captum = LayerGradCam(module, target)
    pytorch = PytorchGradCam(model=module, target_layers=[target])
    return {
        "torchcam": torchcam,
        "captum": lambda index: captum.attribute(inputs.clone().requires_grad_(), target=index),
        "grad-cam": lambda index: pytorch(input_tensor=inputs, targets=[ClassifierOutputTarget(index)]),
    }


def best_peer(ours: Callable[[], object], model: Model, layer: str, repeat: int = 1) -> tuple[str, Ratio]:
    """Our time against each peer's next class; the fastest peer counts."""
    module = model.module
    for parameter in module.parameters():
        parameter.requires_grad_(True)  # the peers expect an ordinary network
    inputs = model.prepare(next(photos()).pil(), 224)
    foils = itertools.cycle(range(CLASSES))
    found = {
        name: ratio(ours, lambda work=work: work(next(foils)), 5, repeat)
        for name, work in peers(module, inputs, layer).items()
    }
    name = max(found, key=lambda name: found[name].middle)
    return name, found[name]


def rows() -> Iterator[tuple[str, str, Ratio, str]]:
    """(work, against, ratio, floor)."""
    for name, layers in (("resnet50", {"layer4": 1 / 150}), ("vgg16", {"features.29": 1 / 6})):
        engine = Engine(memory_limit=2**31)
        model, fresh = engine.load(name, "random"), photos()
        for layer, floor in layers.items():
            first = lambda: engine.explain(engine.trace(model, next(fresh)), "gradcam", layer)  # noqa: B023, E731
            peer, found = best_peer(first, model, layer)
            yield f"first Grad-CAM, {name}", f"best peer ({peer})", found, "≤ 1.0"
            trace, foils = engine.trace(model, next(fresh)), itertools.count()
            following = lambda: engine.explain(trace, "gradcam", layer, next(foils) % CLASSES)  # noqa: B023, E731
            peer, found = best_peer(following, model, layer)
            yield f"next foil, {name} {layer}", f"best peer ({peer})", found, f"≤ {floor:.3f}"
    yield from against_the_minimum()


def against_the_minimum() -> Iterator[tuple[str, str, Ratio, str]]:
    """What cannot be had for less: one forward pass, one VJP."""
    engine = Engine(memory_limit=2**31)
    model, fresh = engine.load("resnet50", "random"), photos()
    inputs = model.prepare(next(fresh).pil(), 224)

    def forward() -> object:
        with torch.no_grad():
            return model.module(inputs)

    pool = iter([engine.trace(model, next(fresh)) for _ in range(24)])
    yield (
        "all 1,000 foils, resnet50 layer4",
        "one forward pass",
        ratio(lambda: next(pool).class_maps("layer4"), forward),
        "≤ 0.25",
    )
    pool2 = iter([engine.trace(model, next(fresh)) for _ in range(24)])
    yield (
        "all layers, one foil, resnet50",
        "one forward pass",
        ratio(lambda: engine.explain_layers(next(pool2), "gradcam", 7), forward),
        "≤ 1.3",
    )
    trace = engine.trace(model, next(fresh))
    vectors = torch.randn(8, CLASSES)
    bare = lambda: [trace.vjp("layer3", vector) for vector in vectors]  # noqa: E731
    pool3 = iter([engine.trace(model, next(fresh)) for _ in range(24)])
    yield (
        "contrastive saliency, 8 vectors, layer3",
        "8 bare VJPs",
        ratio(lambda: engine.explain(next(pool3), "contrastive-saliency", "layer3"), bare),
        "≤ 1.1",
    )


def main() -> None:
    """Print the table as Markdown."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| work | against | ratio (quartiles) | ours, theirs | floor |\n|---|---|---|---|---|")
    for work, against, found, floor in rows():
        times = f"{found.ours * 1e3:.2f} ms, {found.theirs * 1e3:.1f} ms"
        print(
            f"| {work} | {against} | {found.middle:.3g} ({found.low:.3g} to {found.high:.3g}) | {times} | {floor} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
