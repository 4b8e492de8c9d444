"""Lesson: the tutorial as a walk, each step a text, a live piece of the real tool, and a question."""

from pathlib import Path

import streamlit as st

from engine.bundle import Place
from engine.errors import ExplorerError
from engine.lessons import Known, Lesson, Question, Step
from pages.widgets import session
from pages.widgets.desk import corner, desk
from pages.widgets.lesson_live import PIECES, live
from pages.widgets.lesson_presets import DESTINATIONS, address, check, resolved
from pages.widgets.lesson_state import offered, pick, picked, solved, state
from pages.widgets.lesson_top import to_top
from pages.widgets.style import style
from pages.widgets.words import plain, refused

CSS = Path(__file__).parent / "widgets" / "lesson.css"
KNOWN = Known({name: there.panels for name, there in DESTINATIONS.items()}, tuple(PIECES), check)


def page() -> None:
    found, problems = offered(KNOWN)
    for problem in problems:
        refused(problem)
    lesson = chosen(found)
    if lesson is not None:
        for problem in lesson.problems:
            refused(problem)
        if lesson.steps:
            walk(lesson)
        else:
            st.info("No step of this lesson can be shown; see above what is wrong with its files.")
    state.publish()


def chosen(found: dict[str, Lesson]) -> Lesson | None:
    """The lesson that is chosen, with the choice drawn where there are several."""
    if not found:
        return None
    asked = state.current().lesson
    now = asked if asked in found else next(iter(found))
    if asked and asked != now:
        st.warning(plain(f"There is no lesson “{asked}” here, so “{found[now].title}” is shown."))
    if len(found) > 1:
        st.selectbox(
            "Lesson", list(found), format_func=lambda name: found[name].title, width=420,
            **state.bound("lesson_name", now, "lesson", among=found),
        )  # fmt: skip
    return found[now]


def walk(lesson: Lesson) -> None:
    """The list of steps beside the one that is chosen."""
    asked = state.current().step
    steps = {step.id: step for step in lesson.steps}
    if asked and asked not in steps:
        st.warning(plain(f"This lesson has no step “{asked}”, so it begins at the first."))
    now = steps.get(asked, lesson.steps[0])
    at = lesson.steps.index(now)
    labels = {step.id: label(lesson, step) for step in lesson.steps}
    with st.container(key="lesson"):
        names, shown = st.columns([1, 3.6], gap="large")
    with names, st.container(key="steps"):
        st.markdown(f"**{plain(lesson.title)}**")
        st.progress((at + 1) / len(lesson.steps), f"Step {at + 1} of {len(lesson.steps)}")
        st.radio(
            "Steps", list(steps), format_func=labels.__getitem__, label_visibility="collapsed",
            **state.bound("lesson_step", now.id, "step"),
        )  # fmt: skip
    with shown:
        show(lesson, now)
        move(lesson, at)
    to_top(f"{lesson.id}/{now.id}")


def label(lesson: Lesson, step: Step) -> str:
    """A step's number and title, with a mark where its question is answered."""
    mark = " :material/check_circle:" if solved(lesson, step) else ""
    return f"{lesson.steps.index(step) + 1}\\. {plain(step.title)}{mark}"


def show(lesson: Lesson, step: Step) -> None:
    """One step: text, live piece, link, question."""
    with st.container(key="text"):
        st.markdown(f"## {plain(step.title)}")
        st.markdown(step.text)
    if step.live:
        with st.container(border=True, key="live"):
            live(step)
    link(step)
    if step.question is not None:
        with st.container(border=True, key="ask"):
            ask(lesson, step, step.question)


def link(step: Step) -> None:
    """A link that opens the real page in the step's state, in a tab and a session of its own."""
    query = dict(step.query)
    if {"fact", "foil"} & set(query):
        try:
            query, _ = resolved(step, session.engine().load(query.get("model", "embedded")).classes)
        except ExplorerError:
            query = {name: value for name, value in query.items() if name not in ("fact", "foil")}
    title = DESTINATIONS[step.page].title
    st.link_button(
        f"Open this on the page “{title}”", address(step.page, query), icon=":material/open_in_new:", key="open",
        help="In a new tab: this lesson stays where it is.",
    )  # fmt: skip


def ask(lesson: Lesson, step: Step, question: Question) -> None:
    """The question, and what is told after an answer."""
    key = f"answer-{lesson.id}-{step.id}"
    st.session_state[key] = given = picked(lesson, step)
    st.markdown(f"**A question.** {question.text}")
    st.radio(
        "Your answer", range(len(question.choices)), key=key, label_visibility="collapsed", width="stretch",
        format_func=lambda at: question.choices[at].text,
        on_change=lambda: pick(lesson, step, st.session_state[key]),
    )  # fmt: skip
    if given is None:
        return
    reply = question.choices[given].reply
    if given == question.right:
        st.success(" ".join(("**Right.**", *([reply] if reply else []), question.answer)))
    else:
        st.info(
            f"**Not this one.** {reply} Try another." if reply else "**Not this one.** Look again, and try another."
        )


def move(lesson: Lesson, at: int) -> None:
    """To the previous and the next step."""
    with st.container(horizontal=True, horizontal_alignment="distribute", key="move"):
        for by, words, icon in ((-1, "Previous", "arrow_back"), (1, "Next", "arrow_forward")):
            there = 0 <= at + by < len(lesson.steps)
            st.button(
                words if not there else f"{words}: {plain(lesson.steps[at + by].title)}", disabled=not there,
                icon=f":material/{icon}:", icon_position="left" if by < 0 else "right", key=f"move-{words.lower()}",
                on_click=lambda by=by: state.change(step=lesson.steps[at + by].id),
            )  # fmt: skip


style()
st.html(CSS)
desk(corner(), Place("lesson", {}), None)
page()
