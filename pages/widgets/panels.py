"""From the engine's maps to the panels of the screen: titles, questions, sentences and honest labels."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import METHODS, Map, Trace, method
from engine.errors import ExplorerError
from engine.export import map_facts
from engine.images import Photo
from engine.methods import Method
from pages.widgets import session
from pages.widgets.map_panel import MAX_PANELS, Panel, PanelEvent
from pages.widgets.session import QUALITY, Choice
from pages.widgets.work import JUDGING, told

_JUDGED = "quality_judged"  # in the session: the digest of the photo that was judged last

QUALITY_TITLE = "Contrastive quality"
AWAITED = "The photo’s quality is being judged …"
OFFERED = ((QUALITY, QUALITY_TITLE), *((m.id, m.title) for m in METHODS))


def changed_row(row: tuple[str, ...], event: PanelEvent) -> tuple[str, ...]:
    """The places of a row of panels after a person switched, added or removed one.

    A place is named after its method, the second of a method "quality~2": its Q stays with it, whatever goes beside it.
    """
    if event.kind == "add":
        return (*row, _new_place(row, event.method))[:MAX_PANELS]
    if event.panel not in row:
        return row
    at = row.index(event.panel)
    if event.kind == "remove":
        return (*row[:at], *row[at + 1 :]) or row
    if event.kind == "method" and event.method != method_at(event.panel):
        return (*row[:at], _new_place(row, event.method), *row[at + 1 :])
    return row


def method_at(place: str) -> str:
    """The method that a place shows."""
    return place.partition("~")[0]


def asks_about_foil(name: str) -> bool:
    """Whether another foil changes what the panel of this method shows or says."""
    return any(asked.id == name and asked.needs_foil for asked in METHODS)


def _new_place(row: tuple[str, ...], name: str) -> str:
    return next(place for place in (name, *(f"{name}~{n}" for n in range(2, MAX_PANELS + 2))) if place not in row)


def panel(
    place: str, name: str, choice: Choice, trace: Trace, photo: Photo, fact: int, foil: int, judge: bool = True
) -> Panel:
    """The panel at `place` for the method `name` ("quality" or an id of METHODS).

    What cannot be shown becomes a panel with the sentence that says why. Without `judge` the photo's quality is not
    asked for: its panel says that it is awaited.
    """
    removable = len(choice.panels) > 1
    try:
        if name == QUALITY and not judge:
            return Panel(place, QUALITY_TITLE, "", AWAITED, None, method=name, removable=removable)
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
        notes=notes_of(found),
        speed="from the cache" if found.cached else f"{found.milliseconds:.0f} ms",
        meaning=(asked.for_.format(**words), asked.against.format(**words)),
        scale_group=asked.reading.__name__,
        extent=found.extent,
        method=name,
        removable=removable,
        facts=map_facts(trace, found),
    )


def quality_is_awaited(choice: Choice, photo: Photo) -> bool:
    """Whether the photo is still to be judged. That takes longer than all other maps, which do not wait for it."""
    return (
        QUALITY in map(method_at, choice.panels)
        and not session.engine().has_quality(photo)
        and st.session_state.get(_JUDGED) != photo.digest
    )


def judge_quality(photo: Photo, place: DeltaGenerator) -> None:
    """Do it, behind all that the page has drawn, with its progress at `place`; another wish of the person ends it.

    Where it cannot be done, the panel says why in the next run.
    """
    with suppress(ExplorerError):
        session.engine().quality(photo, progress=told(place, JUDGING))
    st.session_state[_JUDGED] = photo.digest  # once: what a cache is too small to keep is not awaited again


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


def notes_of(found: Map) -> tuple[str, ...]:
    """What stands under a map in a few words each: where it was read, what else went into it, how fine it is."""
    height, width = found.values.shape
    where = "the input’s pixels" if method(found.method).grid == "input" else found.layer
    size = f"{width} × {height} map, enlarged" if max(height, width) < 100 else f"{width} × {height} map"
    return (f"at {where}", *found.notes, size)


def _quality(place: str, photo: Photo, removable: bool) -> Panel:
    engine = session.engine()
    result = engine.quality(photo, progress=None if engine.has_quality(photo) else told(st.empty(), JUDGING))
    height, width = result.evidence.shape
    return Panel(
        place,
        QUALITY_TITLE,
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
        facts={"method": QUALITY, "score": result.score, "judged_at": list(result.size), "stride": result.stride},
    )
