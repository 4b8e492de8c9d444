"""From the engine's maps to the panels of the screen: titles, questions, sentences and honest labels."""

from collections.abc import Mapping
from typing import Any

from engine import METHODS, Map, Trace, method
from engine.errors import ExplorerError
from engine.images import Photo
from engine.methods import Method
from pages.widgets import session
from pages.widgets.map_panel import Panel
from pages.widgets.session import QUALITY, Choice

OFFERED = ((QUALITY, "Contrastive quality"), *((m.id, m.title) for m in METHODS))
INSTANT = 20.0
"""Milliseconds below which a map counts as being there at once."""


def panel(place: str, name: str, choice: Choice, trace: Trace, photo: Photo, fact: int, foil: int) -> Panel:
    """The panel at `place` for the method `name` ("quality" or an id of METHODS).

    What cannot be shown becomes a panel with the sentence that says why.
    """
    removable = place not in session.PANELS[:1]
    try:
        if name == QUALITY:
            return _quality(place, photo, removable)
        asked = method(name)
        layer = choice.layer if choice.layer in {known.name for known in trace.layers} else None
        found = session.engine().explain(trace, name, layer, fact, foil, **options_of(choice, asked))
    except ExplorerError as error:
        title = dict(OFFERED).get(name, "Unknown method")
        return Panel(place, title, "", str(error), None, method=name, removable=removable)
    words = {"P": trace.answer.names[fact], "Q": trace.answer.names[foil]}
    return Panel(
        place,
        asked.title,
        asked.asks.format(**words),
        asked.sentence.format(**words),
        found.values,
        notes=_notes(found, trace),
        meaning=(asked.for_.format(**words), asked.against.format(**words)),
        scale_group=asked.reading.__name__,
        extent=found.extent,
        method=name,
        removable=removable,
    )


def options_of(choice: Choice, asked: Method) -> dict[str, Any]:
    """The chosen options that this method has, in the engine's own types; what does not fit is left out."""
    chosen = dict(choice.options)
    allowed = {option.name: {str(value): value for value in option.choices} for option in asked.options}
    return {name: allowed[name][text] for name, text in chosen.items() if text in allowed.get(name, {})}


def changed_options(choice: Choice, asked: Method, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The non-default options after a person changed some of them."""
    merged = asked.complete(options_of(choice, asked)) | dict(values)
    defaults = asked.complete({})
    return tuple((name, str(value)) for name, value in merged.items() if value != defaults[name])


def _notes(found: Map, trace: Trace) -> tuple[str, ...]:
    height, width = found.values.shape
    where = "the input’s pixels" if method(found.method).grid == "input" else found.layer
    speed = "from the cache" if found.cached else f"{found.milliseconds:.0f} ms"
    size = f"{width} × {height} map, enlarged" if max(height, width) < 100 else f"{width} × {height} map"
    return (*found.notes, f"at {where}", size, speed)


def _quality(place: str, photo: Photo, removable: bool) -> Panel:
    result = session.engine().quality(photo)
    height, width = result.evidence.shape
    return Panel(
        place,
        "Contrastive quality",
        f"Why {result.score:.2f}, rather than {{Q}}?",
        "Where the photo’s quality keeps its score from being {Q}: below it, or above it.",
        result.intercept,
        slope=result.slope,
        level=result.patch_scores,
        end=result.scale,
        q=0.75,
        score=result.score,
        notes=(f"judged at {result.size[0]} × {result.size[1]} px", f"{width} × {height} map, enlarged"),
        meaning=("keeps it above {Q}", "holds it below {Q}"),
        signed=True,
        scale_group="quality",
        method=QUALITY,
        removable=removable,
    )
