"""The only file that registers hooks: one forward pass, the activations asked for, nothing left behind.

Gradients are taken with torch.autograd.grad on the tensors kept here; never `.grad` (it accumulates),
never module backward hooks (they outlive calls and break with in-place modules).
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from engine.errors import ExplorerError, LayerError, ModelError, QuestionError

CHUNK = 8
"""How many cotangents are taken at once where a question needs very many: more are no faster, and hold more memory."""

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_guard = threading.Lock()


@dataclass(frozen=True)
class Capture:
    """What one forward pass leaves.

    `logits` is (1, N) and carries the graph back to the shallowest activation asked for; `activations`
    maps each layer's name to its output (1, C, h, w), on that graph. `nbytes` is what keeping them holds in
    memory: the activations and all that the graph has saved for its gradients, without the network's own weights.
    """

    logits: Tensor
    activations: Mapping[str, Tensor]
    nbytes: int

    @property
    def bare(self) -> "Capture":
        """The same without the graph."""
        activations = {name: activation.detach() for name, activation in self.activations.items()}
        logits = self.logits.detach()
        nbytes = sum(t.untyped_storage().nbytes() for t in (logits, *activations.values()))
        return Capture(logits, MappingProxyType(activations), nbytes)


def capture(module: nn.Module, inputs: Tensor, names: Sequence[str], *, guided: bool = False) -> Capture:
    """Run `module` on `inputs` (1, 3, H, W) once and keep the outputs of the layers `names`.

    Without names the graph reaches back to the input itself. With `guided`, every ReLU lets only positive
    gradients pass (Springenberg 2015). Whatever happens, no hook stays, and training mode and
    requires_grad of every part are as before. Only one thread at a time runs a given module.

    Raises LayerError for a layer that does not run or gives no map, ModelError when the network fails or
    its answer is not one row of finite numbers, QuestionError when guided backpropagation does not apply.
    """
    kept: dict[str, Tensor] = {}
    with ExitStack() as stack:
        stack.enter_context(_undisturbed(module))
        stack.enter_context(_recording())
        stack.enter_context(_FrozenNorms())
        if not names:
            inputs = inputs.detach().clone().requires_grad_()
        for name in names:
            stack.enter_context(_hooked(_submodule(module, name), _keep(kept, name)))
        relus = stack.enter_context(_GuidedReLU()) if guided else None
        logits = _run(module, inputs)
    if relus is not None and relus.met == 0:
        raise QuestionError("Guided backpropagation needs ReLUs, and this network has none; choose another method.")
    missing = [name for name in names if name not in kept]
    if missing:
        raise LayerError(f"The layer “{missing[0]}” takes no part in the answer; choose another layer.")
    activations = kept if names else {"": inputs}
    if not logits.requires_grad:
        raise ModelError("The network's answer carries no gradients; it must not run under no_grad or detach its maps.")
    return Capture(logits, MappingProxyType(activations), _held(module, logits, [inputs, *activations.values()]))


def capture_parameter(module: nn.Module, inputs: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """One forward pass whose graph reaches back to the parameter `name`: (logits (1, N), the parameter's stand-in).

    The stand-in is a leaf with the parameter's values that takes its place during the pass, so that the
    parameter itself is never marked as requiring a gradient.
    """
    with _undisturbed(module), _recording():
        stand_in = module.get_parameter(name).detach().clone().requires_grad_()
        logits = _run(lambda x: torch.func.functional_call(module, {name: stand_in}, (x,)), inputs)
    return logits, stand_in


def record_calls(module: nn.Module, inputs: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """(module path, output shape) of every submodule call of one forward pass, in order of completion."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def noting(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                calls.append((name, tuple(output.shape)))

        return hook

    with ExitStack() as stack:
        stack.enter_context(_undisturbed(module))
        for name, part in module.named_modules():
            stack.enter_context(_hooked(part, noting(name)))
        stack.enter_context(torch.no_grad())
        _run(module, inputs)
    return calls


def footprint(module: nn.Module, inputs: Tensor) -> int | None:
    """The bytes that a pass on `inputs` and its gradients would take: from the shapes alone, nothing is computed.

    What the graph keeps is met on PyTorch's meta device. On top come the gradients of CHUNK cotangents at once where
    the maps are largest, five times over: they, their squares, and what the chain rule has in hand. Contrastive
    saliency at the first layer, the dearest question, was measured to take 0.7 (ResNet-18, 512 pixels) to 0.98 (VGG-16,
    224 pixels) of this. None where the network cannot run on that device.
    """
    kept: dict[int, torch.UntypedStorage] = {}
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        nonlocal largest
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # kept alive, so that no other storage gets its place
            largest = max(largest, storage.nbytes())
        return tensor

    with _undisturbed(module), _recording():
        state = {name: t.detach().to("meta") for name, t in chain(module.named_parameters(), module.named_buffers())}
        own = {t.untyped_storage()._cdata for t in state.values()}
        blank = inputs.detach().to("meta").requires_grad_()
        try:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                torch.func.functional_call(module, state, (blank,))
        except Exception:  # whatever a person's own network may raise; `capture` says what is wrong with it
            return None
    return sum(storage.nbytes() for storage in kept.values()) + 5 * CHUNK * largest


def _run(module: Callable[[Tensor], Any], inputs: Tensor) -> Tensor:
    try:
        logits = module(inputs)
    except ExplorerError:
        raise
    except Exception as error:  # whatever a person's own network may raise
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "alloc" in str(error):
            raise ModelError("The network needs more memory than there is; choose a smaller input size.") from error
        raise ModelError(f"The network cannot run on an input of {_shape(inputs)}: {_first_line(error)}.") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != 1 or logits.shape[1] < 1:
        raise ModelError("The network does not answer with one row of logits (1, N); wrap a plain classifier.")
    if not bool(torch.isfinite(logits).all()):
        raise ModelError("The network's answer contains NaN or infinity; its weights or the input are not usable.")
    return logits


def _held(module: nn.Module, logits: Tensor, kept: Iterable[Tensor]) -> int:
    """The bytes of all distinct storages that `kept` and the graph behind `logits` hold, without `module`'s own."""
    held = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in (logits, *kept)}
    nodes: list[Any] = [logits.grad_fn]
    met = set(nodes)
    while nodes:
        node = nodes.pop()
        for saved in _saved(node):
            held[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        after = {n for n, _ in node.next_functions if n is not None} - met
        met |= after
        nodes.extend(after)
    own = {t.untyped_storage().data_ptr() for t in chain(module.parameters(), module.buffers())}
    return sum(nbytes for where, nbytes in held.items() if where not in own)


def _saved(node: Any) -> Iterator[Tensor]:
    """The tensors that one node of the graph has kept for its gradient."""
    for name in _saved_names(node.__class__):
        value = getattr(node, name)
        yield from (t for t in (value if isinstance(value, list | tuple) else (value,)) if isinstance(t, Tensor))


@cache
def _saved_names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_") or name == "saved_tensors")


def _shape(inputs: Tensor) -> str:
    return " × ".join(str(n) for n in inputs.shape[-2:])


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _submodule(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        raise LayerError(f"This network has no layer named “{name}”.") from None


def _keep(kept: dict[str, Tensor], name: str) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise LayerError(f"The layer “{name}” does not give maps (1, C, h, w); choose another layer.")
        # The graph begins at the shallowest layer: before it nothing requires a gradient.
        kept[name] = output if output.requires_grad else output.detach().requires_grad_()
        # A later in-place module (ReLU(inplace=True)) changes the copy, never the activation that was kept.
        return kept[name].clone()

    return hook


@contextmanager
def _hooked(part: nn.Module, hook: Callable[..., Any]) -> Iterator[RemovableHandle]:
    handle = part.register_forward_hook(hook)
    try:
        yield handle
    finally:
        handle.remove()


@contextmanager
def _recording() -> Iterator[None]:
    """Gradients are recorded inside, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and frozen parameters inside; everything as it was outside, whatever happens."""
    with _locks_guard:
        lock = _locks.setdefault(module, threading.RLock())
    with lock:
        modes = [(part, part.training) for part in module.modules()]
        wanted = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
        try:
            for part, training in modes:
                if training:
                    part.training = False
            for parameter, requires in wanted:
                if requires:
                    parameter.requires_grad_(False)
            yield
        finally:
            for part, training in modes:
                if training:
                    part.training = True
            for parameter, requires in wanted:
                if requires:
                    parameter.requires_grad_(True)


class _FrozenNorms(TorchFunctionMode):
    """Takes every batch normalisation by fixed statistics and weights as a factor and a shift for each channel.

    Its gradient needs the factor and nothing else, where PyTorch's own keeps its input for gradients of the weights,
    which nobody asks for here; one multiplication and addition is also 1.5 to 3 times as fast. Done before the
    graph begins too, so that what a layer gives does not depend on which layers were asked for.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.batch_norm:
            return func(*args, **kwargs)
        x, mean, variance, weight, bias, training, _, eps = _of_batch_norm(*args, **kwargs)
        fixed = [t for t in (mean, variance, weight, bias) if t is not None]
        if training or mean is None or variance is None or any(t.requires_grad for t in fixed):
            return func(*args, **kwargs)
        wide = torch.promote_types(variance.dtype, torch.float32)  # in half precision eps would vanish
        factor = (variance.to(wide) + eps).rsqrt()
        factor = factor if weight is None else factor * weight
        shift = -mean * factor if bias is None else torch.addcmul(bias.to(wide), mean.to(wide), factor, value=-1)
        each = (-1, *[1] * (x.ndim - 2))
        return torch.addcmul(shift.view(each), x.to(factor.dtype), factor.view(each)).to(x.dtype)


def _of_batch_norm(
    input: Tensor,  # noqa: A002 - the name by which F.batch_norm may be given it
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Any, ...]:
    """The arguments of F.batch_norm in their order, however they were given."""
    return input, running_mean, running_var, weight, bias, training, momentum, eps


class _PositiveGradient(torch.autograd.Function):
    """The identity, whose gradient passes only where it is positive."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()  # a view could not be changed by an in-place part that follows

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].clamp(min=0)


class _GuidedReLU(TorchFunctionMode):
    """Guided backpropagation by watching the calls themselves, so that functional and reused ReLUs count too.

    The gradient of ReLU passes where the input was positive; the identity behind it lets only positive
    gradients pass: together, Springenberg 2015, equation for "guided backpropagation".
    """

    # nn.ReLU calls F.relu, and nn.ReLU6 calls F.hardtanh
    _RELUS = frozenset([F.relu, F.relu6, F.hardtanh, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_])
    _SMOOTH: ClassVar[dict[Any, str]] = {
        F.gelu: "GELU", F.silu: "SiLU", F.hardswish: "Hardswish", F.elu: "ELU", F.selu: "SELU", F.mish: "Mish",
        F.leaky_relu: "leaky ReLU", F.prelu: "PReLU", F.softplus: "Softplus", F.celu: "CELU",
        F.rrelu: "randomised ReLU",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        other = self._SMOOTH.get(func)
        if func is F.hardtanh and kwargs.get("min_val", args[1] if len(args) > 1 else -1.0) != 0:
            other = "Hardtanh"
        if other:
            raise QuestionError(
                f"Guided backpropagation is defined for ReLUs, and this network uses {other}; "
                "choose another method or network."
            )
        if func not in self._RELUS:
            return output
        self.met += 1
        return _PositiveGradient.apply(output)
