"""A visitor without a browser: it opens a page over the app's websocket, as the page's own script would."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

T = TypeVar("T")


def finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives. It runs in a thread of its own: in this one Playwright's loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def connected(url: str) -> Any:
    """The app's websocket, as a context in an event loop."""
    names: Any = ["streamlit"]
    origin: Any = url
    busy = {"open_timeout": 120, "ping_interval": None}  # a server that is at work may be silent for long
    where = url.replace("http", "ws") + "/_stcore/stream"
    return websockets.connect(where, subprotocols=names, origin=origin, max_size=None, proxy=None, **busy)


async def _open(url: str, page: str) -> list[ForwardMsg]:
    said: list[ForwardMsg] = []
    async with connected(url) as socket:
        message = BackMsg()
        message.rerun_script.page_name = page
        await socket.send(message.SerializeToString())
        async for received in socket:
            said.append(ForwardMsg())
            said[-1].ParseFromString(received)
            if said[-1].WhichOneof("type") == "script_finished" and said[-1].script_finished == (
                ForwardMsg.FINISHED_SUCCESSFULLY  # a run that asks for another one ends otherwise
            ):
                return said
    raise AssertionError("the server went away")


def opened(url: str, page: str = "", limit: float = 240) -> list[ForwardMsg]:
    """Open a page of the app (the first one is ""), and wait until its script has ended: all that the server sent."""
    return finished(asyncio.wait_for(_open(url, page), limit))


def words(said: list[ForwardMsg], kind: str = "markdown") -> list[str]:
    """The texts of all elements of one kind ("markdown", "alert"; of an "exception" its message) among messages."""
    elements = (message.delta.new_element for message in said if message.WhichOneof("type") == "delta")
    found = (getattr(element, kind) for element in elements if element.WhichOneof("type") == kind)
    return [each.message if kind == "exception" else each.body for each in found]
