"""What the tests of maps in the browser share: the page of widgets, its panels, and their pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tests.browser.conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

APP = "tests/browser/apps/panels.py"
SIDE = 14  # of the maps at the layer that the page begins with
Open = Callable[..., Visit]


def opener(app_server: Callable[..., str], visit: Open) -> Open:
    """Opens the page of widgets (apps/panels.py), with nothing behind it, once its panels are there."""

    def open_page(fragment: str = "", **how: object) -> Visit:
        seen = visit(app_server(APP) + fragment, **how)
        seen.page.locator("article.panel").nth(2).wait_for()
        seen.settle()
        return seen

    return open_page


def panel(page: Page, place: int) -> Locator:
    return page.locator("article.panel").nth(place)


def slide(slider: Locator, value: float) -> None:
    slider.evaluate("(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value)


def next_frame(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(canvas: Locator) -> np.ndarray:
    """The canvas as uint8 (h, w, 4)."""
    flat, w, h = canvas.evaluate(
        """canvas => {
            const {width, height} = canvas;
            return [[...canvas.getContext("2d").getImageData(0, 0, width, height).data], width, height];
        }"""
    )
    return np.array(flat, np.uint8).reshape(h, w, 4)


def gradcam(side: int = SIDE) -> np.ndarray:
    """The page's Grad-CAM map, written out a second time."""
    centre = (np.arange(side) + 0.5) / side

    def bump(x: float, y: float, width: float) -> np.ndarray:
        return np.exp(-((centre[None] - x) ** 2 + (centre[:, None] - y) ** 2) / width**2)

    return 2.5 * bump(0.45, 0.4, 0.25) - 0.4 * bump(0.9, 0.9, 0.3)


def hover_cell(page: Page, place: int, row: int, column: int, side: int = SIDE) -> None:
    stage = panel(page, place).locator(".stage")
    box = stage.bounding_box()
    assert box is not None
    stage.hover(position={"x": box["width"] * (column + 0.5) / side, "y": box["height"] * (row + 0.5) / side})
    next_frame(page)


def number(text: str) -> float:
    return float(text.split(" ")[0].replace("−", "-"))
