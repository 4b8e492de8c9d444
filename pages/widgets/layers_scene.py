"""What the three views of the page "Layers" share: what is asked, and the words of the question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from engine import Trace
from engine.images import Photo
from engine.layer_grid import stages
from engine.layers import deepest
from engine.methods import ALONE, method
from pages.widgets import session
from pages.widgets.layers_state import MOST_FOUND, SORTS, LayersChoice, known_classes, sort_of, state
from pages.widgets.map_panel import Panel, PanelPhoto
from pages.widgets.panels import changed_options, panel
from pages.widgets.question_bar import known_layer
from pages.widgets.session import Choice


@dataclass(frozen=True, eq=False)
class Asked:
    """One photo, one network, P and Q, and what was chosen on this page."""

    choice: Choice
    chosen: LayersChoice
    photo: Photo
    trace: Trace
    fact: int
    foil: int

    @property
    def layer(self) -> str:
        """The layer of the views that show one: the chosen one, else the deepest."""
        return known_layer(self.choice, self.trace) or deepest(self.trace.layers).name

    def name(self, index: int) -> str:
        """A class's name."""
        return self.trace.answer.names[index]

    def panel(self, place: str, method: str, layer: str, fact: int, foil: int) -> Panel:
        """The panel of a method at a layer, as it stands alone."""
        at = replace(self.choice, layer=layer)
        return replace(panel(place, method, at, self.trace, self.photo, fact, foil), removable=False)


def alone(choice: Choice) -> Choice:
    """The choice with every layer showing its own map: this page compares layers."""
    return replace(choice, options=changed_options(choice, method("contrastive-saliency"), ALONE))


@st.cache_data(show_spinner=False, max_entries=16, scope="session", hash_funcs={Photo: lambda photo: photo.digest})
def panel_photo(photo: Photo) -> PanelPhoto:
    """The photo as the browser gets it."""
    return PanelPhoto.of(photo.pil(), photo.name or "your photo")


def words(text: str) -> None:
    """A part of the question, as a heading."""
    st.html(f"<h2>{text}</h2>", width="content")


def choose_fact(asked: Asked) -> None:
    """Draw the choice of P."""
    st.selectbox(
        "Fact P", range(len(asked.trace.answer.names)), format_func=asked.name, label_visibility="collapsed",
        width=220, help="The answer that is explained", **session.bound("fact", asked.fact, "fact"),
    )  # fmt: skip


def choose_foil(asked: Asked) -> None:
    """Draw the choice of Q."""
    st.selectbox(
        "Foil Q", range(len(asked.trace.answer.names)), format_func=asked.name, label_visibility="collapsed",
        width=260, **session.bound("foil", asked.foil, "foil"),
    )  # fmt: skip


def choose_layer(asked: Asked) -> None:
    """Draw the choice of the one layer that is looked at."""
    names = [layer.name for layer in stages(asked.trace)]
    grids = {layer.name: f"{layer.name} ({layer.grid})" for layer in asked.trace.layers}
    st.selectbox(
        "Seen at layer", names if asked.layer in names else [*names, asked.layer], format_func=grids.__getitem__,
        label_visibility="collapsed", width=190, **session.bound("layer", asked.layer, "layer"),
    )  # fmt: skip


def choose_order(asked: Asked) -> None:
    """Draw the order of the answers, and the search for further ones."""
    orders = SORTS[asked.chosen.view]
    st.segmented_control(
        "Sorted by", list(orders), format_func=orders.__getitem__, **state.bound("sort", sort_of(asked.chosen), "sort")
    )
    st.multiselect(
        "Also show", range(len(asked.trace.answer.names)), format_func=asked.name, max_selections=MOST_FOUND,
        placeholder="Find any class", width=420, wrap=True,
        **state.bound("also", list(known_classes(asked.chosen, asked.trace)), "also", tuple),
    )  # fmt: skip
