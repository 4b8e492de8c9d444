"""The networks that can be loaded by name: the embedded one and torchvision's classifiers.

torchvision is imported where one of its networks is asked for, and not before: it takes longer than torch itself.
"""

import inspect
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine import memory
from engine.capture import record_calls
from engine.errors import ModelError, WeightsError
from engine.models.model import Model, Preprocess, squared
from engine.models.resnet18 import CENTRES, PIXEL_BYTES, resnet18
from engine.models.weights import (
    Progress,
    check_file,
    fit,
    fit_published,
    folder,
    match,
    outline,
    published,
    read,
    sha256,
    without_auxiliary,
)

ASSETS = Path(__file__).parents[2] / "assets"
EMBEDDED = "embedded"
SIZES = (128, 160, 192, 224, 288, 384)
SEED = 0
MOST_CLASSES = 100_000
UNTRAINED = "random weights: untrained, its answers mean nothing"
_ONE_SIZE = ("vit_", "maxvit_")  # they run at the size they were trained at, and no other

# The tutorial's networks first; their published weights are those of the papers (version 1), whose
# probabilities are not flattened by label smoothing.
FEATURED = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16")
OTHERS = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121", "densenet161",
    "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet0_75",
    "mnasnet1_0", "mnasnet1_3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_16gf",
    "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf",
    "regnet_y_800mf", "regnet_y_8gf", "resnet152", "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "squeezenet1_0",
    "squeezenet1_1", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t", "vgg11", "vgg11_bn",
    "vgg13", "vgg13_bn", "vgg16_bn", "vgg19", "vgg19_bn", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32",
    "wide_resnet101_2", "wide_resnet50_2",
)  # fmt: skip
"""torchvision's other classifiers: a list of what it would list itself."""

_TITLES = {
    "resnet": "ResNet-",
    "vgg": "VGG-",
    "densenet": "DenseNet-",
    "alexnet": "AlexNet",
    "googlenet": "GoogLeNet",
}
# What is known of an architecture beforehand, and else found with a pass each.
_KNOWN: Mapping[str, Mapping[str, Any]] = {
    "resnet18": {"pixel_bytes": PIXEL_BYTES, "centres": {(layer, 0, 0): centre for layer, centre in CENTRES.items()}},
}
_wrapped = itertools.count()
_seeding = threading.Lock()


def names() -> tuple[str, ...]:
    """The names that `load` takes: "embedded", the tutorial's networks, then torchvision's others."""
    return (EMBEDDED, *FEATURED, *OTHERS)


def title(name: str) -> str:
    """The name as a person reads it: "ResNet-18"."""
    for stem, words in _TITLES.items():
        if name == stem or (name.startswith(stem) and name[len(stem) :].isdigit()):
            return words + name[len(stem) :]
    return "Embedded network" if name == EMBEDDED else name


def identity(name: str, weights: str | Path) -> tuple[str, str]:
    """What a loaded network is a function of; a file counts with its content."""
    if name not in names():
        raise ModelError(f"There is no network “{name}”; `expectancy models` lists those that there are.")
    if weights in ("default", "random"):
        return name, str(weights)
    path = Path(weights)
    if path.suffix != ".safetensors":
        raise WeightsError("Weights must be “default”, “random”, or the path of a .safetensors file.")
    check_file(path)
    return name, sha256(path)


def download_size(name: str) -> float | None:
    """Megabytes that `load(name)` would have to download, or None where the weights are here already."""
    if name == EMBEDDED:
        return None
    entry = _published(name)
    here = (folder() / entry.url.rsplit("/", 1)[-1]).is_file()
    return None if here else float(entry.meta["_file_size"])


