"""The engine: networks, kept forward passes, and maps, with a cache that all of them share."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from engine import memory
from engine.cache import ByteCache
from engine.capture import capture
from engine.errors import ModelError, QuestionError
from engine.images import Photo, decode
from engine.layers import Layer, deepest, find, fine, semantic
from engine.maps import WHOLE, Map, frozen
from engine.methods import Method, method
from engine.models import catalogue
from engine.models.model import Model, Preprocess, squared
from engine.readings import Ask, cam, later_layers
from engine.surprisal import Surprisal, surprisal
from engine.trace import Answer, Trace
from engine.turns import Turns

if TYPE_CHECKING:
    from engine.quality import Judgement, QualityResult

Source = Image.Image | bytes | str | Path | Photo

LARGEST_INPUT = 1024
SMALLEST_INPUT = 32
ENTRY_BYTES = 1024
"""What the key and the objects of one cached map hold beside its numbers, rounded up."""
CORES_EACH = 4
"""Photos whose quality is judged at the same time: one for so many cores, which a single one keeps busy."""
PATCHES_A_SECOND = 2000
"""About how many patches are judged in a second, which says who is done first; a wrong guess only changes the order."""
MODELS_KEPT = 4
"""How many networks stay in memory; the one unused for longest leaves first."""


class Engine:
    """Loads networks, keeps forward passes, answers questions. One engine may serve many threads.

    `memory_limit` bounds the bytes of kept passes and maps together; `device` is CUDA or Apple's MPS where there
    is one, else the CPU, unless named. `watch` is told the digest of every photo that something is asked about.
    """

    def __init__(
        self,
        memory_limit: int = 512 * 2**20,
        device: str | torch.device | None = None,
        watch: Callable[[str], None] = lambda digest: None,
    ) -> None:
        self.device = torch.device(device) if device is not None else _best_device()
        self._cache = ByteCache(memory_limit, ENTRY_BYTES)
        self._models = ByteCache(MODELS_KEPT)
        self._turns = Turns(max(1, (os.cpu_count() or 1) // CORES_EACH))
        self._watch = watch

    @property
    def cache_bytes(self) -> int:
        """Bytes held by kept passes and maps."""
        return self._cache.bytes

    def load(
        self,
        name: str = "embedded",
        weights: str | Path = "default",
        progress: Callable[[int, int], None] | None = None,
    ) -> Model:
        """The network `name`: "embedded", or a torchvision classifier ("resnet50").

        `weights` is "default" (embedded, or torchvision's, downloaded once and checked against its hash;
        `progress(done, total)` is told the bytes), "random" (seeded), or a path to a .safetensors file.
        Raises ModelError for an unknown network, WeightsError when the weights cannot be had or do not fit.
        """
        key = catalogue.identity(name, weights)
        return self._models.get(key, lambda: catalogue.load(name, weights, self.device, progress), lambda _: 1)

    def wrap(
        self,
        module: nn.Module,
        classes: Sequence[str] | None = None,
        preprocess: Callable[[Image.Image], Tensor] | Preprocess | None = None,
        size: int = 224,
    ) -> Model:
        """Any torch classifier: (1, 3, H, W) -> logits (1, N). The module is used as it is and never changed.

        `preprocess` maps a photo (and, if it takes two arguments, the input size) to the input; without it the
        whole photo is resized to a `size` square and normalised as for ImageNet. Classes without names are numbered.
        """
        return catalogue.wrap(module, classes, preprocess or squared(), size, self.device)

    def trace(self, model: Model, image: Source, size: int | None = None, layers: Sequence[str] | None = None) -> Trace:
        """One forward pass of `model` on a photo, kept. The same pixels, network and size are run once.

        `size` is the side of the square input in pixels, 32 to 1024. `layers` are those that will be asked about, where
        that is known (None: all principal ones): what lies before them is then run without a graph, which takes less
        time and far less memory. Any other layer can still be asked about, for one more pass.
        Raises ImageError, ModelError, LayerError.
        """
        photo = image if isinstance(image, Photo) else decode(image)
        side = model.size if size is None else size
        if not SMALLEST_INPUT <= side <= LARGEST_INPUT:
            raise ModelError(f"The input size must be {SMALLEST_INPUT} to {LARGEST_INPUT} pixels, and is {side}.")
        self._watch(photo.digest)
        key = (model.key, photo.digest, side)
        return self._cache.get(key, lambda: self._forward(model, photo, side, layers), lambda trace: trace.nbytes)

    def explain(
        self,
        trace: Trace,
        name: str,
        layer: str | None = None,
        fact: int | None = None,
        foil: int | None = None,
        **options: Any,
    ) -> Map:
        """The map of a method (see METHODS), signed, on its layer's own grid.

        `layer` None: the method's default; `fact` None: the network's answer; `foil` None: the runner-up.
        Raises QuestionError, LayerError with a sentence.
        """
        start = time.perf_counter()
        asked = method(name)
        complete = asked.complete(options)
        found = find(trace.layers, layer or _suited(trace.model, trace.layers, asked))
        layer = found.name
        fact = trace.answer.fact if fact is None else _known_class(trace, fact)
        foil = trace.answer.runner_up if foil is None else _known_class(trace, foil)
        terms = asked.question.terms(fact, foil) if asked.question else ()
        ask = Ask(trace, layer, fact, foil, terms, complete)
        computed: list[bool] = []

        def make() -> NDArray[np.float32]:
            computed.append(True)
            values = frozen(asked.reading(ask).detach().float().cpu().numpy())
            if not np.isfinite(values).all():
                raise ModelError(f"The gradients at “{layer}” overflow, so this network has no map there.")
            return values

        # A map depends on P and Q only through its terms; methods without a question depend on neither.
        where = layer if asked.grid == "layer" else ""
        key = ("map", asked.reading.__name__, where, terms, tuple(complete.items()))
        values = trace.remember(key, make, lambda v: v.nbytes)
        milliseconds = (time.perf_counter() - start) * 1000
        notes = _notes(trace, asked, ask, values)
        return Map(
            values,
            name,
            layer,
            fact,
            foil,
            tuple(complete.items()),
            notes,
            asked.signed,
            milliseconds,
            not computed,
            WHOLE if asked.grid == "input" else trace.model.extent(found, trace.inputs),
        )

    def explain_layers(
        self,
        trace: Trace,
        name: str,
        fact: int | None = None,
        foil: int | None = None,
        layers: Sequence[str] | None = None,
        **options: Any,
    ) -> dict[str, Map]:
        """The maps of a method at many layers: those named, or every principal one, from the image's side on.

        Maps that are linear in the cotangent come from one run backwards through all layers together.
        """
        names = [layer.name for layer in trace.layers if layer.principal] if layers is None else list(layers)
        asked = method(name)
        if asked.question is not None and asked.reading is cam:
            known_fact = trace.answer.fact if fact is None else _known_class(trace, fact)
            known_foil = trace.answer.runner_up if foil is None else _known_class(trace, foil)
            for _, basis in asked.question.terms(known_fact, known_foil):
                trace.prefetch(basis, names)
        return {layer: self.explain(trace, name, layer, fact, foil, **options) for layer in names}

    def surprisal(
        self,
        trace: Trace,
        layer: str | None = None,
        foils: Sequence[int] | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Surprisal:
        """How surprised the network would be by each answer, at `layer`; see `engine.surprisal`."""
        return surprisal(trace, layer or deepest(trace.layers).name, foils, progress)

    def quality(
        self,
        image: Source,
        reference: Source | None = None,
        stride: int = 8,
        progress: Callable[[float], None] | None = None,
    ) -> "QualityResult":
        """The quality of a photo, 0 to 1, with the map for any other score; see `engine.quality.QualityResult`.

        With a `reference` of the same size the full-reference network judges, else the no-reference one.
        `stride` is the distance of patches in pixels; `progress` is told the share done, and may raise to stop: who
        asks again goes on from there.
        Raises ImageError, ModelError.
        """
        from engine import quality  # its networks are needed by this question alone

        photo = image if isinstance(image, Photo) else decode(image)
        other = reference if isinstance(reference, Photo | None) else decode(reference)
        for each in (photo, other):
            if each is not None:
                self._watch(each.digest)

        done = 0.0

        def still() -> None:
            if progress:
                progress(done)

        def make() -> "QualityResult":
            nonlocal done
            judgement = self._cache.get(("begun", *key), begin, lambda begun: begun.nbytes)
            done = judgement.share

            def tell(share: float) -> None:
                nonlocal done
                done = share
                let_pass()
                still()

            with self._turns.turn(judgement.patches_left / PATCHES_A_SECOND, still) as let_pass:
                try:
                    result = judgement.finish(tell)
                finally:
                    memory.give_back()
            self._cache.drop(("begun", *key))
            return result

        def begin() -> "Judgement":
            network = quality.load("full-reference" if other else "no-reference", self.device)
            return quality.Judgement(network, photo.pixels, other.pixels if other else None, stride)

        key = _quality_key(photo, other, stride)
        return self._cache.get(key, make, lambda result: result.nbytes, still)

    def has_quality(self, photo: Photo, reference: Photo | None = None, stride: int = 8) -> bool:
        """Whether :meth:`quality` has its result already."""
        return _quality_key(photo, reference, stride) in self._cache

    def forget(self, digest: str) -> None:
        """Let go of everything that was computed for a photo."""
        self._cache.discard(digest)

    def default_layer(self, model: Model, name: str, size: int | None = None) -> str:
        """The layer that suits a method: the measured favourite, else by the method's kind."""
        return _suited(model, model.layers(size), method(name))

    def _forward(self, model: Model, photo: Photo, size: int, asked: Sequence[str] | None) -> Trace:
        inputs = model.prepare(photo.pil(), size)
        model.check_room(inputs)
        layers = model.layers_of(inputs)
        names = [layer.name for layer in layers if layer.principal]
        kept = capture(model.module, inputs, [find(layers, name).name for name in asked] if asked else names)
        logits = kept.logits.detach()[0].float()
        if len(model.classes) != len(logits):
            raise ModelError(
                f"The network answers with {len(logits)} classes, and {len(model.classes)} names were given."
            )
        answer = Answer(frozen(logits.cpu().numpy()), frozen(logits.softmax(0).cpu().numpy()), model.classes)
        return Trace(model, photo.digest, size, inputs, answer, layers, kept, self._cache)


