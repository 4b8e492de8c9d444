"""One forward pass of one network on one photo, kept, and the gradients that any question needs of it."""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine import layers as layer_lists
from engine.cache import ByteCache
from engine.capture import CHUNK, Capture, capture
from engine.errors import ModelError, QuestionError
from engine.layers import Layer
from engine.models.model import Model
from engine.questions import Basis, cotangent

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network said: `logits` and `probabilities`, float32 (N,), and the N class names."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    names: tuple[str, ...]

    def top(self, k: int = 5) -> list[tuple[int, str, float]]:
        """The `k` likeliest classes, likeliest first: (index, name, probability)."""
        order = np.argsort(-self.logits, kind="stable")[:k]
        return [(int(c), self.names[c], float(self.probabilities[c])) for c in order]

    @property
    def fact(self) -> int:
        """The index of the answer that the network gave."""
        return int(np.argmax(self.logits))

    @property
    def runner_up(self) -> int:
        """The index of the second likeliest class (of the only class, where there is one)."""
        return self.top(2)[-1][0]


@dataclass(frozen=True, eq=False)
class Trace:
    """A kept forward pass. All results are functions of it alone, so it may be shared between threads.

    `answer` and `layers` are for a person; `vjp`, `activation` and `cam` are for readings. The first pass keeps the
    activations of the layers that it was made for (see `Engine.trace`). Its graph, which holds far more memory, is an
    entry of its own in the cache: where it was forgotten, or begins behind the layer asked about, a gradient costs one
    more pass, once.
    """

    model: Model
    digest: str
    size: int
    inputs: Tensor = field(repr=False)
    answer: Answer
    layers: tuple[Layer, ...]
    _pass: Capture = field(repr=False)
    _cache: ByteCache = field(repr=False)
    _large: dict[tuple[str, ...], Capture] = field(default_factory=dict, repr=False)
    _backward: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Hand the graph of the first pass to the cache; what stays here is small."""
        kept = self._pass
        if kept.logits.requires_grad:
            object.__setattr__(self, "_pass", kept.bare)
            self._hold(tuple(kept.activations), lambda: kept)

    @property
    def key(self) -> tuple[str, str, int]:
        """What the pass is a function of: network and weights, pixels, input size."""
        return (self.model.key, self.digest, self.size)

    @property
    def nbytes(self) -> int:
        """The bytes that the kept pass holds, without its graph."""
        return self._pass.nbytes + _bytes(self.inputs)

    @property
    def probabilities(self) -> Tensor:
        """softmax(z), float32 (N,), on the network's device, without a graph."""
        return self.logits.softmax(0)

    @property
    def logits(self) -> Tensor:
        """z, float32 (N,), on the network's device, without a graph."""
        return self._pass.logits[0].float()

    def activation(self, layer: str) -> Tensor:
        """A_k, float32 (C, h, w), of `layer`, without a graph."""
        kept = self._pass if layer in self._pass.activations else self._captured(layer)
        return kept.activations[layer].detach()[0].float()

    def vjp(self, layer: str, vectors: Tensor) -> Tensor:
        """G_k(g): the vector-Jacobian product of the logits with g = `vectors` at `layer`.

        (N,) gives (C, h, w); (M, N) gives (M, C, h, w), as one batched call. Linear in g. float32, whatever the
        network's precision: squares of float16 gradients would vanish.
        """
        return self.vjps([layer], vectors)[0]

    def vjps(self, layers: Sequence[str], vectors: Tensor) -> list[Tensor]:
        """The same at several layers, in one run backwards."""
        kept = self._captured(*layers)
        return self._gradients(kept.logits, [kept.activations[layer] for layer in layers], vectors)

    def input_gradient(self, vector: Tensor, *, guided: bool) -> Tensor:
        """The gradient (3, H, W) of <g, z> at the network's input, plain or guided (Springenberg 2015)."""
        kept = self.remember(
            ("input", guided),
            lambda: capture(self.model.module, self.inputs, (), guided=guided),
            _held,
        )
        return self._gradients(kept.logits, [kept.activations[""]], vector)[0]

    def cam(self, layer: str, basis: Basis) -> Tensor:
        """The signed Grad-CAM map (h, w) of one basis vector: sum_c mean_ij(G_cij) A_c (Selvaraju 2017, eq. 1, 2).

        Linear in the cotangent, cached, and without a gradient where the head is pooling plus linear.
        """
        return self.remember(("cam", layer, basis), lambda: self._cam(layer, basis), _bytes)

    def prefetch(self, basis: Basis, layers: Sequence[str]) -> None:
        """Take the CAM maps of one basis vector at many layers at once: one run backwards."""
        missing = [name for name in layers if (*self.key, ("cam", name, basis)) not in self._cache]
        if len(missing) < 2:
            return
        kept = self._captured(*missing)
        targets = {name: kept.activations[name] for name in missing}
        vector = cotangent(basis, self.probabilities).to(kept.logits)
        gradients = self._backwards(kept.logits, list(targets.values()), vector[None])
        for layer, gradient in zip(targets, gradients, strict=True):
            make = partial(torch.einsum, "c,chw->hw", gradient[0].mean((1, 2)), self.activation(layer))
            self.remember(("cam", layer, basis), make, _bytes)

    def class_maps(self, layer: str) -> Tensor:
        """The signed Grad-CAM maps of all N classes, (N, h, w).

        One matrix product at the layer before global average pooling and a linear head; elsewhere N VJPs.
        """
        return self.remember(("class maps", layer), lambda: self._class_maps(layer), _bytes)

    def closed_form(self, layer: str) -> bool:
        """Whether the CAM weights of all classes at `layer` are known without a gradient."""
        return self._head(layer) is not None

    def remember(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The cached value of a function of this pass."""
        return self._cache.get((*self.key, key), make, size)

    @property
    def _principal(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers if layer.principal)

    def _captured(self, *layers: str) -> Capture:
        """A pass with its graph at all of these layers."""
        for names in (tuple(self._pass.activations), self._principal):
            if set(layers) <= set(names):
                return self._with_graph(names)
        return self._with_graph(tuple(layer_lists.find(self.layers, layer).name for layer in layers))

    def _with_graph(self, names: tuple[str, ...]) -> Capture:
        return self._hold(names, lambda: capture(self.model.module, self.inputs, names))

    def _hold(self, names: tuple[str, ...], make: Callable[[], Capture]) -> Capture:
        """The pass of the layers `names`, from the cache; one that is too large for the cache is kept here instead."""
        kept = self._large.get(names) or self.remember(("pass", names), make, _held)
        if kept.nbytes > self._cache.limit:
            self._large[names] = kept
        return kept

    def _release(self, layer: str) -> None:
        """Forget the graph of a pass that was made for `layer` alone, where all maps are known without it."""
        if tuple(self._pass.activations) == (layer,):
            self._large.pop((layer,), None)
            self._cache.drop((*self.key, ("pass", (layer,))))

    def _gradients(self, logits: Tensor, targets: list[Tensor], vectors: Tensor) -> list[Tensor]:
        """d<g, z>/d target for one vector or many. Many at once are 5 to 30 % faster than a loop on two cores."""
        if vectors.shape[-1] != logits.shape[1]:
            raise QuestionError(f"The network has {logits.shape[1]} classes, and the cotangent {vectors.shape[-1]}.")
        vectors = vectors.to(logits)
        if vectors.ndim == 1:
            return [found[0] for found in self._backwards(logits, targets, vectors[None])]
        try:
            return [g[:, 0] for g in self._backwards(logits, targets, vectors[:, None], is_grads_batched=True)]
        except ModelError:  # some operations have no batched gradient
            singles = [self._backwards(logits, targets, vector[None]) for vector in vectors]
            return [torch.stack([found[0] for found in each]) for each in zip(*singles, strict=True)]

    def _backwards(
        self, logits: Tensor, targets: list[Tensor], vectors: Tensor, is_grads_batched: bool = False
    ) -> list[Tensor]:
        """The gradients at `targets`, zero where the answer does not depend on one.

        The lock keeps threads from running one graph backwards at the same time.
        """
        try:
            with self._backward:
                found = torch.autograd.grad(
                    logits, targets, vectors, True, is_grads_batched=is_grads_batched, allow_unused=True
                )
        except RuntimeError as error:
            raise ModelError(f"The gradient of this network cannot be taken: {str(error).splitlines()[0]}") from error
        lead = vectors.shape[:-2]
        gradients = zip(targets, found, strict=True)
        return [(t.new_zeros(*lead, *t.shape) if g is None else g).float() for t, g in gradients]

    def _cam(self, layer: str, basis: Basis) -> Tensor:
        head = self._head(layer)
        if head is None:
            weights = self.vjp(layer, cotangent(basis, self.probabilities)).mean((1, 2))
        else:
            weight = head.weight.detach().float()
            single = basis.kind == "class"
            row = weight[basis.index] if single else cotangent(basis, self.probabilities) @ weight
            weights = row / self.activation(layer)[0].numel()
        return torch.einsum("c,chw->hw", weights, self.activation(layer))

    def _class_maps(self, layer: str) -> Tensor:
        activation = self.activation(layer)
        head = self._head(layer)
        if head is not None:
            weights = head.weight.detach().float() / activation[0].numel()
        else:
            # Rows of the identity a few at a time: whole, it is 1.6 GB for 20,000 classes.
            classes = torch.arange(len(self.logits), device=activation.device)
            rows = (F.one_hot(some, len(self.logits)).to(activation) for some in classes.split(CHUNK))
            weights = torch.cat([self.vjp(layer, some).mean((2, 3)) for some in rows])
        return torch.einsum("nc,chw->nhw", weights, activation)

    def _head(self, layer: str) -> nn.Linear | None:
        return self.remember(("head", layer), lambda: self._find_head(layer), lambda _: 0)

    def _find_head(self, layer: str) -> nn.Linear | None:
        """The linear head W, if the network from `layer` on is global average pooling and W alone.

        The structure is guessed and then checked on this very pass: the gradient of a random cotangent must be
        what the closed form says, so an unusual head is never misread.
        """
        activation = self.activation(layer)
        shape = (len(self.logits), len(activation))
        heads = [m for m in self.model.module.modules() if isinstance(m, nn.Linear) and m.weight.shape == shape]
        if not heads:
            return None
        probe = torch.randn(len(self.logits), generator=torch.Generator().manual_seed(0)).to(activation)
        gradient = self.vjp(layer, probe)
        for head in heads:
            row = probe @ head.weight.detach().float()
            expected = row[:, None, None].expand_as(gradient) / activation[0].numel()
            if bool((gradient - expected).norm() <= 1e-5 * expected.norm()):
                self._release(layer)
                return head
        return None


def _held(kept: Capture) -> int:
    return kept.nbytes


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