def load(name: str, weights: str | Path, device: torch.device, progress: Progress | None = None) -> Model:
    """Build the network `name` with its weights; see `engine.Engine.load`."""
    if name == EMBEDDED:
        return _embedded(weights, device)
    entry = _published(name)
    categories: Sequence[str] = entry.meta["categories"]
    transforms = entry.transforms()
    side, reached = transforms.crop_size[0], ""
    if weights == "default":
        right = entry.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        reached = f"Right on {right / 100:.0%} of ImageNet’s validation photos, as published."
        said, training = "torchvision’s published weights", "ImageNet-1k (1.28 million photos, 1,000 classes)"
        key = entry.url.rsplit("/", 1)[-1]
        _check_room(name, 2 * entry.meta["num_params"])  # those of the file and those of the network
        state = published(entry.url, progress)
        module = _build(name, len(categories), side)
        fit_published(module, state, key)
    elif weights == "random":
        said, training, key = UNTRAINED, "nothing", "random"
        _check_room(name, entry.meta["num_params"])
        module = _build(name, len(categories), side)
    else:
        path = Path(weights)
        said, training, key = f"weights from {path.name}", "not known", sha256(path)
        categories = _checked(name, path, side, categories)
        module = _build(name, len(categories), side)
        fit(module, without_auxiliary(read(path)), path.name)
    imagenet = tuple((index,) for index in range(1000)) if len(categories) == 1000 else ()
    sizes = (side,) if name.startswith(_ONE_SIZE) else tuple(sorted({*SIZES, side}))
    return Model(
        f"{name}:{key}", name, title(name), _ready(module, device), tuple(categories),
        squared(tuple(transforms.mean), tuple(transforms.std)), side, sizes, said, training, imagenet, device=device,
        reached=reached,
    )  # fmt: skip


def wrap(
    module: nn.Module,
    classes: Sequence[str] | None,
    preprocess: Callable[..., Tensor],
    size: int,
    device: torch.device,
) -> Model:
    """A Model around any classifier; see `engine.Engine.wrap`."""
    if not isinstance(module, nn.Module):
        raise ModelError(f"A network must be a torch.nn.Module, and this is a {type(module).__name__}.")
    prepare: Preprocess = preprocess if _takes_size(preprocess) else (lambda image, _size: preprocess(image))
    where = next((p.device for p in module.parameters()), device)
    label = type(module).__name__
    model = Model(
        f"wrapped-{next(_wrapped)}:{label}", label, label, module, tuple(classes or ()), prepare, size, (size,),
        "as it was handed over", "not known", device=where,
    )  # fmt: skip
    if classes is not None:
        return model
    calls = record_calls(module, model.prepare(Image.new("RGB", (size, size)), size))
    outputs = dict(calls)[""][1]
    return replace(model, classes=tuple(f"class {index}" for index in range(outputs)))


def _takes_size(preprocess: Callable[..., Tensor]) -> bool:
    """Whether there is a second positional parameter; torchvision's transforms take *args, and a photo alone."""
    try:
        parameters = inspect.signature(preprocess).parameters.values()
    except (TypeError, ValueError):  # written in C
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) > 1


