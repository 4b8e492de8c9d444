"""Maps of one photo at many layers: which layers, and all of them from one forward pass.

Where maps are linear in the cotangent, one run backwards for each basis vector gives them at every layer together.
"""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

from torch import nn

from engine.capture import capture
from engine.engine import Engine
from engine.errors import ExplorerError
from engine.layers import Layer
from engine.methods import method
from engine.questions import Basis
from engine.readings import cam
from engine.trace import Trace

MOST_LAYERS = 80
"""Rows that a person can still travel through; of deeper networks the outer parts stand for the inner ones."""


@dataclass(frozen=True)
class Column:
    """What is asked at every layer: the method with this id, about `fact` and `foil` (class indices).

    `options` are (name, value) pairs of the method; see `engine.methods.Method.complete`.
    """

    method: str
    fact: int
    foil: int
    options: tuple[tuple[str, Hashable], ...] = ()


def stages(trace: Trace) -> tuple[Layer, ...]:
    """The principal layers, from the image's side to the answer's."""
    return tuple(layer for layer in trace.layers if layer.principal)


def every_layer(trace: Trace, most: int = MOST_LAYERS) -> tuple[Layer, ...]:
    """All explainable layers in the order in which they run, each output once.

    Where they are more than `most`, the innermost parts are left out, level by level; the principal layers stay.
    """
    layers = [layer for at, layer in enumerate(trace.layers) if not _repeated(trace, at)]
    depth = max(layer.name.count(".") for layer in layers)
    while len(layers) > most and depth >= 0:
        layers = [layer for layer in layers if layer.principal or layer.name.count(".") < depth]
        depth -= 1
    return tuple(layers)


def prepare(
    engine: Engine,
    trace: Trace,
    layers: Sequence[str],
    columns: Sequence[Column],
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Bring the maps of all `columns` at all `layers` into the engine's cache, where `Engine.explain` finds them.

    Layers beyond the principal ones cost one more forward pass together, not one each. `progress` is told the share
    done, 0 to 1, and may raise to stop. What cannot be asked is left to `Engine.explain` to say.
    """
    names = tuple(layers)

    @cache
    def wide() -> Trace:
        return trace.remember(("wide", names), lambda: _widened(trace, names), lambda found: found.nbytes)

    inner = not set(names) <= {layer.name for layer in stages(trace)}
    bases = dict.fromkeys(basis for column in columns for basis in _bases(column))
    steps = len(bases) + len(names) * len(columns)
    for done, basis in enumerate(bases):
        progress(done / steps)
        sweep = partial(_sweep, wide if inner else lambda: trace, basis, names)
        trace.remember(("swept", names, basis), sweep, lambda _: 0)
    for done, (name, column) in enumerate(((n, c) for c in columns for n in names), len(bases)):
        progress(done / steps)
        asked = wide() if inner and not _bases(column) else trace
        with suppress(ExplorerError):
            engine.explain(asked, column.method, name, column.fact, column.foil, **dict(column.options))
    progress(1.0)


def _bases(column: Column) -> tuple[Basis, ...]:
    """The basis vectors of a column whose maps are linear in the cotangent; none of any other."""
    asked = method(column.method)
    if asked.question is None or asked.reading is not cam:
        return ()
    return tuple(basis for _, basis in asked.question.terms(column.fact, column.foil))


def _sweep(trace: Callable[[], Trace], basis: Basis, layers: Sequence[str]) -> bool:
    """Whether the maps of one basis vector could be had at all layers together."""
    try:
        trace().prefetch(basis, layers)
    except ExplorerError:
        return False
    return True


def _widened(trace: Trace, layers: Sequence[str]) -> Trace:
    """The same pass, run once more with the activations of all `layers` at hand. It shares the cache of the first."""
    return replace(trace, _pass=capture(trace.model.module, trace.inputs, layers))


def _repeated(trace: Trace, at: int) -> bool:
    """Whether another layer has the same output: a container that only runs its parts, or the last of these parts."""
    before, now, after = ([None, *trace.layers, None])[at : at + 3]
    if now is None or now.principal:
        return False
    return _wraps(trace, after, now) or (_wraps(trace, now, before) and before is not None and before.principal)


def _wraps(trace: Trace, container: Layer | None, last: Layer | None) -> bool:
    """Whether the container ends with the layer `last` and does nothing of its own."""
    if container is None or last is None or not last.name.startswith(f"{container.name}."):
        return False
    return type(trace.model.module.get_submodule(container.name)).forward is nn.Sequential.forward
