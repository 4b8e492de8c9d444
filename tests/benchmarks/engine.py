"""What the engine's questions cost against the peers, and against what cannot be had for less.

Seeded random weights, 224 pixels. The peers get the network as torchvision hands it out and are called as their own
documentation says; the one that was fastest in this run counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from engine import Engine, Model, Trace
from engine.images import Photo, decode
from tests.benchmarks.harness import AbsentError, Ratio, Row, Spread, Work, at_most, faster, paired, ratio, seconds

CLASSES = 1000
SIDE = 224
ROOM = 2**31
Peer = Callable[[Tensor, int], object]


def rows(rounds: int) -> Iterator[Row]:
    """All of the engine's rows."""
    yield from against_the_peers("resnet50", {"layer4": 150.0, "layer2": 3.0}, rounds)
    yield from against_the_peers("vgg16", {"features.29": 6.0}, rounds)
    yield from against_a_bare_gradient("resnet50", ("layer4", "layer3", "layer2"), rounds)
    yield from against_a_bare_gradient("vgg16", ("features.29",), rounds)
    yield from against_one_pass(rounds)
    yield from memory()


def photos() -> Iterator[Photo]:
    """Photos that no cache has seen."""
    for seed in itertools.count():
        noise = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        yield decode(Image.fromarray(noise))


def ordinary(model: Model) -> nn.Module:
    """The same network as torchvision hands it out: in evaluation mode, and nothing else done to it."""
    module = torchvision.models.get_model(model.name, weights=None)
    module.load_state_dict(model.module.state_dict())
    return module.eval()


def peers(module: nn.Module, layer: str) -> dict[str, Peer]:
    """Grad-CAM of a class by every peer that is installed."""
    target = module.get_submodule(layer)
    found: dict[str, Peer] = {}
    try:
        from captum.attr import LayerGradCam
    except ImportError:
        pass
    else:
        captum = LayerGradCam(module, target)
        found["captum"] = lambda inputs, index: captum.attribute(inputs.clone().requires_grad_(), target=index)
    try:
        from torchcam.methods import GradCAM
    except ImportError:
        pass
    else:

        def torchcam(inputs: Tensor, index: int) -> object:
            with GradCAM(module, target_layer=layer) as extractor:
                return extractor(index, module(inputs.clone().requires_grad_()))

        found["torchcam"] = torchcam
    try:
        from pytorch_grad_cam import GradCAM as PytorchGradCam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        pass
    else:
        pytorch = PytorchGradCam(model=module, target_layers=[target])
        found["grad-cam"] = lambda inputs, index: pytorch(input_tensor=inputs, targets=[ClassifierOutputTarget(index)])
    if not found:
        raise AbsentError("none of the peers is installed (extra: bench)")
    return found


def against_best(ours: Work, others: dict[str, Work], rounds: int, repeat: int = 1) -> tuple[str, Ratio]:
    """Ours and every peer in turn; the fastest peer's name, and our time against its."""
    for work in (ours, *others.values()):
        work()
    mine: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(rounds):
        mine.append(seconds(ours, repeat))
        for name, work in others.items():
            theirs[name].append(seconds(work))
    best = min(theirs, key=lambda name: Spread.of(theirs[name]).middle)
    return best, paired(list(zip(mine, theirs[best], strict=True)))


def against_the_peers(name: str, floors: dict[str, float], rounds: int) -> Iterator[Row]:
    """The first map of a photo at the first of the layers, and the next foil's at each."""
    engine = Engine(memory_limit=ROOM)
    model, fresh, foils = engine.load(name, "random"), photos(), itertools.count()
    module = ordinary(model)
    pool = [next(fresh) for _ in range(2 * (rounds + 1))]
    shown = model.prepare(pool[0].pil(), SIDE)
    for at, (layer, floor) in enumerate(floors.items()):
        works = peers(module, layer)
        if at == 0:
            mine, other = iter(pool[: rounds + 1]), itertools.cycle(pool[rounds + 1 :])

            def first(layer: str = layer, mine: Iterator[Photo] = mine) -> object:
                return engine.explain(engine.trace(model, next(mine), layers=[layer]), "gradcam", layer)

            def theirs(work: Peer, other: Iterator[Photo] = other) -> object:
                return work(model.prepare(next(other).pil(), SIDE), next(foils) % CLASSES)

            peer, found = against_best(
                first, {n: lambda work=work: theirs(work) for n, work in works.items()}, rounds
            )  # fmt: skip
            yield at_most(f"first Grad-CAM of a photo, {model.title} {layer}", f"best peer ({peer})", found, 1.0)
        trace = engine.trace(model, next(fresh))
        peer, found = against_best(
            next_foil(engine, trace, layer),
            {n: lambda work=work: work(shown, next(foils) % CLASSES) for n, work in works.items()},
            rounds,
            repeat=10 if trace.closed_form(layer) else 1,
        )
        yield faster(f"next foil, {model.title} {layer}", f"best peer ({peer})", found, floor)


