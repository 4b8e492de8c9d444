"""Where a person is in which lesson, and the lessons that there are."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from engine.errors import DataError
from engine.lessons import Known, Lesson, Step, lessons
from pages.widgets.state import PageState

FOLDER = Path(__file__).parents[2] / "assets" / "lessons"
OWN_FOLDER = "EXPECTANCY_LESSONS"
"""The environment variable that names a folder of further lessons; it is read, and never written to."""
MOST_PAIRS = 9999


@dataclass(frozen=True)
class LessonChoice:
    """The state of the page. "" means the first; `pairs` fixes the pictures of the study."""

    lesson: str = ""
    step: str = ""
    pairs: int = 1


def from_address(parameters: dict[str, str]) -> LessonChoice:
    """The choice in query parameters; what cannot be read is left at its usual value."""
    values: dict[str, Any] = {name: parameters[name][:100] for name in ("lesson", "step") if name in parameters}
    pairs = parameters.get("pairs", "")
    if pairs.isascii() and pairs.isdigit() and 1 <= int(pairs[:9]) <= MOST_PAIRS:
        values["pairs"] = int(pairs[:9])
    return LessonChoice(**values)


def _forget(values: dict[str, Any]) -> dict[str, Any]:
    """Another lesson begins at its first step."""
    return {"step": ""} | values if "lesson" in values else values


state = PageState("lesson_choice", LessonChoice(), from_address, forget=_forget)


def offered(known: Known) -> tuple[dict[str, Lesson], list[str]]:
    """The lessons by id, a teacher's own instead of the app's where both have one id, and what is wrong with any."""
    found: dict[str, Lesson] = {}
    problems: list[str] = []
    own = os.environ.get(OWN_FOLDER, "").strip()
    for folder in (FOLDER, *([Path(own)] if own else [])):
        try:
            found |= {each.id: each for each in lessons(folder, known)}
        except DataError as error:
            problems.append(str(error))
    return found, problems


def picked(lesson: Lesson, step: Step) -> int | None:
    """The choice that was picked in a step's question."""
    return _answers().get((lesson.id, step.id))


def pick(lesson: Lesson, step: Step, choice: int | None) -> None:
    """Remember the choice that was picked."""
    if choice is not None:
        _answers()[lesson.id, step.id] = choice


def solved(lesson: Lesson, step: Step) -> bool:
    """Whether the step's question was answered rightly."""
    return step.question is not None and picked(lesson, step) == step.question.right


def _answers() -> dict[tuple[str, str], int]:
    answers: dict[tuple[str, str], int] = st.session_state.setdefault("lesson_answers", {})
    return answers
