"""Lessons from folders of Markdown: what is read, and one sentence with file and line for what cannot be."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.lessons import Choice, Known, Lesson, Query, lesson, lessons, read_step

GOOD = """---
title: A walk
page: compare
state: photo=cat&panels=gradcam,contrast
live: panels, travel
---
First $p - e_Q$.

## A heading of its own

Then more.

## Question
Which one,
of these?

- [ ] The first
- [X] The second
  Well seen,
  indeed.
- [ ] The third
  Not this.

Because of $J$.

And so on.
"""


def check(page: str, query: Query) -> str:
    return "the page knows no “bad”" if "bad" in query else ""


KNOWN = Known({"compare": (), "image_quality": ("why", "any-q")}, ("panels", "travel"), check)


def test_everything_in_a_file_is_read() -> None:
    step = read_step(GOOD, "03-A walk.md", KNOWN)
    assert (step.id, step.title, step.page) == ("a-walk", "A walk", "compare")
    assert step.query == (("photo", "cat"), ("panels", "gradcam,contrast"))
    assert step.live == ("panels", "travel") and step.show == ()
    assert step.text == "First $p - e_Q$.\n\n## A heading of its own\n\nThen more."
    asked = step.question
    assert asked is not None and asked.text == "Which one,\nof these?" and asked.right == 1
    assert asked.choices == (
        Choice("The first", False), Choice("The second", True, "Well seen, indeed."),
        Choice("The third", False, "Not this."),
    )  # fmt: skip
    assert asked.answer == "Because of $J$.\n\nAnd so on."


def test_state_live_piece_and_question_may_be_left_out() -> None:
    step = read_step("---\ntitle: T\npage: compare\n---\nText.\n- [ ] not a question\n", "x.md", KNOWN)
    assert step.question is None and step.live == () and step.query == ()
    assert step.text == "Text.\n- [ ] not a question"


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "w.md, line 1: a step begins with a header"),
        ("no header", "w.md, line 1: a step begins with a header"),
        (GOOD.replace("live: panels, travel\n---\n", ""), "w.md, line 5: a line of the header is “key: value”"),
        ("---\ntitle: T\n", "w.md, line 1: the header does not end"),
        (changed("title: A walk\n", ""), "w.md, line 1: the header has no title"),
        (changed("title: A walk\n", "title:\n"), "w.md, line 1: the header has no title"),
        (changed("A walk", "x" * 101), "w.md, line 2: the title has 101 characters"),
        (
            changed("page: compare", "page: comparre"),
            "w.md, line 3: there is no page “comparre”; choose one of compare,",
        ),
        (changed("page: compare\n", ""), "w.md, line 1: the header has no page"),
        (changed("photo=cat&panels", "photo=cat&&panels"), "w.md, line 4: the state is not written as in an address"),
        (changed("photo=cat&", "photo=%ff&"), "w.md, line 4: the state is not written as in an address"),
        (changed("photo=cat", "photo=cat&photo=coffee"), "w.md, line 4: the state names something twice"),
        (changed("photo=cat", "bad=1"), "w.md, line 4: the page knows no “bad”."),
        (
            changed("panels, travel", "panels, traval"),
            "w.md, line 5: “live” cannot be “traval”; choose from panels, travel",
        ),
        (changed("panels, travel", "panels\nshow: why"), "w.md, line 6: “show” cannot be “why”; this page has none"),
        (changed("title: A walk", "titel: A walk"), "w.md, line 2: the header knows no “titel”"),
        (changed("title: A walk", "title: A\ntitle: B"), "w.md, line 3: the header has “title” twice"),
        (changed("Then more.", "![a](b.png)"), "w.md, line 11: a text holds no pictures"),
        (changed("Which one,\nof these?", ""), "w.md, line 13: the question has no text"),
        (changed("- [X]", "- [ ]"), "w.md, line 13: the question has no right choice"),
        (changed("- [ ] The first", "- [x] The first"), "w.md, line 13: the question has several right choices"),
        (changed("Because of $J$.\n\nAnd so on.\n", ""), "w.md, line 13: the question does not say why"),
        (GOOD[: GOOD.index("- [X]")] + "\nWhy.", "w.md, line 13: the question needs two choices or more"),
        ("---\ntitle: T\npage: compare\n---\n\n", "w.md, line 4: the step has no text"),
    ],
)
def test_each_fault_is_one_sentence_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(DataError) as told:
        read_step(text, "w.md", KNOWN)
    assert str(told.value).startswith(sentence) and str(told.value).endswith((".", "…”."))
    assert "\n" not in str(told.value)


@settings(max_examples=150)
@given(st.one_of(st.text(max_size=300), st.text("-: []x#\nQuestion", max_size=300).map(lambda tail: GOOD[:90] + tail)))
def test_whatever_is_in_a_file_is_a_step_or_a_sentence(text: str) -> None:
    try:
        step = read_step(text, "w.md", KNOWN)
    except DataError as error:
        assert str(error).startswith("w.md, line")
    else:
        assert step.title and step.text and step.page in KNOWN.pages


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.md").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_is_a_lesson_in_the_order_of_names_and_a_bad_file_costs_itself_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "my-first_lesson", **{"02_b": GOOD, "01_a": GOOD, "03_c": "nothing"})
    (folder / "04-d.md").write_bytes(b"---\ntitle: \xff\xfe\n---\n")
    (folder / "notes.txt").write_text("no step")
    found = lesson(folder, KNOWN)
    assert [step.id for step in found.steps] == ["a", "b"]
    assert found.title == "My first lesson" and len(found.problems) == 2
    assert found.problems[1] == "04-d.md is not text in UTF-8; save it as such."
    (folder / "title.txt").write_text("Über Gradienten\nsecond line", encoding="utf-8")
    assert lesson(folder, KNOWN).title == "Über Gradienten"


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    found = lesson(write(tmp_path / "x", **{"01_a": GOOD, "02_a": GOOD}), KNOWN)
    assert len(found.steps) == 1
    assert found.problems == ("02-a.md: another file is the step “a” already; rename one of them.",)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    found = lesson(write(tmp_path / "x", a=GOOD + "x" * 200_000), KNOWN)
    assert found == Lesson("x", "X", (), ("a.md is larger than 200 kB; divide it into several steps.",))


def test_a_folder_holds_lessons_of_its_own_and_in_folders(tmp_path: Path) -> None:
    write(tmp_path / "all", a=GOOD)
    write(tmp_path / "all" / "second", a=GOOD)
    write(tmp_path / "all" / ".hidden", a=GOOD)
    (tmp_path / "all" / "empty").mkdir()
    assert [each.id for each in lessons(tmp_path / "all", KNOWN)] == ["all", "second"]


def test_a_folder_that_is_none_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        lessons(tmp_path / "nowhere", KNOWN)
    with pytest.raises(DataError, match="holds no lesson"):
        lessons(tmp_path, KNOWN)
