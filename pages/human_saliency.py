"""Human saliency: does the network look where people look?"""

import streamlit as st

from engine import Trace, human, method
from engine.bundle import Place
from engine.errors import ExplorerError
from engine.export import pass_facts
from engine.fixations import Fixations
from engine.human import CANDIDATES, OWN, SCORED_SIDE, USUAL_DEGREE, Scores, Truth, Values, View
from engine.human_curves import SMOOTHINGS
from engine.images import Photo
from engine.map_files import read_map
from engine.scores import SCORES, Score
from pages.widgets import fixation_data, fixation_places, fixation_state, session
from pages.widgets.about import about
from pages.widgets.desk import corner, desk
from pages.widgets.fixation_curves import draw_layers, draw_options, draw_robustness, draw_smoothing
from pages.widgets.fixation_panels import fixation_panels
from pages.widgets.fixation_sanity import draw_sanity
from pages.widgets.fixation_scores import help_of, score_bars, score_table
from pages.widgets.fixation_source import Scene, board, scene
from pages.widgets.fixation_state import DATA, PANELS, SHOWN, Looking, remember, title_of
from pages.widgets.fixation_study import Study
from pages.widgets.map_panel import MAX_PANELS, PanelEvent, PanelPhoto, map_panel
from pages.widgets.panels import changed_options, options_of
from pages.widgets.question_bar import known_layer, network
from pages.widgets.session import UPLOAD, Choice
from pages.widgets.share import Shown
from pages.widgets.style import style
from pages.widgets.words import plain, refused

SALIENCY = method("contrastive-saliency")
FEW = 30
QUESTION = "Does the network look where people look?"


def page() -> None:
    choice, looking = session.current(), fixation_state.current()
    room, seen = corner(), None
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom", key="top"):
        with st.container(horizontal=True, vertical_alignment="bottom", width="content", key="where"):
            shown = scene(choice, looking)
        model = network(choice)
    if shown is not None and model is not None:
        try:
            trace = session.engine().trace(model, shown.photo, choice.size if choice.size in model.sizes else None)
        except ExplorerError as error:
            refused(error)
        else:
            seen = explore(choice, looking, shown, trace)
    desk(room, place(choice, looking, shown), seen, list(PANELS.items()))
    fixation_state.publish()


def place(choice: Choice, looking: Looking, shown: Scene | None) -> Place:
    """The state with what the person brought."""
    address = session.to_address(choice) | fixation_state.to_address(looking)
    if shown is None:
        return Place("human_saliency", address)
    own = choice.photo == UPLOAD and looking.source != DATA and "upload" in st.session_state
    photos = {UPLOAD: shown.photo} if own else {}
    return Place("human_saliency", address, photos, fixation_places.brought(shown.photo, looking))


def explore(choice: Choice, looking: Looking, shown: Scene, trace: Trace) -> Shown:
    """Everything below the choice of photo and network."""
    heading(choice, looking, shown, trace)
    study = make_study(choice, looking, shown, trace)
    photo = panel_photo(shown.photo)
    with st.container(key="body"):
        people, maps = st.columns([2, 7], gap="medium")
    with people:
        board(shown, photo, looking)
    table = study.table()
    with maps:
        row = fixation_panels(looking, study, table, st.session_state["map_error"])
        map_panel(
            photo,
            row,
            key="maps",
            methods=[*PANELS.items(), *((row, title_of(row)) for row in shown.maps)],
            columns=4,
            on_event=lambda event: react(event, choice, looking, trace),
        )
    try:
        below(choice, looking, shown, study, table, photo)
    except ExplorerError as error:
        refused(error)
    about(trace.model)
    return Shown(QUESTION, shown.photo, photo, tuple(row), settings(looking, shown, study), pass_facts(trace))


def settings(looking: Looking, shown: Scene, study: Study) -> dict[str, str]:
    """What a reader of the report should know."""
    (width, height), trace, view = shown.photo.size, study.trace, study.view
    return {
        "Photo": f"{shown.photo.name or 'a photo'}, {width} × {height} pixels",
        "Fixations": f"{len(shown.fixations) if shown.fixations is not None else 0}",
        "Network": f"{trace.model.title}, {trace.model.weights}, at {trace.size} × {trace.size} pixels",
        "Weights": trace.model.key,
        "Seen at": view.layer or "each method’s own layer",
        "Smoothed by": f"{looking.smooth:g}°; one degree is {view.degree:.4g} pixels of the photo",
    }


