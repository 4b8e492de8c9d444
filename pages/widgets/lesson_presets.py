"""From the preset of a lesson's step to the state of a real page, and to the address that opens it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from engine import method
from engine.lessons import Query, Step
from engine.models import catalogue
from engine.quality import FOILS
from pages.widgets import fixation_state, layers_state, quality_state, session
from pages.widgets.fixation_state import Looking
from pages.widgets.image_picker import SAMPLES
from pages.widgets.layers_state import LayersChoice
from pages.widgets.panels import OFFERED, method_at, options_of
from pages.widgets.quality_panels import ANY_Q
from pages.widgets.quality_state import LabStep, QualityChoice, step_text
from pages.widgets.session import Choice

CLASSES = ("fact", "foil")
"""Parameters that hold a class: in a preset also by name, since other networks number their classes otherwise."""


@dataclass(frozen=True)
class Destination:
    """A page that a step can open: its title, its path in the address, its usual states, and how it reads and writes.

    `panels` are the ids that a step's `show` may choose from, where the page's address does not say.
    """

    title: str
    path: str
    usual: tuple[Any, ...] = ()
    read: Callable[[Query], tuple[Any, ...]] = lambda query: ()
    write: Callable[[tuple[Any, ...]], Query] = lambda states: {}
    panels: tuple[str, ...] = ()


DESTINATIONS = {
    "compare": Destination(
        "Compare", "", (Choice(),), lambda query: (session.from_address(query),),
        lambda states: session.to_address(states[0]),
    ),
    "layers": Destination(
        "Layers", "layers", (Choice(), LayersChoice()),
        lambda query: (session.from_address(query), layers_state.from_address(query)),
        lambda states: session.to_address(states[0]) | layers_state.state.to_address(states[1]),
    ),
    "human_saliency": Destination(
        "Human saliency", "human_saliency", (Choice(), Looking()),
        lambda query: (session.from_address(query), fixation_state.from_address(query)),
        lambda states: session.to_address(states[0]) | fixation_state.to_address(states[1]),
    ),
    "image_quality": Destination(
        "Image quality", "image_quality", (QualityChoice(),), lambda query: (quality_state.from_address(query),),
        lambda states: quality_state.state.to_address(states[0]),
        ("scores", "why", ANY_Q, "saliency", *(f"q{foil:g}" for foil in FOILS)),
    ),
    "benchmark": Destination("Benchmark", "benchmark"),
}  # fmt: skip
"""By the name that a step's header gives: the page's file without suffix."""


def check(page: str, query: Query) -> str:
    """What is wrong with a page's state, without a full stop; "" for nothing. The page's own reading decides."""
    there = DESTINATIONS[page]
    known = {field.name: getattr(usual, field.name) for usual in there.usual for field in fields(usual)}
    back = there.write(there.read(query))
    for name, value in query.items():
        if name not in known:
            choices = f"it knows {', '.join(known)}" if known else "it has no state in its address"
            return f"the page {there.title} knows no “{name}”; {choices}"
        if name in CLASSES:
            continue  # the network says whether it has such a class
        if back.get(name, _spelt(known[name])) != value:
            return f"the page {there.title} cannot read “{name}={value}”"
    return _unknown(query)


def _unknown(query: Query) -> str:
    """What the pages would read, and then not find."""
    strange = [place for place in query.get("panels", "").split(",") if method_at(place) not in dict(OFFERED)]
    chosen = session.from_address(query)
    if "photo" in query and query["photo"] not in SAMPLES:
        return f"there is no sample photo “{query['photo']}”; choose one of {', '.join(SAMPLES)}"
    if "panels" in query and strange:
        return f"there is no panel “{strange[0]}”; choose from {', '.join(name for name, _ in OFFERED)}"
    if "model" in query and query["model"] not in catalogue.names():
        return f"there is no network “{query['model']}”; choose “embedded” or one of torchvision’s"
    if "options" in query and set(dict(chosen.options)) != set(options_of(chosen, method("contrastive-saliency"))):
        return f"contrastive saliency cannot read the options “{query['options']}”"
    return ""


def resolved(step: Step, classes: Sequence[str]) -> tuple[Query, list[str]]:
    """The step's state with its classes as numbers, and a sentence for each class that the network does not know."""
    query, missing = dict(step.query), []
    for name in CLASSES:
        asked = query.get(name, "")
        if not asked or asked.isdecimal():
            continue
        number = class_of(asked, classes)
        if number is None:
            usual = "its answer" if name == "fact" else "the runner-up"
            missing.append(f"This network knows no “{asked}”, so {usual} is taken.")
            del query[name]
        else:
            query[name] = str(number)
    return query, missing


def class_of(name: str, classes: Sequence[str]) -> int | None:
    """The class of this name; else one that names it among others ("car, truck or train"), or with other words."""
    asked = name.strip().casefold()
    names = [each.casefold() for each in classes]
    parts = [[part.strip() for part in re.split(r",|\bor\b|\band\b", each)] for each in names]
    for fits in (
        lambda at: names[at] == asked,
        lambda at: asked in parts[at],
        lambda at: asked in names[at].split(),
    ):
        found = next((at for at in range(len(names)) if fits(at)), None)
        if found is not None:
            return found
    return None


def address(page: str, query: Mapping[str, str]) -> str:
    """The address of a page in a state, relative to the page “Lesson”: wherever the app is served from."""
    return f"./{DESTINATIONS[page].path}" + (f"?{urlencode(query)}" if query else "")


def _spelt(value: Any) -> str:
    """A usual value as an address would hold it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(step_text(item) if isinstance(item, LabStep) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
