"""The page Lesson without a browser: every step, its question, the travel, the study, and folders that are broken."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from engine.lessons import Lesson, Step, lessons
from engine.study import ROUNDS
from pages.widgets import fixation_state, quality_state, session
from pages.widgets.lesson_live import PIECES
from pages.widgets.lesson_presets import DESTINATIONS, address, check, class_of, resolved
from pages.widgets.lesson_state import FOLDER, OWN_FOLDER, LessonChoice, from_address, state
from pages.widgets.words import plain
from tests.test_lessons import GOOD, KNOWN

PAGE = str(Path(__file__).parents[2] / "pages" / "lesson.py")
LESSON: Lesson = lessons(FOLDER, KNOWN.__class__({n: d.panels for n, d in DESTINATIONS.items()}, tuple(PIECES), check))[
    0
]
STEPS = {step.id: step for step in LESSON.steps}


def start(**parameters: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=300)
    for name, value in parameters.items():
        app.query_params[name] = value
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(block.value for block in (*app.markdown, *app.caption))


def question(app: AppTest, step: str) -> "AppTest.radio":  # type: ignore[name-defined]
    return app.radio(key=f"answer-{LESSON.id}-{step}")


def test_the_lesson_is_whole() -> None:
    assert not LESSON.problems and len(LESSON.steps) >= 9
    for step in LESSON.steps:
        assert step.live and step.question is not None and "$" in step.text + step.question.answer
        wrong = [choice for choice in step.question.choices if not choice.right]
        assert len(wrong) >= 2 and all(choice.reply for choice in wrong), step.id
    assert {piece for step in LESSON.steps for piece in step.live} == set(PIECES)
    rights = {step.question.right for step in LESSON.steps if step.question}
    assert rights == {0, 1, 2}, "the right choice stands in no fixed place"


@pytest.mark.parametrize("step", STEPS)
def test_every_step_shows_its_text_and_its_live_piece(step: str) -> None:
    app = start(step=step)
    assert not app.error and not app.warning
    assert f"## {plain(STEPS[step].title)}" in said(app) and STEPS[step].text in said(app)
    assert app.progress[0].text == f"Step {list(STEPS).index(step) + 1} of {len(STEPS)}"
    assert app.query_params["step"] == [step] or app.query_params["step"] == step
    (link,) = app.link_button
    assert DESTINATIONS[STEPS[step].page].title in link.value
    assert link.proto.url.startswith(f"./{DESTINATIONS[STEPS[step].page].path}")


@pytest.mark.parametrize("step", STEPS)
def test_a_steps_link_holds_its_state(step: str) -> None:
    """The page's own reading of the link gives the state of the preset, its classes as numbers."""
    preset = STEPS[step]
    classes = session.engine().load("embedded").classes
    query, missing = resolved(preset, classes)
    parts = urlsplit(address(preset.page, query))
    assert not missing and parts.path.removeprefix("./") == DESTINATIONS[preset.page].path
    back = dict(parse_qsl(parts.query))
    assert back == query and set(back) == set(dict(preset.query))
    if preset.page == "compare":
        assert session.from_address(back).panels == tuple(
            dict(preset.query).get("panels", ",".join(session.PANELS)).split(",")
        )
        assert all(back[name].isdecimal() for name in ("fact", "foil") if name in back)
    elif preset.page == "human_saliency":
        assert fixation_state.from_address(back).maps == tuple(dict(preset.query)["maps"].split(","))
    elif preset.page == "image_quality":
        assert quality_state.from_address(back).photo == dict(preset.query)["photo"]


@pytest.mark.parametrize("step", ["tables", "study"])
def test_a_question_answers_to_what_was_picked(step: str) -> None:
    app, asked = start(step=step), STEPS[step].question
    assert asked is not None and question(app, step).value is None
    wrong = next(at for at, choice in enumerate(asked.choices) if not choice.right)
    question(app, step).set_value(wrong)
    run(app)
    assert asked.choices[wrong].reply in app.info[-1].value and not app.success
    question(app, step).set_value(asked.right)
    run(app)
    assert asked.answer in app.success[-1].value and "Right" in app.success[-1].value
    assert ":material/check_circle:" in str(app.radio(key="lesson_step").options)
    app.radio(key="lesson_step").set_value("tables" if step == "study" else "study")
    run(app)
    app.radio(key="lesson_step").set_value(step)
    run(app)
    assert question(app, step).value == asked.right, "an answer stays"


