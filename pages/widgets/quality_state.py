"""What a person has chosen on the page Image quality."""

import re
from dataclasses import dataclass
from typing import Any

from engine.distortions import KINDS
from engine.quality import STRIDES
from pages.widgets.state import PageState

UPLOAD = "upload"
WITH, WITHOUT = "with", "without"
CROP, ALIGN = "crop", "align"
MOST_STEPS = 6
WHOLE = 1000
"""Regions are counted in thousandths of the photo's width and height."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class LabStep:
    """One distortion of the lab: a kind's name, a level 1 to 5, and where (None: everywhere)."""

    kind: str = "jpeg"
    level: int = 5
    box: Box | None = None


@dataclass(frozen=True)
class QualityChoice:
    """The state of a view. `photo` is a sample's name or "upload"; `steps` are the lab's distortions.

    `judge` says whether the reference is used where there is one; `fit` how a pair that does not fit is made to
    ("crop", "align"); `stride` is the distance of patches in pixels, None: as fine as is quick.
    """

    photo: str = "coffee"
    judge: str = WITH
    fit: str = ""
    stride: int | None = None
    steps: tuple[LabStep, ...] = (LabStep("jpeg", 5, (520, 480, 880, 880)),)


def step_text(step: LabStep) -> str:
    """ "jpeg:5:520-480-880-880"."""
    box = "" if step.box is None else ":" + "-".join(str(number) for number in step.box)
    return f"{step.kind}:{step.level}{box}"


def step_from(text: str) -> LabStep | None:
    """The step that :func:`step_text` wrote; None for anything else."""
    found = re.fullmatch(r"([a-z0-9-]{1,40}):([1-5])(?::(\d{1,4})-(\d{1,4})-(\d{1,4})-(\d{1,4}))?", text)
    if found is None or found[1] not in {kind.name for kind in KINDS}:
        return None
    box: Box | None = None
    if found[3] is not None:
        left, top, right, bottom = (int(number) for number in found.groups()[2:])
        if not (left < right <= WHOLE and top < bottom <= WHOLE):
            return None
        box = (left, top, right, bottom)
    return LabStep(found[1], int(found[2]), box)


def from_address(parameters: dict[str, str]) -> QualityChoice:
    """The choice in query parameters; what cannot be read is left at its usual value."""
    values: dict[str, Any] = {}
    if "photo" in parameters:
        values["photo"] = parameters["photo"][:100]
    if parameters.get("judge") == WITHOUT:
        values["judge"] = WITHOUT
    if parameters.get("fit") in (CROP, ALIGN):
        values["fit"] = parameters["fit"]
    if parameters.get("stride") in {str(stride) for stride in STRIDES}:
        values["stride"] = int(parameters["stride"])
    if "steps" in parameters:
        read = (step_from(part) for part in parameters["steps"].split(",")[:MOST_STEPS])
        values["steps"] = tuple(step for step in read if step is not None)
    return QualityChoice(**values)


def _write(name: str, value: Any) -> str:
    return (",".join(step_text(step) for step in value) or "none") if name == "steps" else str(value)


def _forget(values: dict[str, Any]) -> dict[str, Any]:
    """Another photo is pristine at first, and fits itself."""
    return {"fit": "", "steps": ()} | values if "photo" in values else values


state = PageState("quality_choice", QualityChoice(), from_address, _write, _forget)
