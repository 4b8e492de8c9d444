"""An engine that refuses, as for a network whose gradients overflow: every page says so in its sentence and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
from streamlit.testing.v1 import AppTest

from engine import Engine
from engine.clicks import Clicks
from engine.errors import ModelError
from pages.widgets.image_picker import sample
from tests.pages.test_lesson import STEPS

PAGES = Path(__file__).parents[2] / "pages"
SENTENCE = "The gradients at “layer4” overflow, so this network has no map there."
ASKED = ("trace", "explain", "explain_layers", "surprisal", "quality")
VIEWS = [
    ("compare", {}),
    ("compare", {"panels": "features"}),
    *(("layers", {"view": view}) for view in ("layers", "foils", "surprisal")),
    *(("human_saliency", {"show": show}) for show in ("scores", "layers", "smoothing", "options", "sanity")),
    ("image_quality", {}),
]
"""Pages with what stands in their address; on "Human saliency" somebody has looked."""


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the widgets get."""
    sent: list[str] = []
    monkeypatch.setattr(
        "pages.widgets.frontend.Widget.mount",
        lambda self, message, **_: sent.append(message.decode(errors="replace")),
    )
    return sent


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """What was asked of the engine and refused."""
    asked: list[str] = []

    def refuse(*_: Any, **__: Any) -> NoReturn:
        asked.append(request.param)
        raise ModelError(SENTENCE)

    monkeypatch.setattr(Engine, request.param, refuse)
    return asked


def opened(page: str, parameters: dict[str, str]) -> AppTest:
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.session_state["clicks"] = Clicks().with_person(sample("cat"), "Ada", [(0.3, 0.4), (0.5, 0.6)])
    return app.run()


def told(app: AppTest, messages: list[str]) -> bool:
    """Whether the sentence stands somewhere on the page, after a look that nothing else is wrong."""
    assert not app.exception
    errors = [error.value.replace("\\", "") for error in app.error]  # what Markdown would read is escaped
    assert set(errors) <= {SENTENCE}
    return bool(errors) or any(SENTENCE in message for message in messages)


@pytest.mark.parametrize("refused", ASKED, indirect=True)
@pytest.mark.parametrize(("page", "parameters"), VIEWS)
def test_every_view_says_what_the_engine_says(
    page: str, parameters: dict[str, str], refused: list[str], messages: list[str]
) -> None:
    assert told(opened(page, parameters), messages) == bool(refused)


@pytest.mark.parametrize("refused", ASKED, indirect=True)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_lesson_says_what_the_engine_says(step: str, refused: list[str], messages: list[str]) -> None:
    """Not all that a step asks for is shown there: what is told was refused, and nothing else goes wrong."""
    assert told(opened("lesson", {"step": step}), messages) <= bool(refused)


def test_compare_asks_for_all_layers_at_once(monkeypatch: pytest.MonkeyPatch, messages: list[str]) -> None:
    """Where only the strip of layers is refused, all else on the page stands."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ModelError(SENTENCE)

    monkeypatch.setattr(Engine, "explain_layers", refuse)
    app = opened("compare", {})
    assert not app.exception and [error.value for error in app.error] == [SENTENCE]
    assert any("gradcam" in message for message in messages) and not any(SENTENCE in message for message in messages)
    assert app.selectbox(key="foil").value is not None