def test_previous_and_next_walk_through_the_steps() -> None:
    app, order = start(step="tables"), list(STEPS)
    at = order.index("tables")
    app.button(key="move-next").click()
    run(app)
    assert app.radio(key="lesson_step").value == order[at + 1]
    app.button(key="move-previous").click()
    run(app)
    assert app.radio(key="lesson_step").value == "tables"
    assert not app.button(key="move-previous").disabled
    app = start(step=order[-1])
    assert app.button(key="move-next").disabled


def test_the_travel_sets_off_and_arrives() -> None:
    app = start(step="manifold")
    classes = session.engine().load("embedded").classes
    assert not app.success, "nobody has set off yet"
    next(button for button in app.button if button.label == "Set off").click()
    run(app)
    goal = classes[app.selectbox(key="goal-manifold").value]
    assert f"the answer is {goal}" in app.success[0].value
    assert len(app.image) == 7, "six frames and the difference"
    assert all(url.startswith("data:image/jpeg") for image in app.image for url in image.value)
    goals = app.selectbox(key="goal-manifold")
    goals.select_index(0 if goals.index else 1)
    run(app)
    assert not app.success, "another goal waits for its own start"


def test_the_study_is_ten_rounds_and_then_a_table() -> None:
    app = start(step="study", pairs="7")
    for at in range(ROUNDS):
        assert f"Round {at + 1} of {ROUNDS}" in said(app) and "Pairs 7" in said(app)
        app.button(key=f"study-{at % 2}").click()
        run(app)
    (table,) = (frame.value for frame in app.dataframe)
    assert list(table["you chose"]) == ["first", "second"] * (ROUNDS // 2)
    same = [chose == network for chose, network in zip(table["you chose"], table["the network’s"], strict=True)]
    assert [word == "yes" for word in table["agree"]] == same
    assert f"agree in {sum(same)} of {ROUNDS} rounds, {sum(same) / ROUNDS:.0%}" in said(app)
    for scores, network in zip(table["scores"], table["the network’s"], strict=True):
        first, second = (float(score) for score in scores.split(","))
        assert first == second or (second > first) == (network == "second")
    next(button for button in app.button if button.label == "Other pairs").click()
    run(app)
    assert f"Round 1 of {ROUNDS}" in said(app) and state_of(app).pairs == 8
    assert "8" in app.query_params["pairs"]


def state_of(app: AppTest) -> LessonChoice:
    found: LessonChoice = app.session_state[state.key]
    return found


def test_a_second_press_for_the_same_round_changes_nothing() -> None:
    app = start(step="study")
    app.button(key="study-0").click()
    run(app)
    assert app.session_state["lesson_study"].choices == (0,)
    run(app)
    assert app.session_state["lesson_study"].choices == (0,)


# --- folders of one's own -----------------------------------------------------------------------------------


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    monkeypatch.setenv(OWN_FOLDER, str(folder))


def test_a_lesson_of_ones_own_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path / "mine", monkeypatch, one=GOOD.replace("panels, travel", ""), two=GOOD.replace("panels, travel", ""))
    app = start(step="tables")
    app.selectbox(key="lesson_name").select("mine")
    run(app)
    assert "First $p - e_Q$." in said(app) and state_of(app) == LessonChoice("mine")
    assert app.radio(key="lesson_step").value == "one"
    again = start(lesson="mine", step="two")
    assert again.radio(key="lesson_step").value == "two"


def test_a_broken_step_is_told_and_the_others_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = GOOD.replace("panels, travel", "")
    own(tmp_path / "mine", monkeypatch, **{
        "01": good, "02": good.replace("gradcam", "gradcm"), "03": good.replace("title: A walk", "title: *A* [x](y)"),
    })  # fmt: skip
    app = start(lesson="mine")
    (error,) = app.error
    assert error.value.startswith("02.md, line 4: there is no panel “gradcm”; choose from quality, ")
    assert len(app.radio(key="lesson_step").options) == 2 and not app.warning
    assert plain("*A* [x](y)") in app.radio(key="lesson_step").options[1]