def card(name: str) -> dict[str, Any]:
    """An embedded network's card: how it was made and what it reaches (assets/NAME.json)."""
    try:
        content: dict[str, Any] = json.loads((ASSETS / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The card of the embedded network “{name}” is missing or damaged; install again."
        ) from error
    return content


def _embedded(weights: str | Path, device: torch.device) -> Model:
    facts = card("recogniser")
    architecture, classes, random = facts["architecture"], len(facts["classes"]), weights == "random"
    module = _build(architecture, classes, random=random)
    path = ASSETS / "recogniser.safetensors"
    said, training, key = "embedded weights", " ".join(facts["training"]), f"embedded:{facts['sha256']}"
    if weights == "default":
        if not path.is_file() or sha256(path) != facts["sha256"]:
            raise WeightsError("The embedded weights are missing or do not match their card; install again.")
        fit(module, read(path), path.name)
    elif weights == "random":
        said, training, key = UNTRAINED, "nothing", "embedded:random"
    else:
        path = Path(weights)
        match(module.state_dict(), outline(path), path.name)
        fit(module, read(path), path.name)
        said, training, key = f"weights from {path.name}", "not known", f"embedded:{sha256(path)}"
    _calibrate(module, float(facts.get("temperature", 1.0)))
    return Model(
        key, EMBEDDED, facts["title"], _ready(module, device), tuple(facts["classes"]),
        squared(tuple(facts["mean"]), tuple(facts["std"])), facts["size"], tuple(facts["sizes"]), said,
        training, tuple(tuple(group) for group in facts["imagenet"]), facts.get("default_layers", {}), device=device,
        reached=_reached(facts) if weights == "default" else "", **_KNOWN.get(architecture, {}),
    )  # fmt: skip


def _reached(facts: Mapping[str, Any]) -> str:
    """What the card says of the answers at the usual input size, where it was measured."""
    found = facts.get("measured", {}).get("recognition")
    if found is None:
        return ""
    named = found["by_size"][str(facts["size"])]["named"]
    weakest = list(found[f"worst_at_{facts['size']}"])[:2]
    return (
        f"Right on {named['top1']:.0%} of labelled photos of what it can name, {named['top3']:.0%} within its first "
        f"three answers; weakest at “{weakest[0]}” and “{weakest[1]}”."
    )


def _published(name: str) -> Any:
    import torchvision

    entries = torchvision.models.get_model_weights(name)
    return getattr(entries, "IMAGENET1K_V1", entries.DEFAULT)


def _build(name: str, classes: int, side: int = 224, random: bool = True) -> nn.Module:
    """The architecture with seeded random weights; torch's global generator is left as it was.

    Where not even `random` ones are needed, the network may come with weights that are still to be filled.
    """
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed would seed accelerators too, for good
        return _architecture(name, classes, side, random)


def _architecture(name: str, classes: int, side: int = 224, random: bool = True) -> nn.Module:
    if name == "resnet18":
        return resnet18(classes, random)
    import torchvision

    options: dict[str, Any] = {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        # Their published weights want another normalisation, which they then do themselves.
        options |= {"init_weights": False, "aux_logits": False, "transform_input": True}
    if name.startswith("vit_"):
        options |= {"image_size": side}
    module: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return module


def _ready(module: nn.Module, device: torch.device) -> nn.Module:
    # Channels last is how convolutions on a CPU work inside: 15 to 30 % less time, and no conversions.
    return module.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _calibrate(module: nn.Module, temperature: float) -> None:
    """Divide the logits by the fitted temperature once, in the classifier: then softmax(z) is calibrated everywhere."""
    last = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)


def _check_room(name: str, numbers: int) -> None:
    """Raise ModelError where so many float32 numbers would not fit into memory."""
    memory.require(4 * numbers, title(name), "choose a smaller network", ModelError)


def _checked(name: str, path: Path, side: int, categories: Sequence[str]) -> Sequence[str]:
    """The class names of a person's own file, after its header was held against the architecture: nothing is read yet.

    Raises WeightsError where they do not belong together, ModelError where there is no room.
    """
    found = without_auxiliary(outline(path))
    head = found.get(_head_of(name))
    if head is None or not head.ndim or not head.numel():
        raise WeightsError(f"The weights in {path.name} belong to another architecture: “{_head_of(name)}” is missing.")
    if len(head) > MOST_CLASSES:
        raise WeightsError(f"The weights in {path.name} know {len(head):,} classes; at most {MOST_CLASSES:,} are read.")
    with torch.device("meta"):
        match(_architecture(name, len(head), side).state_dict(), found, path.name)
    _check_room(name, 2 * sum(array.numel() for array in found.values()))
    return _classes_of(path, len(head), categories)


def _classes_of(path: Path, count: int, categories: Sequence[str]) -> Sequence[str]:
    """Class names: the file's own ("classes", a JSON list in its metadata), ImageNet's for 1,000, else numbers."""
    try:
        with safe_open(path, framework="pt") as file:
            named = json.loads((file.metadata() or {}).get("classes", "null"))
    except (SafetensorError, ValueError):
        named = None
    if isinstance(named, list) and len(named) == count and all(isinstance(word, str) for word in named):
        return named
    return categories if count == len(categories) else [f"class {index}" for index in range(count)]


@cache
def _head_of(name: str) -> str:
    """The last parameter of `name` whose first axis is the number of classes."""
    with torch.device("meta"):  # shapes alone
        two, three = _architecture(name, 2).state_dict(), _architecture(name, 3).state_dict()
    return [key for key in two if two[key].shape != three[key].shape][-1]
