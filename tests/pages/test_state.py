"""The state of pages: what does not fit a field is left, whatever a browser sends."""

from __future__ import annotations

from types import UnionType
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets.state import fits
from pages.widgets.words import plain
from tests.load.monkey import LIMIT, ROOT, Label


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (3, int, True), ("3", int, False), (3, int | None, True), (None, int | None, True), ("3", int | None, False),
        (1, float, True), (1.5, float, True), ("1.5", float, False), ("cat", str, True), (3, str, False),
        ((), tuple[int, ...], True), ((1, 2), tuple[int, ...], True), ((1, "2"), tuple[int, ...], False),
        ([1], tuple[int, ...], False), (("a",), tuple[str, ...], True),
        ((("a", "b"),), tuple[tuple[str, str], ...], True), ((("a", 1),), tuple[tuple[str, ...], ...], False),
    ],
)  # fmt: skip
def test_what_fits(value: object, kind: type | UnionType, right: bool) -> None:
    assert fits(value, kind) == right


@pytest.mark.parametrize(
    ("page", "parameters", "key", "sent"),
    [
        ("compare", {"foil": "3"}, "foil", "a class of another network"),
        ("compare", {"fact": "3"}, "fact", "a class of another network"),
        ("image_quality", {"stride": "32"}, "quality_stride", "2 pixels, the finest"),
        ("image_quality", {"judge": "without"}, "quality_judge", "with the reference"),
        ("layers", {"view": "surprisal", "foil": "3"}, "foil", "a class of another network"),
    ],
)
def test_an_option_that_is_none_any_longer_changes_nothing(
    page: str, parameters: dict[str, str], key: str, sent: str
) -> None:
    """Two clicks soon after each other: the second was made on a page that the first has changed."""
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=LIMIT)
    app.query_params.update(parameters)
    app.run()
    before: Any = dict(app.query_params)
    box = app.selectbox(key=key)
    box.options.append(sent)  # as it was in the browser
    box.set_value(Label(sent)).run()
    assert not app.exception and not app.error
    assert dict(app.query_params) == before


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a_b*c [x](y) :red[z]", "a\\_b\\*c \\[x\\](y) \\:red\\[z\\]"),
        ("1. one\n  - two\n> three", "1\\. one\n\\- two\n\\> three"),
        ("at 10:30 :smile:", "at 10\\:30 \\:\u2060smile:"),
        ("tom&copy;.png", "tom\\&copy;.png"),
        ("www.a.b, c@d.e, f://g", "www\u2060.a.b, c@\u2060d.e, f\\:\u2060//g"),
        ("The picture cat.png is too small: 3.5 of 8 pixels.", "The picture cat.png is too small: 3.5 of 8 pixels."),
    ],
)
def test_words_are_shown_as_they_are(words: str, shown: str) -> None:
    assert plain(words) == shown