def heading(choice: Choice, looking: Looking, shown: Scene, trace: Trace) -> None:
    """The question, and how the maps are made."""
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        st.html(f"<h2>{QUESTION}</h2>", width="content")
        layers = ["", *(layer.name for layer in trace.layers if layer.principal)]
        at = known_layer(choice, trace)
        grids = {layer.name: f"at {layer.name} ({layer.grid})" for layer in trace.layers}
        st.selectbox(
            "Seen at layer", layers if at in layers else [*layers, at], width=230, label_visibility="collapsed",
            format_func=lambda name: grids.get(name, "at each method’s own layer"),
            **session.bound("layer", at, "layer"),
        )  # fmt: skip
        st.selectbox(
            "Smoothing of all maps", SMOOTHINGS, width=190, label_visibility="collapsed",
            format_func=lambda degrees: f"smoothed by {degrees:g}°" if degrees else "not smoothed",
            help="In degrees of visual angle: the eye lands within about one degree of what it aims at.",
            **fixation_state.bound("smooth", looking.smooth, "smooth"),
        )  # fmt: skip
        with st.popover("More", icon=":material/tune:"):
            more(choice, looking, shown)


def more(choice: Choice, looking: Looking, shown: Scene) -> None:
    """Options that are needed less often."""
    usual = shown.photo.size[0] / (shown.degree or USUAL_DEGREE * max(shown.photo.size))
    st.number_input(
        "Width of the photo in degrees of visual angle", 1.0, 120.0, step=1.0,
        help="57 cm away, 1 cm on the screen is one degree.",
        **fixation_state.bound("wide", looking.wide or round(usual, 1), "wide"),
    )  # fmt: skip
    st.file_uploader(
        "A map of another model (picture, NPY or NPZ)", ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "npy", "npz"],
        key="own_map", on_change=keep_map,
        help="For instance of SalGAN, DeepGaze or ML-Net for this very photo: bright is salient.",
    )  # fmt: skip
    if looking.source == DATA and fixation_data.may_type():
        fixation_data.ask_for_maps(shown.maps_told)
    st.markdown("Contrastive saliency")
    values = SALIENCY.complete(options_of(choice, SALIENCY))
    for option in SALIENCY.options:
        key = f"option_{option.name}"
        st.session_state[key] = values[option.name]
        st.selectbox(
            option.title, list(option.choices), format_func=option.choices.__getitem__, help=option.help, key=key,
            on_change=lambda key=key, option=option: session.change(
                options=changed_options(session.current(), SALIENCY, {option.name: st.session_state[key]})
            ),
        )  # fmt: skip


def keep_map() -> None:
    """Take the map that was brought, and show it."""
    given = st.session_state["own_map"]
    st.session_state["map_given"] = (given.name, given.getvalue()) if given is not None else None
    maps = fixation_state.current().maps
    if given is not None and OWN not in maps:
        fixation_state.change(maps=(*maps[: MAX_PANELS - 1], OWN))


def make_study(choice: Choice, looking: Looking, shown: Scene, trace: Trace) -> Study:
    """Photo, network and fixations of this run."""
    width = shown.photo.size[0]
    degree = width / looking.wide if looking.wide else shown.degree or USUAL_DEGREE * max(shown.photo.size)
    view = View(
        shown.photo.size, degree, looking.smooth, known_layer(choice, trace) or None,
        choice.fact if choice.fact is not None and choice.fact < len(trace.answer.names) else None,
        options_of(choice, SALIENCY),
    )  # fmt: skip
    truth = truth_of(shown.fixations, degree, shown.others)
    return Study(shown.photo, trace, view, truth, own_map(shown.photo), shown.maps)


def truth_of(fixations: Fixations | None, degree: float, others: Fixations | None) -> Truth | None:
    """What maps are held against; kept from run to run as long as nobody looks again."""
    if fixations is None or not len(fixations):
        return None
    parts = [part for part in (fixations, others) if part is not None]
    key = (fixations.size, degree, *(part.x.tobytes() + part.y.tobytes() for part in parts))
    kept = st.session_state.get("truth")
    if kept is None or kept[0] != hash(key):
        st.session_state["truth"] = kept = (hash(key), human.truth(fixations, degree, others))
    found: Truth = kept[1]
    return found


def own_map(photo: Photo) -> Values | None:
    """The map that the person brought, where it fits this photo."""
    st.session_state["map_error"] = "Bring a map with “More”: a picture, NPY or NPZ of this very photo."
    given = st.session_state.get("map_given")
    if given is None:
        return None
    name, content = given
    try:
        return remember(("own map", hash(content), photo.size), lambda: read_map(content, photo.size, name))
    except ExplorerError as error:
        st.session_state["map_error"] = str(error)
        return None


