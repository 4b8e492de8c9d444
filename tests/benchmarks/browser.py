"""What a person sees on the Compare page, in Chromium: from the click on a foil to the new map, and single frames."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.benchmarks.chromium import app, chromium, visits
from tests.benchmarks.harness import Row, Spread, at_most, paired

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import Visit

APP, BARE = "app.py", "tests/benchmarks/apps/bare_panels.py"
PANELS = "/?panels=gradcam,contrast,contrastive-saliency"
CHANGES = {
    True: "change of foil on Compare, click to new map painted",
    False: "the same where the map did not come ahead (a class that was searched for)",
}
STEPS = 60
FRAME = 16.0  # milliseconds

# Milliseconds from the click on `button` until the frame after `state` has changed was given to the screen. Panels take
# a map, its texts and its pixels, in one go. Without `ahead`, maps that were sent before they were asked for are lost.
CLICK = """
async ([button, shown, ours, ahead]) => {
  if (ours && !ahead) globalThis[Symbol.for("expectancy-explorer")].ahead = null;
  const pictures = () => [...document.querySelectorAll("[data-testid=stImage] img")];
  const state = () => ours ? shown.textContent : pictures().map((each) => each.currentSrc);
  const before = state();
  const changed = () => ours
    ? state() !== before
    : state().every((source, at) => source !== before[at]) && pictures().every((each) => each.complete);
  const frame = () => new Promise(requestAnimationFrame);
  const start = performance.now();
  button.click();
  while (!changed()) {
    await frame();
    if (performance.now() - start > 30000) throw new Error("nothing changed within 30 s");
  }
  if (!ours) await Promise.all(pictures().map((each) => each.decode()));
  await frame();
  await frame();
  return performance.now() - start;
}
"""

# The main thread's milliseconds of every frame in which `act` did one step: its handlers, then everything from the
# frame's first callback to its end (drawing, style, layout, paint).
FRAMES = """
async ([element, kind, steps]) => {
  const frame = (then) => new Promise((done) => requestAnimationFrame(() => done(then?.())));
  const after = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const act = {
    slide: (at) => {
      element.value = Number(element.min) + at * (Number(element.max) - Number(element.min));
      element.dispatchEvent(new Event("input", {bubbles: true}));
    },
    choose: (at) => {
      element.selectedIndex = Math.round(at * steps) % element.options.length;
      element.dispatchEvent(new Event("change", {bubbles: true}));
    },
    hover: (at) => {
      const box = element.getBoundingClientRect();
      element.dispatchEvent(new PointerEvent("pointermove", {
        bubbles: true, composed: true, clientX: box.left + at * box.width, clientY: box.top + at * box.height,
      }));
    },
  }[kind];
  const times = [];
  for (let step = 1; step <= steps; step++) {
    await frame();
    await after();
    const begun = frame(() => performance.now());
    const before = performance.now();
    act(step / steps);
    const handled = performance.now() - before;
    await frame();
    await after();
    times.push(handled + performance.now() - await begun);
  }
  return times;
}
"""


def rows(rounds: int) -> Iterator[Row]:
    """The rows of the Compare page."""
    with chromium() as browser, visits(browser) as open_page, app(APP) as url:
        with app(BARE) as bare_url:
            bare = open_page(bare_url)
            bare.page.locator("[data-testid=stImage] img").nth(2).wait_for()
            seen = opened(open_page(url + PANELS))
            bare.settle()
            for ahead, work in CHANGES.items():
                turns = range(3 * rounds + 1)
                pairs = [(click(seen, turn, ahead), click_bare(bare, turn)) for turn in turns][1:]
                found = paired([(ours / 1e3, theirs / 1e3) for ours, theirs in pairs])
                yield at_most(work, "bare Streamlit, three panels from ready bytes", found, 1.25)
        yield from frames(opened(open_page(url)))


def opened(seen: Visit) -> Visit:
    """The Compare page with its panels drawn and nothing under way."""
    seen.page.locator("article.panel canvas.map").nth(2).wait_for(timeout=120_000)
    seen.settle()
    return seen


def click(seen: Visit, turn: int, ahead: bool = True) -> float:
    """Milliseconds from a click on a class to the contrast with it, whether or not that came `ahead`."""
    page = seen.page
    button = page.locator(".bars button[aria-pressed=false]").nth(1 + turn % 3)
    shown = page.locator("article.panel").nth(1).locator(".question")
    return _timed(seen, button, shown, ahead)


def click_bare(seen: Visit, turn: int) -> float:
    """The same on the bare page: no foil twice in a row."""
    page = seen.page
    button = page.get_by_role("button", name=f"class {1 + turn % 5}", exact=True)
    return _timed(seen, button, None)


def _timed(seen: Visit, button: Locator, shown: Locator | None, ahead: bool = True) -> float:
    handle = None if shown is None else shown.element_handle()
    found: float = seen.page.evaluate(CLICK, [button.element_handle(), handle, shown is not None, ahead])
    seen.settle()
    return found


def frames(seen: Visit) -> Iterator[Row]:
    """What is looked at otherwise acts in the browser alone: messages to the app, and milliseconds a frame."""
    panel, tools = seen.page.locator("article.panel"), seen.page.locator(".tools")
    acts: list[tuple[str, Locator, str]] = [
        ("opacity", tools.get_by_label("Opacity"), "slide"),
        ("threshold", tools.get_by_label("Hide below"), "slide"),
        ("colours", tools.get_by_label("Colours"), "choose"),
        ("Q", panel.nth(2).locator(".contrast input[type=range]"), "slide"),
        ("hover", panel.first.locator(".stage"), "hover"),
    ]
    for name, control, kind in acts:
        before = len(seen.sent), len(seen.received)
        times: list[float] = seen.page.evaluate(FRAMES, [control.element_handle(), kind, STEPS])
        seen.page.wait_for_timeout(500)  # a message would follow soon
        messages = len(seen.sent) - before[0] + len(seen.received) - before[1]
        yield Row(f"{name}: WebSocket messages", "a round trip", Spread.of([messages]), 0)
        yield frame_row(name, times)


def frame_row(name: str, times: list[Any]) -> Row:
    """The main thread's time a frame; the slowest of twenty is told beside it."""
    slow = statistics.quantiles(times, n=20)[-1]
    detail = f"95th percentile {slow:.1f} ms"
    return Row(f"{name}: main thread a frame", "60 frames a second", Spread.of(times), FRAME, detail, unit=" ms")
