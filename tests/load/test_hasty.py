"""Visitors who never wait for an answer: each changes anything on its page, and another thing before that is drawn.

What a page says to them is not looked at, but that nothing breaks: no exception on a page, no traceback in the log.
`make soak` has many such changes, `make test` a few.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.load.crowd import troubles
from tests.load.monkey import PAGES
from tests.server import Server
from tests.visitor import connected, finished

CHANGES = int(os.environ.get("EXPECTANCY_ACTIONS", "60"))
SEED = int(os.environ.get("EXPECTANCY_SEED", "8"))
PAUSES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0)
"""Seconds between two changes: few leave time for an answer."""
LIMIT = 600.0
SWITCH = 2e-5
"""Seconds after which another thread of the server gets its turn: a thousandth of what is usual shows what is rare."""

pytestmark = pytest.mark.timeout(600 + 30 * CHANGES)


@dataclass
class Hasty:
    """One visitor. `widgets` is what the server has drawn so far, also what it has taken away again since."""

    page: str
    chance: Random
    widgets: dict[str, tuple[str, Any, str]] = field(default_factory=dict)
    """Of each widget's id: its kind, its message, and the fragment that it stands in."""
    states: dict[str, WidgetState] = field(default_factory=dict)
    pressed: list[WidgetState] = field(default_factory=list)
    """A button is pressed in one request only."""
    begun: int = 0
    runs: int = 0
    """Runs of the page that have begun, and that have ended."""
    broken: list[str] = field(default_factory=list)

    async def visit(self, url: str, changes: int) -> None:
        async with connected(url) as socket:
            listening = asyncio.create_task(self._listen(socket))
            await self._ask(socket, "")
            await self._at_rest(listening)
            for _ in range(changes):
                await self._ask(socket, self._change())
                await asyncio.sleep(self.chance.choice(PAUSES))
            await self._at_rest(listening)
            listening.cancel()

    async def _at_rest(self, listening: asyncio.Task[None]) -> None:
        """Wait until every run has ended, and none has begun for a while."""
        end, rests = time.monotonic() + LIMIT, 0
        while rests < 10:
            assert time.monotonic() < end and not listening.done(), f"{self.page} does not answer"
            await asyncio.sleep(0.1)
            rests = rests + 1 if 0 < self.begun == self.runs else 0

    async def _listen(self, socket: Any) -> None:
        async for received in socket:
            said = ForwardMsg()
            said.ParseFromString(received)
            self.begun += said.WhichOneof("type") == "new_session"
            self.runs += said.WhichOneof("type") == "script_finished"
            element = said.delta.new_element
            kind = element.WhichOneof("type") or ""
            if kind == "exception":
                self.broken.append(f"{self.page}: {element.exception.type} {element.exception.message}")
            elif kind in ("selectbox", "multiselect", "button_group", "checkbox", "slider", "button"):
                drawn = getattr(element, kind)
                self.widgets[drawn.id] = (kind, drawn, said.delta.fragment_id)

    def _change(self) -> str:
        """Change one widget; gives the fragment in which it stands ("": none)."""
        if not self.widgets:
            return ""
        kind, drawn, fragment = self.chance.choice(list(self.widgets.values()))
        state = WidgetState(id=drawn.id)
        if kind == "selectbox":
            state.string_value = self.chance.choice(drawn.options or [""])
        elif kind in ("multiselect", "button_group"):
            names = [option if isinstance(option, str) else option.content for option in drawn.options]
            state.string_array_value.data.extend(self.chance.sample(names, min(len(names), 1)))
        elif kind == "checkbox":
            state.bool_value = self.chance.random() < 0.5
        elif kind == "slider":
            state.double_array_value.data.append(self.chance.uniform(drawn.min, drawn.max))
        else:
            state.trigger_value = True
        if kind == "button":
            self.pressed = [state]
        else:
            self.states[drawn.id] = state
        return fragment

    async def _ask(self, socket: Any, fragment: str) -> None:
        message = BackMsg()
        message.rerun_script.page_name = self.page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.widget_states.widgets.extend([*self.states.values(), *self.pressed])
        self.pressed = []
        await socket.send(message.SerializeToString())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import engine, sys  # before torch: it sets how threads wait\n"
        "from streamlit.web import cli\n"
        f"sys.setswitchinterval({SWITCH})\n"
        "sys.exit(cli.main())\n"
    )
    environment = {"EXPECTANCY_WEIGHTS": str(tmp_path / "weights"), "OMP_NUM_THREADS": "1"}
    started = Server(tmp_path / "log.txt", environment=environment, launcher=(str(launcher),))
    yield started
    started.stop()


def test_nothing_breaks(server: Server) -> None:
    names = ["" if page == "compare.py" else page.removesuffix(".py") for page in PAGES]
    visitors = [Hasty(name, Random(SEED + at)) for at, name in enumerate(names)]
    changes = max(10, CHANGES // len(visitors))

    async def all_at_once() -> None:
        await asyncio.gather(*(visitor.visit(server.url, changes) for visitor in visitors))

    finished(all_at_once())
    assert [each for visitor in visitors for each in visitor.broken] == []
    assert troubles(server.log.read_text(errors="replace")) == []
    drawn = {kind for visitor in visitors for kind, *_ in visitor.widgets.values()}
    assert {"selectbox", "button_group"} <= drawn, "they found something to change"
    print(f"{changes * len(visitors)} changes on {len(visitors)} pages, {sum(v.runs for v in visitors)} runs ended")
