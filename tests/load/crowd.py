"""Many browsers on one server: each changes foils, layers, methods and photos without pause, and takes the time."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.load.witness import EVERY, read
from tests.server import Server

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

SAMPLES = ("Cat", "Motorbike", "Coffee", "Rocket", "Astronaut")
KINDS = {"foil": 5, "layer": 3, "sample": 2, "upload": 1}
"""What a visitor changes, and how often beside the others."""
QUIET = 0.3  # seconds without a message after which a change is over
LIMIT = 120.0  # seconds after which a change counts as failed
RUNNING = "[data-test-script-state='running']"
_TRACEBACK = re.compile(r"^[^\n]*Traceback.*?^\w[\w.]*(?:Error|Exception)\b[^\n]*", re.DOTALL | re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


@dataclass
class Visitor:
    """One browser's visit: what it did and how long each change took, in seconds until its last message came."""

    page: Page
    chance: Random
    took: list[tuple[str, float]] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    """Of changes that have several, and the seconds from the change's beginning."""
    errors: list[str] = field(default_factory=list)
    heard: float = 0.0

    def listen(self) -> None:
        """Note every error and when the server last said something."""

        def message(_: object) -> None:
            self.heard = time.monotonic()

        def console(said: Any) -> None:
            if said.type == "error":
                self.errors.append(said.text)

        self.page.on("websocket", lambda socket: socket.on("framereceived", message))
        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def come(self, url: str) -> None:
        """Open the page and wait for its first maps."""
        start = time.monotonic()
        await self.page.goto(url)
        await self.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT * 1000)
        await self.settled("first paint", start)

    async def settled(self, what: str, start: float) -> None:
        """Wait until the answer to a change that began at `start` is whole, and note what it took."""
        while time.monotonic() - start < LIMIT:
            quiet = self.heard > start and time.monotonic() - self.heard > QUIET
            if quiet and not await self.page.locator(RUNNING).count():
                self.took.append((what, self.heard - start))
                if await self.page.get_by_test_id("stException").count():
                    self.errors.append(f"an exception on the page after: {what}")
                return
            await asyncio.sleep(0.05)
        why = "no answer came" if self.heard <= start else "it is still at work"
        opened = await self.page.get_by_test_id("stPopoverBody").count()
        self.errors.append(f"no end after {LIMIT:.0f} s: {what}, {why}, {opened} popovers open, {self.page.url}")

    async def change(self) -> None:
        """One of the things that people do."""
        acts = {"foil": self._foil, "layer": self._layer, "sample": self._sample, "upload": self.upload}
        what = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        await self.do(what, acts[what])

    async def do(self, what: str, act: Callable[[], Awaitable[bool]]) -> None:
        """One change, and wait for its answer; `act` says whether there was anything to change."""
        start = time.monotonic()
        if await act():
            await self.settled(what, start)

    async def guarded(self, doing: Awaitable[None]) -> None:
        """A visitor that fails is a result, and the others go on."""
        try:
            await doing
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {str(error).splitlines()[0]}")

    async def _press(self, selector: str) -> bool:
        found = self.page.locator(selector)
        count = await found.count()
        if count:
            await found.nth(self.chance.randrange(count)).click(timeout=LIMIT * 1000)
        return bool(count)

    async def _foil(self) -> bool:
        return await self._press(".bars button[aria-pressed=false]")

    async def _layer(self) -> bool:
        return await self._press(".strip button[aria-checked=false]")

    async def _sample(self) -> bool:
        name = self.chance.choice(SAMPLES)
        if f"photo={name.lower()}" in self.page.url or (name == "Cat" and "photo=" not in self.page.url):
            return False
        await self.page.get_by_test_id("stMain").get_by_text(name, exact=True).first.click(timeout=LIMIT * 1000)
        return True

    async def upload(self) -> bool:
        """A photo that nobody has seen: nothing of it is in a cache."""
        noise = np.random.default_rng(self.chance.randrange(2**32)).integers(0, 256, (12, 16, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize((640, 480)).save(buffer, "JPEG")
        start = time.monotonic()
        await self.page.get_by_role("button", name="Your photo").click(timeout=LIMIT * 1000)
        name = f"noise{self.chance.randrange(10**6)}.jpg"
        file: Any = {"name": name, "mimeType": "image/jpeg", "buffer": buffer.getvalue()}
        await self.page.locator("input[type=file]").first.set_input_files(file, timeout=LIMIT * 1000)
        self.steps.append(("upload, its file chosen", time.monotonic() - start))
        await self.page.get_by_test_id("stMain").get_by_text(name).first.wait_for(timeout=LIMIT * 1000)
        self.steps.append(("upload, its name shown", time.monotonic() - start))
        await self.page.keyboard.press("Escape")
        return True


@dataclass(frozen=True)
class Outcome:
    """What came of a crowd: seconds each change took, errors of browsers and server, what the server held when."""

    took: list[tuple[str, float]]
    errors: list[str]
    held: list[dict[str, Any]]
    arrived: list[float] = field(default_factory=list)
    """Bytes of the server's memory when the first visitor had come and brought a photo, the second, …"""
    steps: list[tuple[str, float]] = field(default_factory=list)

    def seconds(self, share: float, what: str = "") -> float:
        """The quantile `share` (0 to 1) of what a change took."""
        return float(np.quantile([s for kind, s in self.took if what in ("", kind)] or [np.nan], share))

    @property
    def cache_within_bound(self) -> bool:
        """Whether the engine's cache never held more than it may."""
        return bool(self.held) and all(line["cache"] <= line["limit"] for line in self.held)

    @property
    def growth(self) -> float:
        """Bytes by which the memory in use grew over the second half besides the cache, which has a bound of its own.

        The most of the last quarter against the most of the second. Where the C library does not tell what is in use,
        that is all memory of the server: what it keeps of freed memory is no growth, and comes and goes by 100 MB.
        """
        sizes = [(line.get("given_out") or line["resident"]) - line["cache"] for line in self.held]
        quarter = len(sizes) // 4
        return float(max(sizes[-quarter:]) - max(sizes[quarter : 2 * quarter])) if quarter else 0.0

    @property
    def missing(self) -> list[str]:
        """What nobody did, though everybody tries everything."""
        return sorted(KINDS.keys() - {kind for kind, _ in self.took})

    @property
    def session(self) -> float:
        """Bytes that each visitor after the first added by coming."""
        return (self.arrived[-1] - self.arrived[0]) / (len(self.arrived) - 1) if len(self.arrived) > 1 else 0.0

    @property
    def work(self) -> float:
        """Seconds of one processor that the server spent on each change; browsers on the same machine have the rest."""
        spent = self.held[-1]["worked"] - self.held[0]["worked"] if self.held else 0.0
        return float(spent / max(1, len(self.took)))

    def row(self, browsers: int, minutes: float) -> str:
        """The line for the README's table."""
        p95 = ", ".join(f"{kind} {self.seconds(0.95, kind):.1f} s" for kind in KINDS)
        tried = f"{len(self.took):,} changes; p95: {p95}; "
        tried += f"memory in use besides the cache {self.growth / 2**20:+.0f} MB in the second half"
        what = f"{browsers} browsers for {minutes:g} minutes: foils, layers, photos"
        return f"| {what} | {tried} | {len(self.errors)} | `make load` |"

    def report(self) -> str:
        """All figures, for a person."""
        lines = [f"{len(self.took)} changes, {len(self.errors)} errors"]
        for kind in sorted({kind for kind, _ in self.took + self.steps}):
            seconds = [each for of, each in self.took + self.steps if of == kind]
            median, p95 = np.quantile(seconds, (0.5, 0.95))
            lines.append(f"{kind:24} {len(seconds):6}   median {median:6.2f} s   p95 {p95:6.2f} s")
        if self.arrived:
            first, each = self.arrived[0] / 2**20, self.session / 2**20
            lines.append(f"sessions: {first:.0f} MB with the first, {each:+.1f} MB for each further one with its photo")
        if self.held:
            most, last = max(line["resident"] for line in self.held), self.held[-1]
            lines.append(
                f"memory: at most {most / 2**20:.0f} MB; in use besides the cache {self.growth / 2**20:+.0f} MB over "
                "the second half"
            )
            cache = max(line["cache"] for line in self.held)
            lines.append(f"the server's own work: {self.work:.2f} s of one processor for each change")
            lines.append(f"cache: at most {cache / 2**20:.0f} of {last['limit'] / 2**20:.0f} MB")
        return "\n".join([*lines, *self.errors[:20]])


def troubles(log: str) -> list[str]:
    """Every traceback in a server's log, whole, and every other line that names an error."""
    plain = _COLOURS.sub("", log)
    rest = _TRACEBACK.sub("", plain)
    return _TRACEBACK.findall(plain) + [line for line in rest.splitlines() if "Traceback" in line or "Error" in line]


async def arrive(browser: Browser, url: str, seed: int) -> Visitor:
    """A visitor who has come and brought a photo."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    visitor = Visitor(await context.new_page(), Random(seed))
    visitor.listen()

    async def begin() -> None:
        await visitor.come(url)
        await visitor.do("upload", visitor.upload)

    await visitor.guarded(begin())
    return visitor


async def stay(visitor: Visitor, end: float) -> None:
    """Change one thing after another until `end` (on the monotonic clock)."""

    async def change() -> None:
        while time.monotonic() < end:
            await visitor.change()

    await visitor.guarded(change())
    await visitor.page.context.close()


async def crowd(server: Server, notes: Path, executable: str, browsers: int, seconds: float, seed: int = 0) -> Outcome:
    """So many browsers for so many seconds on a server that was started by `tests.load.witness`.

    They come one after the other, which tells what a session takes; the time runs when all are there.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
        browser = await playwright.chromium.launch(executable_path=executable, args=flags)
        visitors, arrived = [], []
        for at in range(browsers):
            visitors.append(await arrive(browser, server.url, seed + at))
            await asyncio.sleep(2 * EVERY)  # so that the witness has looked
            arrived.append(read(notes)[-1]["resident"])
        end = time.monotonic() + seconds
        await asyncio.gather(*(stay(visitor, end) for visitor in visitors))
        await browser.close()
    log = server.log.read_text(errors="replace")
    errors = [f"browser {at}: {error}" for at, visitor in enumerate(visitors) for error in visitor.errors]
    errors += [f"server: {trouble}" for trouble in troubles(log)]
    took = [each for visitor in visitors for each in visitor.took]
    steps = [each for visitor in visitors for each in visitor.steps]
    return Outcome(took, errors, read(notes), arrived, steps)
