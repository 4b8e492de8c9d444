"""A page with every widget on it and nothing behind it: what the browser tests drive."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from skimage import data

from pages.widgets.class_bars import class_bars
from pages.widgets.layer_strip import LayerThumbnail, layer_strip
from pages.widgets.map_panel import MAX_PANELS, Map, Panel, PanelEvent, PanelPhoto, map_panel

NAMES = [f"class {index}" for index in range(1000)]
NAMES[281:288] = ["tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat", "<b>puma</b>", "lynx"]
ANSWERS = [(281, 0.61), (285, 0.22), (282, 0.09), (287, 0.03), (283, 0.0004)]
LAYERS = {"layer1": 56, "layer2": 28, "layer3": 14, "layer4": 7}
METHODS = [
    ("gradcam", "Grad-CAM"),
    ("contrast", "Contrast"),
    ("saliency", "Contrastive saliency"),
    ("empty", "A map without evidence"),
    ("none", "A method that cannot be used"),
]
QUALITY = "quality"


@st.cache_data
def photo(name: str) -> PanelPhoto:
    return PanelPhoto.of(Image.fromarray(getattr(data, name)()), name)


def bump(size: tuple[int, int], x: float, y: float, width: float) -> Map:
    rows, columns = (np.arange(n) + 0.5 for n in size)
    distance = (columns[None] / size[1] - x) ** 2 + (rows[:, None] / size[0] - y) ** 2
    return np.exp(-distance / width**2).astype(np.float32)


def panel(place: str, method: str, side: int, foil: int) -> Panel:
    size = (side, side)
    common: dict[str, Any] = {"id": place, "method": method, "removable": place not in ("a", "b")}
    note = (f"{side} × {side} map, enlarged",)
    if method == "gradcam":
        values = 2.5 * bump(size, 0.45, 0.4, 0.25) - 0.4 * bump(size, 0.9, 0.9, 0.3)
        sentence = "Bright areas raised the score of tabby at this layer."
        return Panel(
            title="Grad-CAM",
            question="Why tabby?",
            sentence=sentence,
            values=values,
            notes=(*note, "from the cache, 4 ms"),
            **common,
        )
    if method == "contrast":
        values = bump(size, 0.3 + (foil % 7) / 20, 0.3, 0.2) - 0.8 * bump(size, 0.7, 0.6, 0.2)
        question, sentence = (
            f"Why tabby, rather than {NAMES[foil]}?",
            "Areas that decide between the two answers.",
        )
        meaning = ("speaks for tabby", f"speaks for {NAMES[foil]}")
        return Panel(
            title="Contrast",
            question=question,
            sentence=sentence,
            values=values,
            signed=True,
            meaning=meaning,
            notes=note,
            **common,
        )
    if method == "saliency":
        question, sentence = (
            "What did it not expect?",
            "Bright areas would change most, whichever answer were demanded.",
        )
        return Panel(
            title="Contrastive saliency",
            question=question,
            sentence=sentence,
            values=bump(size, 0.5, 0.5, 0.4) ** 4,
            notes=note,
            scale_group="saliency",
            meaning=("unexpected", ""),
            **common,
        )
    if method == "empty":
        return Panel(
            title="Empty",
            question="Why tabby?",
            sentence="Nothing here raised the score.",
            values=-bump(size, 0.5, 0.5, 0.3),
            **common,
        )
    return Panel(
        title="None",
        question="Why tabby?",
        sentence="This network calls its ReLUs as functions, so guided backprop would be wrong.",
        values=None,
        **common,
    )


def quality() -> Panel:
    patch_scores = 0.8 - 0.5 * bump((24, 28), 0.3, 0.7, 0.3)
    levelled = "level" in st.query_params
    cam = (-0.4 if levelled else 0.5) + bump((24, 28), 0.6, 0.3, 0.5)
    return Panel(
        id="c",
        title="Contrastive quality",
        method=QUALITY,
        question="Why 0.68, rather than {Q}?",
        sentence="Marked areas keep the score from being {Q}.",
        values=2 * patch_scores * cam,
        slope=2 * cam,
        level=patch_scores if levelled else None,
        end=1.0 if levelled else None,
        q=1.0,
        score=0.68,
        signed=True,
        meaning=("keeps it above {Q}", "holds it below {Q}"),
        scale_group="quality",
    )


state = st.session_state
state.setdefault("foil", 285)
state.setdefault("layer", "layer3")
state.setdefault("methods", {"a": "gradcam", "b": "saliency", "c": QUALITY})
state.setdefault("events", 0)


def set_foil(foil: int) -> None:
    state.foil = foil


def set_layer(layer: str) -> None:
    state.layer = layer


def react(event: PanelEvent) -> None:
    state.events += 1
    if event.kind == "method":
        state.methods[event.panel] = event.method
    elif event.kind == "remove":
        del state.methods[event.panel]
    elif event.kind == "add":
        state.methods[f"n{state.events}"] = event.method
    elif event.kind == "foil":
        order = [index for index, _ in ANSWERS if index != 281]
        state.foil = order[(order.index(state.foil) + event.step) % len(order)] if state.foil in order else order[0]
    else:
        names = list(LAYERS)
        state.layer = names[min(max(names.index(state.layer) + event.step, 0), len(names) - 1)]


st.set_page_config(page_title="Panels", layout="wide")
name = st.segmented_control("Photo", ["chelsea", "coffee", "astronaut"], default="chelsea", key="photo")
st.query_params["photo"] = name or "chelsea"
picture = photo(name or "chelsea")
layer_strip(
    [LayerThumbnail(n, (s, s), panel("t", "gradcam", s, 0).values) for n, s in LAYERS.items()],
    state.layer,
    key="strip",
    aspect=picture.width / picture.height,
    on_layer=set_layer,
)
left, right = st.columns([1, 4])
with left:
    shown = [(index, NAMES[index], p) for index, p in ANSWERS]
    if state.foil not in dict(ANSWERS):
        shown.append((state.foil, NAMES[state.foil], 0.00001))
    class_bars(shown, 281, state.foil, key="bars", all_names=NAMES, on_foil=set_foil)
with right:
    panels = [
        quality() if method == QUALITY else panel(place, method, LAYERS[state.layer], state.foil)
        for place, method in state.methods.items()
    ]
    map_panel(
        picture,
        panels,
        key="panels",
        methods=[*METHODS, (QUALITY, "Contrastive quality")],
        can_add=len(panels) < MAX_PANELS,
        on_event=react,
    )
st.text(f"foil {state.foil}, layer {state.layer}, events {state.events}")