def next_foil(engine: Engine, trace: Trace, layer: str) -> Work:
    """The contrast with one class after the other: none was asked about before."""
    foils = itertools.count()
    return lambda: engine.explain(trace, "contrast", layer, foil=next(foils) % CLASSES)


def against_a_bare_gradient(name: str, layers: tuple[str, ...], rounds: int) -> Iterator[Row]:
    """The next foil against one call of autograd on a graph that was kept."""
    engine = Engine(memory_limit=ROOM)
    model, fresh = engine.load(name, "random"), photos()
    trace = engine.trace(model, next(fresh))
    for layer in layers:
        logits, activation = kept_graph(model.module, trace.inputs, layer)
        foils = itertools.count()

        def bare(logits: Tensor = logits, activation: Tensor = activation, foils: Iterator[int] = foils) -> object:
            return torch.autograd.grad(logits[0, next(foils) % CLASSES], activation, retain_graph=True)

        found = ratio(next_foil(engine, trace, layer), bare, 3 * rounds)
        yield at_most(f"next foil, {model.title} {layer}", "bare autograd.grad on a kept graph", found, 1.3)


def kept_graph(module: nn.Module, inputs: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """The logits, and the layer's activation where their graph begins: by hand, without the engine."""
    kept: list[Tensor] = []

    def begin(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = module.get_submodule(layer).register_forward_hook(begin)
    try:
        return module(inputs), kept[0]
    finally:
        handle.remove()


def against_one_pass(rounds: int) -> Iterator[Row]:
    """Many maps against one forward pass, and eight gradients against eight bare ones."""
    engine = Engine(memory_limit=ROOM)
    model, fresh = engine.load("resnet50", "random"), photos()
    inputs = model.prepare(next(fresh).pil(), SIDE)

    def forward() -> object:
        with torch.inference_mode():
            return model.module(inputs)

    def traces() -> Iterator[Trace]:
        return iter([engine.trace(model, next(fresh)) for _ in range(rounds + 1)])

    pool = traces()
    found = ratio(lambda: next(pool).class_maps("layer4"), forward, rounds)
    yield at_most("all 1,000 foils, ResNet-50 layer4", "one forward pass", found, 0.25)
    pool2 = traces()
    found = ratio(lambda: engine.explain_layers(next(pool2), "gradcam", 7), forward, rounds)
    yield at_most("all layers, one foil, ResNet-50", "one forward pass", found, 1.3)
    trace, vectors = engine.trace(model, next(fresh)), torch.randn(8, CLASSES)
    logits, activation = kept_graph(model.module, trace.inputs, "layer3")

    def bare() -> object:
        return [torch.autograd.grad(logits, activation, vector[None], retain_graph=True) for vector in vectors]

    pool3 = traces()
    found = ratio(lambda: engine.explain(next(pool3), "contrastive-saliency", "layer3"), bare, rounds)
    yield at_most("contrastive saliency, 8 vectors, ResNet-50 layer3", "8 bare autograd.grad", found, 1.1)


def memory() -> Iterator[Row]:
    """What a cached photo holds; bytes do not vary, so there is one figure."""
    model, fresh = Engine().load("resnet50", "random"), photos()
    photo = next(fresh)
    against = "bytes of its activations"
    begin = next(layer.name for layer in model.layers(SIDE) if layer.principal)
    activations = activation_bytes(model.module, model.prepare(photo.pil(), SIDE), begin)

    def row(work: str, engine: Engine) -> Row:
        share = engine.cache_bytes / activations
        detail = f"{engine.cache_bytes / 2**20:.1f} MB, {activations / 2**20:.1f} MB"
        return Row(work, against, Spread.of([share]), 1.2, detail)

    engine = Engine(memory_limit=ROOM)
    engine.trace(model, photo)
    yield row("memory of a cached photo, ResNet-50, graph for all layers", engine)
    engine = Engine(memory_limit=ROOM)
    trace = engine.trace(model, photo, layers=["layer4"])
    trace.class_maps("layer4")
    yield row("the same, asked about at layer4: the table is made, the graph is gone", engine)


def activation_bytes(module: nn.Module, inputs: Tensor, begin: str) -> int:
    """The bytes of all outputs of a network's parts from the layer `begin` on, each storage once."""
    outputs: list[Tensor] = []
    begun: list[bool] = []

    def note(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        if begun:
            outputs.append(output)

    def first(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        begun.append(True)
        outputs.append(output)

    handles = [part.register_forward_hook(note) for part in module.modules()]
    handles.append(module.get_submodule(begin).register_forward_hook(first))
    try:
        with torch.no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in outputs}.values())
