"""The end of a session: its browser has gone, and does not come back."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from pages.widgets import farewell


class Runtime:
    """Streamlit's, with one session that is there or not."""

    def __init__(self, active: bool) -> None:
        self.active, self.closed = active, list[str]()

    def is_active_session(self, name: str) -> bool:
        return self.active

    def close_session(self, name: str) -> None:
        self.closed.append(name)


@pytest.mark.parametrize("back", [False, True])
def test_a_session_ends_unless_its_browser_has_come_back(monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    here = Runtime(active=back)
    monkeypatch.setattr(farewell, "PATIENCE", 0.0)
    monkeypatch.setattr(farewell, "runtime", SimpleNamespace(exists=lambda: True, get_instance=lambda: here))

    async def gone() -> None:
        farewell._await_return("ada")
        assert here.closed == [], "not at once"
        await asyncio.sleep(0.05)

    with ThreadPoolExecutor(1) as other:  # a browser's tests in this process leave a loop running in its first thread
        other.submit(asyncio.run, gone()).result()
    assert here.closed == ([] if back else ["ada"])


def test_where_the_whole_server_ends_there_is_nothing_to_wait_for() -> None:
    farewell._await_return("ada")


def test_it_waits_less_long_than_streamlit_keeps_sessions() -> None:
    """After that Streamlit itself knows them no more, and still holds them."""
    from inspect import signature

    from streamlit.runtime.memory_session_storage import MemorySessionStorage

    assert signature(MemorySessionStorage.__init__).parameters["ttl_seconds"].default > farewell.PATIENCE
