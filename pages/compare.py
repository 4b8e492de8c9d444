"""Compare: one photo, several questions side by side."""

from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import METHODS, Trace
from engine.bundle import Place
from engine.errors import ExplorerError
from engine.export import pass_facts
from engine.images import Photo
from pages.widgets import session
from pages.widgets.about import about
from pages.widgets.address import stay
from pages.widgets.ahead import ahead
from pages.widgets.class_bars import class_bars
from pages.widgets.desk import corner, desk, remember
from pages.widgets.image_picker import image_picker
from pages.widgets.layer_strip import LayerThumbnail, layer_strip
from pages.widgets.map_panel import MAX_PANELS, PanelEvent, PanelPhoto, map_panel
from pages.widgets.panels import (
    AWAITED,
    OFFERED,
    asks_about_foil,
    changed_options,
    changed_row,
    judge_quality,
    method_at,
    options_of,
    panel,
    quality_is_awaited,
)
from pages.widgets.question_bar import fact_and_foil, foil_selector, known_layer, network, question
from pages.widgets.session import UPLOAD, Choice
from pages.widgets.share import Shown
from pages.widgets.style import style
from pages.widgets.words import refused

T = TypeVar("T")


def page() -> None:
    choice = session.current()
    room, shown = corner(), None
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom", key="top"):
        photo = image_picker(choice)
        model = network(choice)
    if model is not None:
        try:
            trace = session.engine().trace(model, photo, choice.size if choice.size in model.sizes else None)
        except ExplorerError as error:
            refused(error)
        else:
            shown, below = explore(choice, photo, trace)
    opened = desk(room, place_of(choice, photo), shown, OFFERED)
    session.publish()
    if shown is not None and shown.unfinished and not opened:
        judge_quality(photo, below)
        st.rerun()


def explore(choice: Choice, photo: Photo, trace: Trace) -> tuple[Shown, DeltaGenerator]:
    """Everything below the choice of photo and network; gives also the place for the progress of what is to come."""
    fact, _ = fact_and_foil(choice, trace)
    foil_room = question(choice, trace, fact)
    with st.container(key="body"):
        answers, maps = st.columns([1, 4], gap="medium")
    with maps:
        maps_room = st.container()
    with answers:
        said(trace, photo)
        if quality_is_awaited(choice, photo):
            with st.container():  # as a fragment has one
                shown = what_the_foil_changes(choice, photo, trace, foil_room, maps_room)
        else:
            shown = of_the_foil(choice, photo, trace, foil_room, maps_room)
        below = st.empty()
    with maps:
        strip(choice, photo, trace, fact)
        options(choice)
    about(trace.model)
    return shown, below


@st.fragment
def of_the_foil(
    drawn: Choice, photo: Photo, trace: Trace, foil_room: DeltaGenerator, maps_room: DeltaGenerator
) -> Shown:
    """All that another foil changes. It runs without the rest of the page, which was drawn for the choice `drawn`.

    What a person does in it waits until the page's own run has ended. So it is not used where that takes long.
    """
    choice = session.current()
    if replace(choice, foil=drawn.foil) != drawn or quality_is_awaited(choice, photo):
        st.rerun()  # another row of panels has other options below it, and only the whole page judges
    return what_the_foil_changes(choice, photo, trace, foil_room, maps_room)


def what_the_foil_changes(
    choice: Choice, photo: Photo, trace: Trace, foil_room: DeltaGenerator, maps_room: DeltaGenerator
) -> Shown:
    """Draw the choice of Q, the answers, and the maps."""
    awaited = quality_is_awaited(choice, photo)
    fact, foil = fact_and_foil(choice, trace)
    with foil_room:
        foil_selector(trace, foil)
    answers = shown_answers(trace, fact, foil)
    class_bars(
        answers, fact, foil, key="bars", all_names=trace.answer.names,
        probabilities=trace.answer.probabilities, on_foil=lambda index: session.change(foil=index),
    )  # fmt: skip
    places = choice.panels[:MAX_PANELS]
    panels = [panel(place, method_at(place), choice, trace, photo, fact, foil, judge=not awaited) for place in places]
    view = blake2b(repr((trace.key, fact, choice.layer, places, choice.options)).encode(), digest_size=8).hexdigest()
    with maps_room:
        map_panel(
            panel_photo(photo), panels, key="panels", methods=OFFERED, view=view, foil=foil,
            on_event=lambda event: react(event, choice, trace, fact, foil),
        )  # fmt: skip
    send_ahead(view, answers, choice, photo, trace, fact)
    shown = Shown(
        heading(trace, fact, foil), photo, panel_photo(photo), tuple(panels), settings(choice, photo, trace),
        pass_facts(trace), unfinished=AWAITED if awaited else "",
    )  # fmt: skip
    remember(place_of(choice, photo), shown)
    session.publish()
    stay()
    return shown


