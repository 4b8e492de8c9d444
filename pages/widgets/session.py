"""What a person has chosen: one frozen value, kept in the session and written to the address of the page.

The address holds everything but an uploaded photo, which stays in the session's memory alone.
"""

import re
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine import Engine
from pages.widgets.leases import Leases
from pages.widgets.state import PageState
from pages.widgets.work import wanted

QUALITY = "quality"
UPLOAD = "upload"
PANELS = ("gradcam", "contrastive-saliency", QUALITY)
_PLACE = re.compile(r"[a-z0-9-]{1,30}(~[2-9])?")


@dataclass(frozen=True)
class Choice:
    """The state of a view. None or "" means: the usual one (the network's answer, the runner-up, a method's own layer).

    `photo` is a sample's name or "upload"; `panels` are places, each named after its method ("quality", or the id of
    one of METHODS; the second of a method "quality~2"); `options` are the non-default options of contrastive saliency
    as (name, value) pairs of text.
    """

    photo: str = "cat"
    model: str = "embedded"
    weights: str = "default"
    size: int | None = None
    layer: str = ""
    fact: int | None = None
    foil: int | None = None
    panels: tuple[str, ...] = PANELS
    options: tuple[tuple[str, str], ...] = ()


def engine() -> Engine:
    """The one engine that all sessions share: networks, passes and maps are kept by content, not by person.

    What belongs to a photo goes with the last session that asked about it. A run of a page that is not wanted any
    longer ends here, before it asks anything.
    """
    wanted()
    return _engine()


@st.cache_resource(show_spinner=False)
def _engine() -> Engine:
    return Engine(watch=_asked)


@st.cache_resource(show_spinner=False)
def leases() -> Leases:
    """Which session asked about which photos."""
    return Leases(lambda digest: _engine().forget(digest))


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda mine: leases().end(mine))
def _mine() -> set[str]:
    return leases().begin()


def _asked(digest: str) -> None:
    if get_script_run_ctx(suppress_warning=True) is not None:
        _mine().add(digest)


def from_address(parameters: dict[str, str]) -> Choice:
    """The choice in query parameters; what cannot be read is left at its usual value."""
    values: dict[str, Any] = {}
    for name in ("photo", "model", "layer"):
        if name in parameters:
            values[name] = parameters[name][:100]
    for name in ("size", "fact", "foil"):
        if parameters.get(name, "").isdecimal():
            values[name] = int(parameters[name][:9])
    if parameters.get("weights") == "random":
        values["weights"] = "random"
    places = [place for place in parameters.get("panels", "").split(",") if _PLACE.fullmatch(place)]
    if places:
        values["panels"] = tuple(dict.fromkeys(places[:5]))
    if "options" in parameters:
        pairs = (pair.partition(":") for pair in parameters["options"].split(",")[:10])
        values["options"] = tuple((name, value) for name, _, value in pairs)
    return Choice(**values)


def _write(_: str, value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(":".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return str(value)


def _forget(values: dict[str, Any]) -> dict[str, Any]:
    """What depended on the old photo, network or size is forgotten."""
    if "photo" in values:
        values = {"fact": None, "foil": None} | values
    if "model" in values:
        values = {"weights": "default", "size": None, "layer": "", "fact": None, "foil": None} | values
    if "size" in values:
        values = {"layer": ""} | values
    return values


_state = PageState("choice", Choice(), from_address, _write, _forget)
current, change, bound = _state.current, _state.change, _state.bound
to_address, publish = _state.to_address, _state.publish
