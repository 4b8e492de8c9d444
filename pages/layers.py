"""Layers: every layer down, several foils across; all foils at one layer; and how surprising each answer would be."""

import streamlit as st

from engine import Trace, method
from engine.bundle import Place
from engine.errors import ExplorerError
from engine.fixations import Fixations
from engine.foils import Foil, by_difference, contrasts, worth_showing
from engine.images import Photo
from engine.layer_grid import Column, every_layer, prepare, stages
from engine.layers import Layer
from pages.widgets import layers_state, session
from pages.widgets.about import about
from pages.widgets.desk import corner, desk
from pages.widgets.image_picker import image_picker
from pages.widgets.layers_answers import surprisal_view
from pages.widgets.layers_fixations import fixations_on, scored
from pages.widgets.layers_foils import FoilCard, layers_foils
from pages.widgets.layers_grid import GridCell, GridColumn, layers_grid
from pages.widgets.layers_scene import (
    Asked,
    alone,
    choose_fact,
    choose_layer,
    choose_order,
    panel_photo,
    words,
)
from pages.widgets.layers_state import (
    BESIDE,
    CELLS,
    CLASS,
    CONTRAST,
    DIFFERENCE,
    EVERY,
    FOILS,
    LAYERS,
    MOST_FOILS,
    STAGES,
    SURPRISAL,
    VIEWS,
    foils_of,
    known_classes,
    sort_of,
    state,
)
from pages.widgets.panels import options_of
from pages.widgets.question_bar import fact_and_foil, known_layer, network
from pages.widgets.session import Choice
from pages.widgets.style import style
from pages.widgets.words import refused
from pages.widgets.work import begin


def page() -> None:
    choice = session.current()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom", key="top"):
        photo = image_picker(choice)
        st.segmented_control(
            "View", list(VIEWS), format_func=VIEWS.__getitem__,
            **state.bound("view", state.current().view, "view"),
        )  # fmt: skip
        model = network(choice)
    if model is not None:
        try:
            trace = session.engine().trace(model, photo, choice.size if choice.size in model.sizes else None)
            explore(choice, photo, trace)
        except ExplorerError as error:
            refused(error)
    layers_state.publish()


def explore(choice: Choice, photo: Photo, trace: Trace) -> None:
    """Everything below the choice of photo and network."""
    chosen = layers_state.current(trace.model.key)
    asked = Asked(alone(choice), chosen, photo, trace, *fact_and_foil(choice, trace))
    {LAYERS: layers_view, FOILS: foils_view, SURPRISAL: surprisal_view}[chosen.view](asked)
    about(trace.model)


# --- all layers ---------------------------------------------------------------------------------------------


def layers_view(asked: Asked) -> None:
    """Layers down, questions across."""
    trace, chosen = asked.trace, asked.chosen
    foils = foils_of(chosen, trace, asked.fact, asked.foil)
    finer = every_layer(trace)
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        words("Why")
        choose_fact(asked)
        words(", rather than")
        st.multiselect(
            "Foils Q", range(len(trace.answer.names)), format_func=asked.name, label_visibility="collapsed",
            max_selections=MOST_FOILS, width=700, wrap=True, **state.bound("foils", list(foils), "foils", tuple),
        )  # fmt: skip
        words("?")
    with st.container(horizontal=True, vertical_alignment="bottom", key="grid_options"):
        counts = {STAGES: f"{len(stages(trace))} stages", EVERY: f"{len(finer)} layers"}
        st.segmented_control(
            "Rows", list(counts), format_func=counts.__getitem__, **state.bound("rows", chosen.rows, "rows")
        )
        st.segmented_control(
            "A foil’s column shows", list(CELLS), format_func=CELLS.__getitem__,
            **state.bound("cells", chosen.cells, "cells"),
        )  # fmt: skip
        st.multiselect(
            "Further columns", BESIDE, format_func=lambda name: method(name).title, width=420,
            placeholder="Other methods", wrap=True, **state.bound("beside", list(chosen.beside), "beside", tuple),
        )  # fmt: skip
    layers = finer if chosen.rows == EVERY else stages(trace)
    fixations = fixations_on(asked.photo)
    st.caption(sentence(fixations))
    columns = grid_columns(asked, foils)
    names, asking = [layer.name for layer in layers], [column for _, column in columns]
    tell = begin((LAYERS, *trace.key, *names, *asking), f"Looking at {len(layers)} layers")
    if tell is None:
        return
    prepare(session.engine(), trace, names, asking, tell)
    layers_grid(
        panel_photo(asked.photo), layers, [head for head, _ in columns],
        [[cell(asked, layer, head, column, fixations) for head, column in columns] for layer in layers],
        key="layers", start=start(asked, layers, columns), scored=fixations is not None,
    )  # fmt: skip


