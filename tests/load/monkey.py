"""A seeded monkey: it does anything that a page offers, and links of its own, and says what it did."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest, element_tree

from engine.models.weights import folder
from tests.hostile.corpus import Case, cases, sentence_problem

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted(path.name for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py"))
WORDS = ("", "0", "1", "7", "-1", "999999", "cat", "coffee", "upload", "embedded", "resnet18", "layer3", "none",
         "gradcam,contrast", "vectors:4", "0.5", "nan", "<b>x</b>", "../..", "日本", "a" * 300)  # fmt: skip
LIMIT = 300
"""Seconds for one run of a page on a busy machine; more than that is a fault."""

Act = Callable[[], object]


class Label(str):
    """An option as it stands on the page: it is sent as it is, like a browser does, and not formatted again."""


_formatted = element_tree._format_value_for_widget
element_tree._format_value_for_widget = lambda form, value: (
    value if isinstance(value, Label) else _formatted(form, value)
)


@dataclass
class Monkey:
    """One visitor of one page. `did` names every action, so that a failure can be told and done again."""

    page: str
    seed: int
    did: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.app = self._opened({})

    def act(self) -> None:
        """One action, after which the page must stand: no exception, and every error one sentence."""
        if self.chance.random() < 0.05:
            link = {name: self._word(value) for name, value in self._address().items()}
            self.did.append(f"opens {link}")
            self.app = self._opened(link)
        else:
            name, act = self.chance.choice(list(self._possible()) or [("waits", lambda: None)])
            self.did.append(name)
            act()
            self.app.run(timeout=LIMIT)
        self._check()

    def _opened(self, link: dict[str, str]) -> AppTest:
        app = AppTest.from_file(str(ROOT / "pages" / self.page), default_timeout=LIMIT)
        for name, value in link.items():
            app.query_params[name] = value
        return app.run()

    def _check(self) -> None:
        where = f"{self.page}, seed {self.seed}, after: " + "; ".join(self.did[-8:])
        assert not self.app.exception, f"{self.app.exception[0].message}\n{where}"
        read = [re.sub(r"\\(?=[\W_])", "", error.value) for error in self.app.error]  # as Markdown shows it
        told = [sentence.replace(str(folder()), "FOLDER") for sentence in read]  # where weights may be put
        wrong = [sentence for sentence in told if sentence_problem(sentence) is not None]
        assert wrong == [], f"{wrong}\n{where}"

    def _address(self) -> dict[str, str]:
        """The page's own parameters, and one that another page has."""
        own = {name: value[0] if isinstance(value, list) else value for name, value in self.app.query_params.items()}
        return own | {self.chance.choice(("photo", "foil", "layer", "size", "panels", "options", "x")): ""}

    def _word(self, value: str) -> str:
        return value if value and self.chance.random() < 0.6 else self.chance.choice(WORDS)

    def _possible(self) -> Iterator[tuple[str, Act]]:
        """Everything that can be done to what stands on the page."""
        app, chance = self.app, self.chance
        for box in app.selectbox:
            if box.options and not box.disabled:
                at = chance.randrange(len(box.options))
                yield f"selects {box.options[at]!r} in {box.label!r}", _later(box.set_value, Label(box.options[at]))
        for group in (*app.segmented_control, *app.pills):
            if (group.options) and not group.disabled:
                label = Label(chance.choice(group.options))
                yield f"picks {label!r}", _later(group.set_value, label if group._is_single_select else [label])
        for many in app.multiselect:
            some = [Label(each) for each in chance.sample(many.options, chance.randint(0, min(4, len(many.options))))]
            yield f"selects {some}", _later(many.set_value, some)
        for switch in (*app.toggle, *app.checkbox):
            if not switch.disabled:
                yield f"switches {switch.label!r}", _later(switch.set_value, not switch.value)
        for button in (*app.button, *app.get("download_button")):
            if not button.disabled:
                yield f"presses {button.label!r}", button.click
        yield from self._numbers()
        for text in (*app.text_input, *app.text_area):
            word = chance.choice(WORDS)
            yield f"writes {word[:20]!r} into {text.label!r}", _later(text.set_value, word)
        for upload in app.get("file_uploader"):
            case = chance.choice(files())
            content = (case.name.encode("utf-8", "replace").decode(), case.content, "image/png")
            name, suffixes = case.kind, tuple(upload.proto.type)
            if suffixes and not content[0].endswith(suffixes):
                content = (f"file{chance.choice(suffixes)}", *content[1:])
            given = [content] if upload.proto.multiple_files else content
            yield f"uploads {name!r}", _later(upload.set_value, given)

    def _numbers(self) -> Iterator[tuple[str, Act]]:
        app, chance = self.app, self.chance
        for number in app.number_input:
            low, high = number.min or 0, number.max if number.max is not None else 100
            whole = isinstance(number.value, int)
            value = chance.randint(int(low), int(high)) if whole else chance.uniform(low, high)
            yield f"sets {number.label!r} to {value}", _later(number.set_value, value)
        for slider in app.slider:
            one = slider.value if not isinstance(slider.value, list | tuple) else slider.value[0]
            if not isinstance(one, int | float):
                continue
            steps = round((slider.max - slider.min) / slider.step) if slider.step else 10
            values = sorted(slider.min + chance.randint(0, steps) * slider.step for _ in range(2))
            value = type(one)(values[0])
            pair = [type(one)(each) for each in values]
            chosen = pair if isinstance(slider.value, list | tuple) else value
            yield f"slides {slider.label!r} to {chosen}", _later(slider.set_value, chosen)
        for scale in app.select_slider:
            if not isinstance(scale.value, list | tuple):
                label = chance.choice(scale.options)
                yield f"slides {scale.label!r} to {label!r}", _later(scale.set_value, label)


def _later(act: Callable[[Any], object], value: Any) -> Act:
    return lambda: act(value)


@cache
def files() -> tuple[Case, ...]:
    """What is uploaded: sound photos, hostile files, and small tables, as many of each kind."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    sound = Case("a photo", "holiday.jpg", buffer.getvalue(), "picture")
    table = Case("a table", "clicks.csv", b"image,subject,x,y\ncat,Ada,10,20\ncat,Ada,30,40\n", "either")
    hostile = list(cases())[::150]
    return (*[sound] * len(hostile), *hostile, *[table] * (len(hostile) // 2))