# --- panels -------------------------------------------------------------------------------------------------


@st.cache_data(show_spinner=False, max_entries=16, scope="session", hash_funcs={Photo: lambda photo: photo.digest})
def panel_photo(photo: Photo) -> PanelPhoto:
    return PanelPhoto.of(photo.pil(), photo.name or "your photo")


def react(event: PanelEvent, choice: Choice, looking: Looking, trace: Trace) -> None:
    """What a person did in the panels that asks for other maps."""
    places = [f"panel{at}" for at in range(len(looking.maps))]
    if event.kind == "add":
        fixation_state.change(maps=(*looking.maps, event.method)[:MAX_PANELS])
    elif event.kind in ("method", "remove") and event.panel in places:
        at = places.index(event.panel)
        new = (event.method,) if event.kind == "method" else ()
        fixation_state.change(maps=(*looking.maps[:at], *new, *looking.maps[at + 1 :]) or looking.maps)
    elif event.kind == "layer":
        layers = ["", *(layer.name for layer in trace.layers if layer.principal)]
        now = known_layer(choice, trace)
        at = layers.index(now) if now in layers else 0
        session.change(layer=layers[min(max(at + event.step, 0), len(layers) - 1)])


# --- scores -------------------------------------------------------------------------------------------------


def below(
    choice: Choice, looking: Looking, shown: Scene, study: Study, table: dict[str, Scores], photo: PanelPhoto
) -> None:
    """Scores, and what they depend on."""
    asked = next(score for score in SCORES if score.id == looking.score)
    with st.container(horizontal=True, vertical_alignment="bottom", key="below"):
        st.segmented_control(
            "Look closer", list(SHOWN), format_func=SHOWN.__getitem__,
            **fixation_state.bound("show", looking.show, "show"),
        )  # fmt: skip
        st.segmented_control(
            "Score", [score.id for score in SCORES], format_func={s.id: s.title for s in SCORES}.__getitem__,
            help=help_of(asked), **fixation_state.bound("score", looking.score, "score"),
        )  # fmt: skip
    if looking.show == "sanity":
        draw_sanity(study, photo, looking)
        return
    if study.truth is None:
        invitation(looking)
        return
    size = choice.size if choice.size in study.trace.model.sizes else None
    if looking.show == "scores":
        scores(shown, study.truth, table, asked, looking)
    elif looking.show == "layers":
        draw_layers(study, study.truth, asked)
    elif looking.show == "smoothing":
        draw_smoothing(study, study.truth, asked)
    elif looking.show == "options":
        draw_options(study, study.truth, asked)
    else:
        draw_robustness(study, study.truth, study.trace.model, size, looking)


def invitation(looking: Looking) -> None:
    """Why there are no scores yet."""
    st.info(
        "**No scores yet: nobody has looked.** Press “Where do your eyes go?” on the photo, look, and click: your "
        "clicks are then compared with every map. Or open a file of fixations above.",
        icon=":material/visibility:",
    )


def scores(shown: Scene, truth: Truth, table: dict[str, Scores], asked: Score, looking: Looking) -> None:
    """The table and one score as bars."""
    # Side by side where both fit, else one below the other.
    with st.container(horizontal=True, gap="medium"):
        numbers, bars = st.container(width=770), st.container(width=500)
    with numbers:
        score_table(table)
        st.caption(plain(" ".join(remarks(shown, truth, looking))))
    with bars:
        score_bars(table, asked)


def remarks(shown: Scene, truth: Truth, looking: Looking) -> list[str]:
    """What a reader of the scores should know."""
    said = [*([] if shown.others is not None else [shown.no_others]), *shown.maps_told]
    if len(truth.fixations) < FEW:
        said.append(f"So few fixations ({len(truth.fixations)}) make rough scores: they move with everybody who looks.")
    if looking.smooth:
        own = max(candidate.degrees for candidate in CANDIDATES)
        but = f", “Guided backprop, smoothed” by {own:g}°" if own > looking.smooth else ""
        said.append(f"All maps but the centre bias are smoothed by {looking.smooth:g}°{but}.")
    if max(shown.photo.size) > SCORED_SIDE:
        said.append(f"Scored on a grid of {truth.size[0]} × {truth.size[1]} pixels.")
    return said


style()
page()
