"""How a widget's two halves meet: Python packs arrays, the browser keeps what it was sent once.

A custom component's script, and whatever data it is given, travel in every message that Streamlit sends for
it: a change of the foil would resend the photo and the drawing code along with 200 numbers. So a widget is split:

- The **library** (the widget's real script and style) and the **parcels** (photo, class names) are components
  of their own that draw nothing. Their messages are the same in every run, so Streamlit's message cache sends a
  hash in their place after the first time, and the browser files them in memory by digest.
- The **widget** is a stub of a few lines, whose message holds only what changed: a small header and raw
  float32 maps as bytes, without base64 or a table format on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

T = TypeVar("T")

_HERE = Path(__file__).parent

_SHELF = """
const shelf = (globalThis[Symbol.for("expectancy-explorer")] ??= {
  widgets: {},  // name: function of the component
  parcels: new Map(),  // digest: {header, bytes}
  waiting: [],  // widgets that came before their library
});
"""

_STUB = """
export default function (component) {
  let cleanup;
  const start = () => { cleanup = shelf.widgets["NAME"](component); };
  if (shelf.widgets["NAME"]) start(); else shelf.waiting.push(["NAME", start]);
  return () => { if (cleanup) cleanup(); };
}
"""

_LIBRARY_END = """
const run = start(STYLE);  // once for each version of the script, though Streamlit may call again
export default function () {
  shelf.widgets["NAME"] = run;
  for (const [name, begin] of shelf.waiting.splice(0)) {
    if (shelf.widgets[name]) begin(); else shelf.waiting.push([name, begin]);
  }
}
"""

_PARCEL = """
const KEPT = 64;  // enough for every widget of a page and a history; a photo is at most some 100 kB
export default function ({data}) {
  const {header, rest} = unpack(data);
  shelf.parcels.delete(header.digest);
  shelf.parcels.set(header.digest, {header, bytes: rest});
  for (const old of [...shelf.parcels.keys()].slice(0, -KEPT)) shelf.parcels.delete(old);
  globalThis.dispatchEvent(new CustomEvent("expectancy-parcel", {detail: header.digest}));
}
"""


def pack(header: Mapping[str, Any], blob: bytes = b"") -> bytes:
    """Join a JSON header and raw bytes: uint32 (little endian) length of the header, header, bytes.

    The header is padded with blanks so that the bytes begin at a multiple of four.
    """
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + blob


class Blob:
    """Collects float32 arrays into one run of bytes; `add` gives the place that the header names."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, values: NDArray[Any] | None) -> dict[str, int] | None:
        """Append a (h, w) array; returns its offset (in numbers, not bytes), h and w, or None for None."""
        if values is None:
            return None
        if values.ndim != 2:
            raise ValueError(f"A map has two axes (h, w), not the shape {values.shape}.")
        place = {"at": self._length, "h": values.shape[0], "w": values.shape[1]}
        self._parts.append(np.ascontiguousarray(values, dtype="<f4").tobytes())
        self._length += values.size
        return place

    def bytes(self) -> bytes:
        """Everything added so far, little endian."""
        return b"".join(self._parts)


@dataclass(frozen=True)
class Parcel:
    """Data that the browser keeps by digest, so that it is sent once."""

    digest: str
    message: bytes

    @staticmethod
    def of(header: Mapping[str, Any], blob: bytes = b"") -> Parcel:
        """Make a parcel; its digest is that of the whole content."""
        digest = blake2b(pack(header, blob), digest_size=12).hexdigest()
        return Parcel(digest, pack({**header, "digest": digest}, blob))


class Widget:
    """A component whose script is sent once. Make one for each module, at import.

    The scripts are plain JavaScript files that are joined in the given order. The last one defines
    `start(style)`, which returns the function that Streamlit is to call with the component.
    """

    def __init__(self, name: str, scripts: Sequence[str], styles: Sequence[str]) -> None:
        def read(names: Sequence[str]) -> str:
            return "\n".join((_HERE / each).read_text(encoding="utf-8") for each in names)

        def fill(script: str) -> str:
            return script.replace('"NAME"', json.dumps(name)).replace("STYLE", json.dumps(read(styles)))

        self._name = name
        component = st.components.v2.component
        base = _SHELF + read(["base.js"])
        self._library = component(f"expectancy.{name}.library", js=base + read(scripts) + fill(_LIBRARY_END))
        self._parcel = component(f"expectancy.{name}.parcel", js=base + _PARCEL)
        self._stub = component(f"expectancy.{name}", js=_SHELF + fill(_STUB))

    def mount(
        self,
        message: bytes,
        *,
        key: str,
        parcels: Sequence[Parcel],
        read: Callable[[Any], T] | None = None,
        on_event: Callable[[T], None] | None = None,
    ) -> T | None:
        """Show the widget; returns what the person did since the last run, or None.

        `read` makes it of the JSON value that came from the browser, and raises KeyError, TypeError or ValueError for
        what the widget's own script never says: who else said it gets no answer. `on_event` gets the same before the
        page's script runs again, as every Streamlit callback does.
        """

        def tell() -> None:
            state = st.session_state.get(key)  # None: what was clicked has left the page meanwhile
            event = heard(state and state.get("event"), read)
            if event is not None and on_event is not None:
                on_event(event)

        with st.container(gap=None, key=f"{self._name}-{key}"):
            self._library(key=f"{key}-library", height="content")
            for parcel in parcels:
                self._parcel(key=f"{key}-{parcel.digest}", data=parcel.message, height="content")
            return heard(self._stub(key=key, data=message, on_event_change=tell).event, read)


def heard(said: Any, read: Callable[[Any], T] | None) -> T | None:
    """What `read` makes of a JSON value, see :meth:`Widget.mount`; None for nothing and for what it cannot read."""
    if said is None or read is None:
        return None
    try:
        return read(said)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def read_class(event: Any) -> int:
    """The class that an event names; like one in an address, it may be one that the network does not have."""
    return read_whole(event["foil"], 0, 10**9)


def read_whole(value: Any, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{value} is no whole number from {low} to {high}.")
    return value


def read_text(value: Any, most: int) -> str:
    """A text, of which so many characters are read."""
    if not isinstance(value, str):
        raise ValueError(f"{value} is no text.")
    return value[:most]