def _suited(model: Model, layers: Sequence[Layer], asked: Method) -> str:
    favourite = model.favourites.get(asked.id, "")
    if any(layer.name == favourite for layer in layers):
        return favourite
    return {"deep": deepest, "semantic": semantic, "fine": fine}[asked.depth](layers).name


def _known_class(trace: Trace, index: int) -> int:
    if int(index) != index or not 0 <= index < len(trace.answer.names):
        raise QuestionError(
            f"There is no class {index}: this network knows the classes 0 to {len(trace.answer.names) - 1}."
        )
    return int(index)


def _notes(trace: Trace, asked: Method, ask: Ask, values: NDArray[np.float32]) -> tuple[str, ...]:
    notes = []
    if asked.needs_foil and ask.fact == ask.foil:
        notes.append("Q equals P")
    if not np.any(values > 0):
        notes.append("no positive evidence")
    if later := later_layers(ask):
        notes.append(f"joined with {' and '.join(layer.name for layer in later)}")
    if asked.id == "contrast-variance" and len(trace.logits) > 64 and not trace.closed_form(ask.layer):
        notes.append("estimated from 64 random vectors")
    return tuple(notes)


def _quality_key(photo: Photo, reference: Photo | None, stride: int) -> tuple[str, str, str | None, int]:
    return ("quality", photo.digest, reference.digest if reference else None, stride)


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