def sentence(fixations: Fixations | None) -> str:
    """What the grid shows and how to read it."""
    seen = (
        f"NSS: how well the maps of the open column find the {len(fixations)} fixations on this photo."
        if fixations is not None
        else "With fixations on this photo (page “Human saliency”), their NSS is shown too."
    )
    return (
        "Each row is a layer, each column a question asked there. Click a map to see it in full, or travel from edges "
        f"to meaning with the slider. {seen}"
    )


def grid_columns(asked: Asked, foils: tuple[int, ...]) -> list[tuple[GridColumn, Column]]:
    """Grad-CAM of P, the methods beside it, and one column for each foil."""
    made = []
    names = {"P": asked.name(asked.fact), "Q": asked.name(asked.foil)}
    for name in ("gradcam", *asked.chosen.beside):
        options = tuple(options_of(asked.choice, method(name)).items())
        about = method(name).asks.format(**names)
        made.append((GridColumn(name, method(name).title, about), Column(name, asked.fact, asked.foil, options)))
    for foil in foils:
        if asked.chosen.cells == CLASS:
            head = GridColumn(f"{CLASS}-{foil}", "Grad-CAM", f"Why {asked.name(foil)}?")
            made.append((head, Column(CLASS, foil, foil)))
        else:
            head = GridColumn(f"{CONTRAST}-{foil}", "Contrast", f"rather than {asked.name(foil)}")
            made.append((head, Column(CONTRAST, asked.fact, foil)))
    return made


def cell(asked: Asked, layer: Layer, head: GridColumn, column: Column, fixations: Fixations | None) -> GridCell:
    """One map with its statistics; one that cannot be had says why."""
    shown = asked.panel(f"{layer.name}/{head.id}", column.method, layer.name, column.fact, column.foil)
    if shown.values is None:
        return GridCell(shown, None, None)
    found = session.engine().explain(
        asked.trace, column.method, layer.name, column.fact, column.foil, **dict(column.options)
    )
    share = found.positive_share if found.signed else None
    return GridCell(shown, share, scored(found, (asked.trace.key, layer.name, column), fixations))


def start(asked: Asked, layers: tuple[Layer, ...], columns: list[tuple[GridColumn, Column]]) -> tuple[str, str]:
    """The cell that is open at first: the layer of the other pages, else the deepest, and the first contrast."""
    layer = known_layer(asked.choice, asked.trace)
    names = [each.name for each in layers]
    first = next((head.id for head, column in columns if column.method == CONTRAST), columns[0][0].id)
    return (layer if layer in names else names[-1], first)


# --- all foils ----------------------------------------------------------------------------------------------


def foils_view(asked: Asked) -> None:
    """One layer, every answer as the foil."""
    trace, chosen = asked.trace, asked.chosen
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        words("Why")
        choose_fact(asked)
        words(", rather than any other answer? Seen at")
        choose_layer(asked)
    with st.container(horizontal=True, vertical_alignment="bottom", key="order"):
        choose_order(asked)
    st.caption(
        "Each map is the contrast with one foil; point at it to see it in full, a click makes it Q. “Differs” is "
        "1 − the correlation (Pearson) of the signed map with Grad-CAM of P: 0 for the same map, 2 for its opposite."
    )
    wanted = worth_showing(trace.answer, (*known_classes(chosen, trace), asked.foil))
    foils = [index for index in wanted if index != asked.fact] or [asked.foil]
    tell = begin((FOILS, *trace.key, asked.layer, asked.fact, *foils), f"Asking about {len(foils)} foils")
    if tell is None:
        return
    found = contrasts(session.engine(), trace, asked.layer, asked.fact, foils, tell)
    if sort_of(chosen) == DIFFERENCE:
        found = by_difference(found)
    cards = [over(asked, "contrast-mean"), over(asked, "contrast-variance"), *(card(asked, each) for each in found)]
    layers_foils(
        panel_photo(asked.photo), cards, asked.foil, key="foils_strip",
        on_foil=lambda index: session.change(foil=index),
    )  # fmt: skip


def over(asked: Asked, name: str) -> FoilCard:
    """A map over all foils."""
    shown = asked.panel(name, name, asked.layer, asked.fact, asked.foil)
    return FoilCard(method(name).title.removesuffix(" of all contrasts"), shown)


def card(asked: Asked, foil: Foil) -> FoilCard:
    """The contrast with one foil."""
    shown = asked.panel(f"contrast-{foil.index}", CONTRAST, asked.layer, asked.fact, foil.index)
    return FoilCard(foil.name, shown, foil.index, foil.probability, foil.differs)


style()
desk(corner(), Place("layers", {}), None)
page()
