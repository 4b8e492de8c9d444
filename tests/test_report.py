"""The report: one page without scripts or requests, in which text is only text."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from engine import render, report
from engine.report import Figure, alt_text, number

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'


class Parsed(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def photo(height: int = 60, width: int = 90) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def figure(**changes: object) -> Figure:
    values = np.array([[0.5, -0.25], [0.0, 1.5]], np.float32)
    usual = {"title": "Contrast", "question": "Why cat?", "sentence": "Bright where.", "values": values}
    return Figure(**usual | {"signed": True, "meaning": ("for cat", "against cat"), "notes": ("at layer4",)} | changes)


@pytest.fixture
def page() -> bytes:
    return report.page("Why cat, rather than dog?", photo(), "Cat", [figure()], {"Network": "ResNet-18"}, photo())


def test_it_holds_every_word_and_a_picture_with_alt_text_for_every_map(page: bytes) -> None:
    found = Parsed(page)
    for words in ("Why cat, rather than dog?", "Contrast", "Bright where.", "at layer4", "Network", "ResNet-18"):
        assert words in found.text
    assert "− against cat" in found.text and "+ for cat" in found.text and "−1.5" in found.text
    pictures = [attributes for tag, attributes in found.tags if tag == "img" and "class" not in attributes]
    assert [each["alt"] for each in pictures] == [
        "The photo: Cat",
        "Its reference: the reference of Cat",
        "Contrast over Cat, 2 by 2 cells: highest 1.5 at row 1, column 1 (lower right), "
        "lowest −0.25 at row 0, column 1 (upper right).",
    ]


def test_it_asks_nobody_for_anything_and_runs_nothing(page: bytes) -> None:
    found = Parsed(page)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object", "form", "base"}
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "href")]
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_text_is_never_markup() -> None:
    hostile = figure(title=HOSTILE, question=HOSTILE, sentence=HOSTILE, notes=(HOSTILE,), meaning=(HOSTILE, HOSTILE))
    content = report.page(HOSTILE, photo(), HOSTILE, [hostile], {HOSTILE: HOSTILE})
    found = Parsed(content)
    assert "script" not in {tag for tag, _ in found.tags}
    assert not [attributes for _, attributes in found.tags if "onerror" in attributes]
    assert found.text.count(HOSTILE) >= 9


def test_equal_views_give_equal_pages(page: bytes) -> None:
    again = report.page("Why cat, rather than dog?", photo(), "Cat", [figure()], {"Network": "ResNet-18"}, photo())
    assert again == page


def test_a_panel_without_a_map_shows_the_photo_and_says_why() -> None:
    found = Parsed(report.page("Why?", photo(), "Cat", [figure(values=None, sentence="It has no ReLU.")], {}))
    assert "It has no ReLU." in found.text
    assert [a["alt"] for tag, a in found.tags if tag == "img"] == ["The photo: Cat", "Cat, without a map"]


def test_a_large_photo_is_reduced_for_the_page_alone() -> None:
    content = report.page("Why?", photo(1500, 3000), "Cat", [], {})
    sizes = re.findall(rb'width="(\d+)" height="(\d+)"', content)
    assert sizes == [(b"720", b"360")]
    assert len(base64.b64encode(content)) < 2**20


def test_a_scale_with_fixed_ends_keeps_them() -> None:
    scores = figure(values=np.array([[0.2, 0.9]], np.float32), signed=False, zero=0.0, top=1.0, meaning=("better", ""))
    text = Parsed(report.page("Why?", photo(), "Cat", [scores], {})).text
    assert re.search(r"0\s*0\.5\s*1\s*better", text.replace("\n", " "))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.15625, "−0.156"), (1234.6, "1230"), (1e-6, "1.0e−6"), (0.00064, "0.00064"), (2.0, "2")],
)
def test_numbers_have_three_digits_and_a_true_minus(value: float, text: str) -> None:
    assert number(value) == text


def test_alt_text_tells_where_in_the_photo() -> None:
    values = np.zeros((3, 3), np.float32)
    values[1, 1], values[2, 0] = 1, -1
    assert alt_text("Map", "Cat", values).endswith(
        "highest 1 at row 1, column 1 (middle), lowest −1 at row 2, column 0 (lower left)."
    )


def test_negative_values_are_told_by_hatching_too() -> None:
    bar = render.scale_bar(240, signed=True).astype(int)
    spread = np.abs(bar - bar[:1]).max(axis=(0, 2))
    assert spread[5:80].min() > 20 and spread[125:].max() == 0
    assert np.abs(np.diff(render.scale_bar(240, signed=False), axis=0)).max() == 0