def test_html_in_a_lesson_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lesson is Markdown, wherever it may stand; what is HTML in it is shown as it was written, and never drawn."""
    html = "<script>alert(1)</script> <u onclick=alert(1)>x</u>"
    text = GOOD.replace("live: panels, travel\n", "")
    for part in ("A walk", "First", "Which one", "The second", "Because", "Well seen"):
        text = text.replace(part, f"{part} {html}")
    own(tmp_path / "mine", monkeypatch, one=text, two="<u onclick=alert(1)>")
    (tmp_path / "mine" / "title.txt").write_text(html)
    app = start(lesson="mine")
    app.radio(key="answer-mine-one").set_value(1)
    run(app)
    with_it = [block.proto for block in (*app.markdown, *app.success) if "onclick" in block.value]
    assert len(with_it) >= 5 and not any(getattr(proto, "allow_html", False) for proto in with_it)
    assert not any("onclick" in block.proto.body for block in app.get("html"))


def test_a_folder_that_is_not_there_is_told_and_the_lesson_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path / "nowhere"))
    app = start(step="tables")
    assert "nowhere" in app.error[0].value and STEPS["tables"].text in said(app)


def test_a_folder_of_broken_steps_alone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path / "mine", monkeypatch, one="nothing")
    app = start(lesson="mine")
    assert "header" in app.error[0].value and "No step of this lesson" in app.info[0].value


@pytest.mark.parametrize(
    "parameters", [{"step": "no-such-step"}, {"lesson": "none"}, {"lesson": "<b>x</b>", "step": "$x$"}]
)
def test_a_wrong_link_is_told_and_the_lesson_begins(parameters: dict[str, str]) -> None:
    app = start(**parameters)
    assert app.warning and app.radio(key="lesson_step").value == LESSON.steps[0].id
    assert "<b>" not in " ".join(warning.value for warning in app.warning)


def test_the_address_is_read_with_care() -> None:
    assert from_address({"pairs": "12", "step": "x" * 300}) == LessonChoice(step="x" * 100, pairs=12)
    for wrong in ("0", "-3", "99999", "abc", "²", ""):
        assert from_address({"pairs": wrong}) == LessonChoice()
    choice = LessonChoice("mine", "two", 3)
    assert from_address(state.to_address(choice)) == choice


# --- presets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "query", "words"),
    [
        ("compare", {"photo": "dog"}, "there is no sample photo “dog”"),
        ("compare", {"photo": "upload"}, "there is no sample photo “upload”"),
        ("compare", {"panels": "gradcam,nothing"}, "there is no panel “nothing”"),
        ("compare", {"model": "resnet9"}, "there is no network “resnet9”"),
        ("compare", {"size": "abc"}, "the page Compare cannot read “size=abc”"),
        ("compare", {"weights": "mine"}, "the page Compare cannot read “weights=mine”"),
        ("compare", {"options": "vectors:5"}, "contrastive saliency cannot read the options “vectors:5”"),
        ("compare", {"maps": "gradcam"}, "the page Compare knows no “maps”"),
        ("human_saliency", {"maps": "gradcam,nothing"}, "the page Human saliency cannot read “maps=gradcam,nothing”"),
        ("human_saliency", {"smooth": "0.3"}, "the page Human saliency cannot read “smooth=0.3”"),
        ("image_quality", {"steps": "jpeg:9"}, "the page Image quality cannot read “steps=jpeg:9”"),
        ("image_quality", {"stride": "5"}, "the page Image quality cannot read “stride=5”"),
        ("benchmark", {"score": "nss"}, "the page Benchmark knows no “score”; it has no state in its address"),
    ],
)
def test_a_broken_state_is_told(page: str, query: dict[str, str], words: str) -> None:
    assert check(page, query).startswith(words)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("compare", {}),
        ("compare", {"photo": "cat", "model": "resnet18", "weights": "random", "size": "224", "foil": "any words"}),
        ("compare", {"panels": "gradcam,contrastive-saliency,quality", "options": "vectors:4,even:False"}),
        ("human_saliency", {"photo": "coffee", "maps": "gradcam", "smooth": "1", "show": "layers"}),
        ("image_quality", {"photo": "coffee", "judge": "with", "steps": "none"}),
        ("image_quality", {"steps": "jpeg:5:520-480-880-880"}),
        ("image_quality", {"steps": "gaussian-blur:2,jpeg:3:0-0-500-500", "stride": "32", "judge": "without"}),
    ],
)
def test_a_state_that_the_page_reads_is_right(page: str, query: dict[str, str]) -> None:
    assert check(page, query) == ""


def test_classes_are_found_by_name_whatever_their_number() -> None:
    names = ("catamaran", "Egyptian cat", "car, truck or train", "dog or fox", "cat")
    assert class_of("cat", names) == 4 and class_of("CAT ", names) == 4
    assert class_of("train", names) == 2 and class_of("fox", names) == 3
    assert class_of("egyptian", names) == 1 and class_of("teapot", names) is None
    step = Step("s", "S", "t", "compare", (("photo", "cat"), ("fact", "teapot"), ("foil", "fox")))
    query, missing = resolved(step, names)
    assert query == {"photo": "cat", "foil": "3"}
    assert missing == ["This network knows no “teapot”, so its answer is taken."]