def send_ahead(
    view: str, answers: list[tuple[int, str, float]], choice: Choice, photo: Photo, trace: Trace, fact: int
) -> None:
    """What each of the shown answers would make of the panels as the foil, the present one too: it is sent once."""
    asking = [place for place in choice.panels[:MAX_PANELS] if asks_about_foil(method_at(place))]
    if asking:
        foils = [foil for foil, _, _ in answers]
        ahead(
            view, {q: [panel(at, method_at(at), choice, trace, photo, fact, q) for at in asking] for q in foils},
            key="ahead",
        )  # fmt: skip


def place_of(choice: Choice, photo: Photo) -> Place:
    """Where the person is."""
    uploaded = {UPLOAD: photo} if choice.photo == UPLOAD and "upload" in st.session_state else {}
    return Place("compare", session.to_address(choice), uploaded)


def heading(trace: Trace, fact: int, foil: int) -> str:
    """The question as it stands above the maps."""
    return f"Why {trace.answer.names[fact]}, rather than {trace.answer.names[foil]}?"


def settings(choice: Choice, photo: Photo, trace: Trace) -> dict[str, str]:
    """What a reader of the report should know."""
    width, height = photo.size
    told = {
        "Photo": f"{photo.name or 'a photo'}, {width} × {height} pixels" + (f", {photo.note}" if photo.note else ""),
        "Network": f"{trace.model.title}, {trace.model.weights}, at {trace.size} × {trace.size} pixels",
        "Weights": trace.model.key,
        "Its answers": ", ".join(f"{name} {probability:.1%}" for _, name, probability in trace.answer.top(5)),
        "Seen at": known_layer(choice, trace) or "each method’s own layer",
    }
    if choice.options:
        told["Options"] = ", ".join(f"{name}: {value}" for name, value in choice.options)
    return told


def said(trace: Trace, photo: Photo) -> None:
    """The network's answer as a sentence."""
    _, name, probability = trace.answer.top(1)[0]
    st.markdown(f"**{trace.model.title}** says **{name}**, {probability:.0%} sure.")
    if photo.note:
        st.caption(f"Your photo was {photo.note}.")


def shown_answers(trace: Trace, fact: int, foil: int) -> list[tuple[int, str, float]]:
    """The five likeliest answers, and P and Q where they are not among them."""
    top = trace.answer.top(5)
    there = {index for index, _, _ in top}
    further = [index for index in dict.fromkeys((fact, foil)) if index not in there]
    return top + [(i, trace.answer.names[i], float(trace.answer.probabilities[i])) for i in further]


@st.cache_data(show_spinner=False, max_entries=16, scope="session", hash_funcs={Photo: lambda photo: photo.digest})
def panel_photo(photo: Photo) -> PanelPhoto:
    return PanelPhoto.of(photo.pil(), photo.name or "your photo")


def react(event: PanelEvent, choice: Choice, trace: Trace, fact: int, foil: int) -> None:
    """What a person did in the panels that asks for other maps."""
    if event.kind == "foil":
        order = [index for index, _, _ in trace.answer.top(len(trace.answer.names)) if index != fact]
        session.change(foil=step(order, foil, event.step))
    elif event.kind == "layer":
        layers = [layer.name for layer in trace.layers if layer.principal]
        session.change(layer=step(layers, known_layer(choice, trace) or layers[-1], event.step))
    else:
        session.change(panels=changed_row(choice.panels, event))


def step(order: list[T], now: T, by: int) -> T:
    """The neighbour of `now`; the ends hold."""
    at = order.index(now) + by if now in order else 0
    return order[min(max(at, 0), len(order) - 1)]


def strip(choice: Choice, photo: Photo, trace: Trace, fact: int) -> None:
    """Grad-CAM at every layer, small: from edges to meaning; where there is none, why."""
    try:
        maps = session.engine().explain_layers(trace, "gradcam", fact)
    except ExplorerError as error:
        refused(error)
        return
    layers = {layer.name: layer for layer in trace.layers}
    width, height = photo.size
    st.caption(f"Grad-CAM of {trace.answer.names[fact]}, from edges to meaning. Click a layer to see all panels there.")
    layer_strip(
        [LayerThumbnail(n, (layers[n].height, layers[n].width), found.values) for n, found in maps.items()],
        known_layer(choice, trace), key="strip", aspect=width / height,
        on_layer=lambda name: session.change(layer=name),
    )  # fmt: skip


def options(choice: Choice) -> None:
    """The options of every method on the page that has some."""
    shown = {method_at(place) for place in choice.panels}
    for asked in METHODS:
        if asked.options and asked.id in shown:
            with st.expander(f"Options of {asked.title.lower()}"), st.container(horizontal=True):
                values = asked.complete(options_of(choice, asked))
                for option in asked.options:
                    key = f"option_{option.name}"
                    st.session_state[key] = values[option.name]
                    st.selectbox(
                        option.title, list(option.choices), format_func=option.choices.__getitem__, help=option.help,
                        key=key, width=220,
                        on_change=lambda key=key, option=option, asked=asked: session.change(
                            options=changed_options(session.current(), asked, {option.name: st.session_state[key]})
                        ),
                    )  # fmt: skip


style()
page()
