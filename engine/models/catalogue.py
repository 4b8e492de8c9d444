"""The networks that can be loaded by name: the embedded one and torchvision's classifiers."""

import inspect
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.errors import ModelError, WeightsError
from engine.models.model import Model, Preprocess, squared
from engine.models.weights import Progress, fit, published, read, sha256

ASSETS = Path(__file__).parents[2] / "assets"
EMBEDDED = "embedded"
SIZES = (128, 160, 192, 224, 288, 384)
SEED = 0

# The tutorial's networks first; their published weights are those of the papers (version 1), whose
# probabilities are not flattened by label smoothing.
FEATURED = ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16")

_TITLES = {
    "resnet": "ResNet-",
    "vgg": "VGG-",
    "densenet": "DenseNet-",
    "alexnet": "AlexNet",
    "googlenet": "GoogLeNet",
}
_wrapped = itertools.count()
_seeding = threading.Lock()


@cache
def names() -> tuple[str, ...]:
    """The names that `load` takes: "embedded", the tutorial's networks, then torchvision's others."""
    others = torchvision.models.list_models(module=torchvision.models)
    return (EMBEDDED, *FEATURED, *(name for name in others if name not in FEATURED))


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
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path.name}; check the path.")
    return name, sha256(path)


def download_size(name: str) -> float | None:
    """Megabytes that `load(name)` would have to download, or None where the weights are here already."""
    from engine.models.weights import folder

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
    if weights == "default":
        state, said = published(entry.url, progress), "torchvision’s published weights"
        key, training = entry.url.rsplit("/", 1)[-1], "ImageNet-1k (1.28 million photos, 1,000 classes)"
    elif weights == "random":
        state, said, key, training = (
            None,
            "random weights: untrained, its answers mean nothing",
            "random",
            "nothing",
        )
    else:
        path = Path(weights)
        state, said, key, training = read(path), f"weights from {path.name}", sha256(path), "not known"
        categories = _classes_of(path, state, categories)
    module = _build(name, len(categories))
    if state is not None:
        fit(module, state, said)
    imagenet = tuple((index,) for index in range(1000)) if len(categories) == 1000 else ()
    side = transforms.crop_size[0]
    return Model(
        f"{name}:{key}", name, title(name), _ready(module, device), tuple(categories),
        squared(tuple(transforms.mean), tuple(transforms.std)), side, tuple(sorted({*SIZES, side})), said, training,
        imagenet, device=device,
    )  # fmt: skip


def wrap(
    module: nn.Module,
    classes: Sequence[str] | None,
    preprocess: Callable[..., Tensor],
    size: int,
    device: torch.device,
) -> Model:
    """A Model around any classifier; see `engine.Engine.wrap`."""
    takes_size = len(inspect.signature(preprocess).parameters) > 1
    prepare: Preprocess = preprocess if takes_size else (lambda image, _size: preprocess(image))
    where = next((p.device for p in module.parameters()), device)
    if classes is None:
        with torch.no_grad():
            outputs = _count_outputs(module, prepare(Image.new("RGB", (size, size)), size).to(where))
        classes = [f"class {index}" for index in range(outputs)]
    label = type(module).__name__
    return Model(
        f"wrapped-{next(_wrapped)}:{label}", label, label, module, tuple(classes), prepare, size, (size,),
        "as it was handed over", "not known", device=where,
    )  # fmt: skip


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
    module = _build(facts["architecture"], len(facts["classes"]))
    path = ASSETS / "recogniser.safetensors"
    said, key = "embedded weights", f"embedded:{facts['sha256']}"
    if weights == "default":
        if not path.is_file() or sha256(path) != facts["sha256"]:
            raise WeightsError("The embedded weights are missing or do not match their card; install again.")
        fit(module, read(path), path.name)
    elif weights == "random":
        said, key = "random weights: untrained, its answers mean nothing", "embedded:random"
    else:
        path = Path(weights)
        fit(module, read(path), path.name)
        said, key = f"weights from {path.name}", f"embedded:{sha256(path)}"
    _calibrate(module, float(facts.get("temperature", 1.0)))
    return Model(
        key, EMBEDDED, facts["title"], _ready(module, device), tuple(facts["classes"]),
        squared(tuple(facts["mean"]), tuple(facts["std"])), facts["size"], tuple(facts["sizes"]), said,
        facts["training"], tuple(tuple(group) for group in facts["imagenet"]), facts.get("default_layers", {}),
        device=device,
    )  # fmt: skip


def _published(name: str) -> Any:
    entries = torchvision.models.get_model_weights(name)
    return getattr(entries, "IMAGENET1K_V1", entries.DEFAULT)


def _build(name: str, classes: int) -> nn.Module:
    """The architecture with seeded random weights; torch's global generator is left as it was."""
    options: dict[str, Any] = {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        options |= {"init_weights": False, "aux_logits": True}
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return torchvision.models.get_model(name, weights=None, **options)


def _ready(module: nn.Module, device: torch.device) -> nn.Module:
    return module.to(device).eval().requires_grad_(False)


def _calibrate(module: nn.Module, temperature: float) -> None:
    """Divide the logits by the fitted temperature once, in the classifier: then softmax(z) is calibrated everywhere."""
    last = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)


def _classes_of(path: Path, state: dict[str, Tensor], categories: Sequence[str]) -> Sequence[str]:
    """Class names: the file's own ("classes", a JSON list in its metadata), ImageNet's for 1,000, else numbers."""
    matrices = [value for value in state.values() if value.ndim in (2, 4)]
    if not matrices:
        raise WeightsError(f"The weights in {path.name} hold no classifier.")
    count = matrices[-1].shape[0]
    try:
        with safe_open(path, framework="pt") as file:
            named = json.loads((file.metadata() or {}).get("classes", "null"))
    except (SafetensorError, ValueError):
        named = None
    if isinstance(named, list) and len(named) == count and all(isinstance(word, str) for word in named):
        return named
    return categories if count == len(categories) else [f"class {index}" for index in range(count)]


def _count_outputs(module: nn.Module, inputs: Tensor) -> int:
    from engine.capture import capture

    return capture(module, inputs if inputs.ndim == 4 else inputs[None], ()).logits.shape[1]
