"""Runs of one session follow one another, as `.streamlit/config.toml` asks: they share its state without a lock."""

from __future__ import annotations

import asyncio
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.server import Server
from tests.visitor import connected, finished

RUNS = 5
PAGE = """
import time
import streamlit as st

here = st.session_state.setdefault("here", [])
here.append(1)
overlap = len(here) > 1
time.sleep(0.5)  # work during which Streamlit cannot end a run
here.pop()
if overlap:
    raise RuntimeError("Two runs of one session at once.")
st.text("done")
"""


async def ask(url: str) -> str:
    """Ask for one run after the other, without waiting for their ends; the kind of the element that comes of it."""
    async with connected(url) as socket:
        for _ in range(RUNS):
            message = BackMsg()
            message.rerun_script.query_string = ""
            await socket.send(message.SerializeToString())
            await asyncio.sleep(0.1)
        async for received in socket:
            found = ForwardMsg()
            found.ParseFromString(received)
            drawn = found.delta.new_element.WhichOneof("type")
            if drawn in ("text", "exception"):
                return str(drawn)
    raise AssertionError("the server went away")


def test_they_do_not_overlap(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text(PAGE, encoding="utf-8")
    server = Server(tmp_path / "log.txt", script=str(page))
    try:
        said = finished(asyncio.wait_for(ask(server.url), 60))
    finally:
        server.stop()
    assert said == "text", "a run began before the one before it had ended"
    assert "Traceback" not in (tmp_path / "log.txt").read_text(errors="replace")
