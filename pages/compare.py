"""Compare: one photo, several questions side by side."""

from typing import TypeVar

import streamlit as st

from engine import METHODS, Trace
from engine.errors import ExplorerError
from engine.images import Photo
from pages.widgets import session
from pages.widgets.class_bars import class_bars
from pages.widgets.downloads import downloads
from pages.widgets.image_picker import image_picker
from pages.widgets.layer_strip import LayerThumbnail, layer_strip
from pages.widgets.map_panel import MAX_PANELS, PanelEvent, PanelPhoto, map_panel
from pages.widgets.panels import OFFERED, changed_options, options_of, panel
from pages.widgets.question_bar import known_layer, network, question
from pages.widgets.session import Choice
from pages.widgets.style import style

T = TypeVar("T")


def page() -> None:
    choice = session.current()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom", key="top"):
        photo = image_picker(choice)
        model = network(choice)
    if model is not None:
        try:
            trace = session.engine().trace(model, photo, choice.size if choice.size in model.sizes else None)
        except ExplorerError as error:
            st.error(str(error), icon=":material/error:")
        else:
            explore(choice, photo, trace)
    session.publish()


def explore(choice: Choice, photo: Photo, trace: Trace) -> None:
    """Everything below the choice of photo and network."""
    fact, foil = question(choice, trace)
    with st.container(key="body"):
        answers, maps = st.columns([1, 4], gap="medium")
    with answers:
        said(trace, photo)
        class_bars(
            shown_answers(trace, fact, foil), fact, foil, key="bars", all_names=trace.answer.names,
            probabilities=trace.answer.probabilities, on_foil=lambda index: session.change(foil=index),
        )  # fmt: skip
    with maps:
        kept = choice.panels[:MAX_PANELS]
        panels = [panel(f"panel{at}", name, choice, trace, photo, fact, foil) for at, name in enumerate(kept)]
        map_panel(
            panel_photo(photo), panels, key="panels", methods=OFFERED,
            on_event=lambda event: react(event, choice, trace, fact, foil),
        )  # fmt: skip
        strip(choice, photo, trace, fact)
        options(choice)
        downloads(choice, photo, trace, fact, foil)
    about(trace)


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


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs={Photo: lambda photo: photo.digest})
def panel_photo(photo: Photo) -> PanelPhoto:
    return PanelPhoto.of(photo.pil(), photo.name or "your photo")


def react(event: PanelEvent, choice: Choice, trace: Trace, fact: int, foil: int) -> None:
    """What a person did in the panels that asks for other maps."""
    places = [f"panel{at}" for at in range(len(choice.panels))]
    if event.kind == "add":
        session.change(panels=(*choice.panels, event.method)[:MAX_PANELS])
    elif event.kind in ("method", "remove") and event.panel in places:
        at = places.index(event.panel)
        new = (event.method,) if event.kind == "method" else ()
        session.change(panels=(*choice.panels[:at], *new, *choice.panels[at + 1 :]))
    elif event.kind == "foil":
        order = [index for index, _, _ in trace.answer.top(len(trace.answer.names)) if index != fact]
        session.change(foil=step(order, foil, event.step))
    elif event.kind == "layer":
        layers = [layer.name for layer in trace.layers if layer.principal]
        session.change(layer=step(layers, known_layer(choice, trace) or layers[-1], event.step))


def step(order: list[T], now: T, by: int) -> T:
    """The neighbour of `now`; the ends hold."""
    at = order.index(now) + by if now in order else 0
    return order[min(max(at, 0), len(order) - 1)]


def strip(choice: Choice, photo: Photo, trace: Trace, fact: int) -> None:
    """Grad-CAM at every layer, small: from edges to meaning."""
    maps = session.engine().explain_layers(trace, "gradcam", fact)
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
    for asked in METHODS:
        if asked.options and asked.id in choice.panels:
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


def about(trace: Trace) -> None:
    """Where the weights come from."""
    model = trace.model
    training = (model.training or "not known").rstrip(".")
    st.caption(f"{model.title}: {model.weights}. Training data: {training}.")


style()
page()
