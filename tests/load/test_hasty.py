"""Visitors who never wait for an answer: each changes anything on its page, and another thing before that is drawn.

What a page says to them is not looked at, but that nothing breaks: no exception on a page, no traceback in the log.
`make soak` has many such changes, `make test` a few.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from streamlit.components.v2.bidi_component.main import _make_trigger_id
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

OWN = 0.3
"""Share of changes that are made in the app's own components, and not in Streamlit's widgets."""
NONSENSE: tuple[Any, ...] = ({}, [], 7, "x", {"foil": -1}, {"foil": 10**9}, {"kind": "add", "method": "none"},
                             {"kind": "remove"}, {"layer": None}, {"box": [1]}, {"places": [[2, 2]]})  # fmt: skip


def _in_panels(chance: Random, header: dict[str, Any]) -> dict[str, Any]:
    kind = chance.choice(("add", "method", "remove", "foil", "layer"))
    place = chance.choice([panel["id"] for panel in header["panels"]])
    asked = chance.choice(header["methods"] or [["gradcam"]])[0]
    return {"kind": kind, "panel": place, "method": asked, "step": chance.choice((-1, 1))}


EVENTS: Mapping[str, Callable[[Random, dict[str, Any]], Any]] = {
    "map_panel": _in_panels,
    "class_bars": lambda chance, header: {"foil": chance.choice(header["answers"])[0]},
    "layers_surprisal": lambda chance, header: {"foil": chance.choice(header["bars"])[0]},
    "layers_foils": lambda chance, header: {"foil": chance.choice(header["cards"])["foil"]},
    "layer_strip": lambda chance, header: {"layer": chance.choice(header["layers"])["name"]},
    "quality_region": lambda chance, _: {"box": chance.choice((None, [chance.randrange(1000) for _ in range(4)]))},
    "click_board": lambda chance, _: {
        "person": chance.choice("AB"), "places": [[chance.random(), chance.random()]], "seconds": 3,
    },
    "desk": lambda chance, _: {"kind": chance.choice(("share", "history")), "view": "", "address": ""},
    "history": lambda chance, header: {
        "kind": chance.choice(("back", "pin")), "look": chance.choice(header["looks"] or [{"id": ""}])["id"],
    },
}  # fmt: skip
"""What a person does in each of the app's own components, by its name."""

pytestmark = pytest.mark.timeout(600 + 30 * CHANGES)


@dataclass
class Hasty:
    """One visitor. `widgets` is what the server has drawn so far, also what it has taken away again since."""

    page: str
    chance: Random
    widgets: dict[str, tuple[str, Any, str]] = field(default_factory=dict)
    """Of each widget's id: its kind, its message, and the fragment that it stands in."""
    components: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """The same of the app's own components: the message and the fragment."""
    said: int = 0
    """How often something was done in them."""
    states: dict[str, WidgetState] = field(default_factory=dict)
    pressed: list[WidgetState] = field(default_factory=list)
    """A button is pressed in one request only."""
    runs: int = 0
    """Runs of the page that have ended, as far as the server says so: where another follows at once it may not."""
    running: bool = True
    """Whether the page is run now."""
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
        """Wait until no run has been going for a while."""
        end, rests = time.monotonic() + LIMIT, 0
        while rests < 10:
            assert time.monotonic() < end and not listening.done(), f"{self.page} does not answer"
            await asyncio.sleep(0.1)
            rests = 0 if self.running else rests + 1

    async def _listen(self, socket: Any) -> None:
        async for received in socket:
            said = ForwardMsg()
            said.ParseFromString(received)
            if said.WhichOneof("type") == "session_status_changed":
                self.running = said.session_status_changed.script_is_running
            self.runs += said.WhichOneof("type") == "script_finished"
            element = said.delta.new_element
            kind = element.WhichOneof("type") or ""
            if kind == "exception":
                self.broken.append(f"{self.page}: {element.exception.type} {element.exception.message}")
            elif kind == "bidi_component":
                component = element.bidi_component
                if component.component_name.removeprefix("expectancy.") in EVENTS:
                    self.components[component.id] = (component, said.delta.fragment_id)
            elif kind in ("selectbox", "multiselect", "button_group", "checkbox", "slider", "button"):
                drawn = getattr(element, kind)
                self.widgets[drawn.id] = (kind, drawn, said.delta.fragment_id)

    def _change(self) -> str:
        """Change one widget; gives the fragment in which it stands ("": none)."""
        if self.components and self.chance.random() < OWN:
            return self._say()
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

    def _say(self) -> str:
        """Do something in one of the app's own components, or say what it would never say; gives the fragment."""
        component, fragment = self.chance.choice(list(self.components.values()))
        length = int.from_bytes(component.bytes[:4], "little")
        header = json.loads(component.bytes[4 : 4 + length])
        event = EVENTS[component.component_name.removeprefix("expectancy.")](self.chance, header)
        if self.chance.random() < 0.1:
            event = self.chance.choice(NONSENSE)
        state = WidgetState(id=_make_trigger_id(component.id, "events"))
        state.json_trigger_value = json.dumps([{"event": "event", "value": event}])
        self.pressed = [state]
        self.said += 1
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
    changes = max(10, -(-CHANGES // len(visitors)))

    async def all_at_once() -> None:
        await asyncio.gather(*(visitor.visit(server.url, changes) for visitor in visitors))

    finished(all_at_once())
    assert [each for visitor in visitors for each in visitor.broken] == []
    assert troubles(server.log.read_text(errors="replace")) == []
    drawn = {kind for visitor in visitors for kind, *_ in visitor.widgets.values()}
    assert {"selectbox", "button_group"} <= drawn, "they found something to change"
    said, runs = sum(visitor.said for visitor in visitors), sum(visitor.runs for visitor in visitors)
    assert said, "they found something to do in the app's own components"
    print(f"{changes * len(visitors)} changes on {len(visitors)} pages, {said} in own components, {runs} runs ended")
