"""The live pieces of a lesson: parts of the real pages in the fixed state of a step."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from engine import Trace
from engine.errors import ExplorerError
from engine.human import USUAL_DEGREE, View
from engine.images import Photo
from engine.lessons import Step
from engine.models import catalogue
from engine.quality import FOILS, QualityResult
from engine.quality_screen import extent, passes
from engine.quality_whole import whole_maps
from pages.widgets import fixation_state, quality_state, session
from pages.widgets.fixation_panels import fixation_panels
from pages.widgets.fixation_study import Study
from pages.widgets.image_picker import SAMPLES, sample
from pages.widgets.lesson_presets import resolved
from pages.widgets.lesson_study import study
from pages.widgets.lesson_surprisal import draw_surprisal
from pages.widgets.lesson_tables import tables
from pages.widgets.lesson_travel import draw_travel
from pages.widgets.map_panel import MAX_PANELS, Panel, map_panel
from pages.widgets.panels import method_at, panel
from pages.widgets.quality_panels import figure
from pages.widgets.quality_panels import panels as quality_panels
from pages.widgets.quality_photos import judged, panel_photo
from pages.widgets.quality_state import WITH, QualityChoice
from pages.widgets.question_bar import fact_and_foil
from pages.widgets.session import Choice
from pages.widgets.words import plain, refused
from pages.widgets.work import JUDGING, told


@dataclass(frozen=True)
class Scene:
    """A photo before the recogniser, as the state of a step has it."""

    choice: Choice
    photo: Photo
    trace: Trace
    fact: int
    foil: int

    @property
    def names(self) -> tuple[str, ...]:
        """The network's classes."""
        return self.trace.answer.names


def scene(step: Step) -> Scene:
    """Photo, network, P and Q of a step; what its network lacks is said on the page. Raises ExplorerError."""
    asked = session.from_address(dict(step.query))
    known = asked.model in catalogue.names()
    if known and asked.weights == "default" and catalogue.download_size(asked.model) is not None:
        st.info(
            f"{catalogue.title(asked.model)}’s weights are not on this computer, so the embedded network answers "
            "here. The page behind the link below offers to download them.",
            icon=":material/info:",
        )
        known = False
    name = asked.model if known else "embedded"
    model = session.engine().load(name, asked.weights if known else "default")
    query, missing = resolved(step, model.classes)
    for sentence in missing:
        st.info(plain(sentence), icon=":material/info:")
    choice = session.from_address(query)
    photo = sample(choice.photo if choice.photo in SAMPLES else "cat")
    trace = session.engine().trace(model, photo, choice.size if choice.size in model.sizes else None)
    return Scene(choice, photo, trace, *fact_and_foil(choice, trace))


def live(step: Step) -> None:
    """Draw the pieces of a step, one below the other; what cannot be drawn becomes a sentence."""
    for at, name in enumerate(step.live):
        with st.container(key=f"piece-{name}"):
            try:
                PIECES[name](step)
            except ExplorerError as error:
                refused(str(error))
        if at + 1 < len(step.live):
            st.space("small")


def _panels(step: Step) -> None:
    """The panels of the step's page."""
    if step.page == "image_quality":
        result, photo = _judged(step)
        made = [each for each in quality_panels(result, photo, False) if not step.show or each.id in step.show]
        _row(photo, made, step)
        return
    seen = scene(step)
    if step.page == "human_saliency":
        _said(seen)
        _row(seen.photo, _looked(step, seen), step)
        return
    _asked(seen)
    made = [
        panel(place, method_at(place), seen.choice, seen.trace, seen.photo, seen.fact, seen.foil)
        for place in seen.choice.panels[:MAX_PANELS]
    ]
    _row(seen.photo, made, step)


def _row(photo: Photo, made: list[Panel], step: Step) -> None:
    """The panels in their fixed state: what only changes how they look still acts."""
    fixed = [replace(each, method=None, removable=False) for each in made]
    columns = 4 if len(fixed) % 4 == 0 else None
    map_panel(panel_photo(photo), fixed, key=f"lesson-{step.id}", can_add=False, columns=columns)


def _said(seen: Scene) -> None:
    """What the network expects."""
    answers = "  ·  ".join(f"{plain(name)} {share:.0%}" for _, name, share in seen.trace.answer.top(4))
    st.markdown(f"**{plain(seen.trace.model.title)}** expects: {answers}.")


def _asked(seen: Scene) -> None:
    """What the panels are about."""
    _said(seen)
    st.markdown(f"P is **{plain(seen.names[seen.fact])}**, Q is **{plain(seen.names[seen.foil])}**.")


def _looked(step: Step, seen: Scene) -> list[Panel]:
    """The panels of the page “Human saliency”, before anybody has looked."""
    looking = fixation_state.from_address(dict(step.query))
    degree = seen.photo.size[0] / looking.wide if looking.wide else USUAL_DEGREE * max(seen.photo.size)
    known = {layer.name for layer in seen.trace.layers}
    layer = seen.choice.layer if seen.choice.layer in known else None
    view = View(seen.photo.size, degree, looking.smooth, layer, seen.fact)
    return fixation_panels(
        looking, Study(seen.photo, seen.trace, view, None), {}, "A lesson carries no map of its own."
    )


def _judged(step: Step) -> tuple[QualityResult, Photo]:
    """The judgement of the photo as the step's state distorts it."""
    choice: QualityChoice = quality_state.from_address(dict(step.query))
    given = judged(choice)
    reference = given.reference if choice.judge == WITH else None
    place = st.empty()
    stride = passes(given.photo.size, choice.stride)[-1]
    result = session.engine().quality(given.photo, reference, stride, told(place, JUDGING))
    place.empty()
    return result, given.photo


def _curve(step: Step) -> None:
    """How much of the evidence speaks against each Q."""
    result, _ = _judged(step)
    st.markdown("**How much of the photo speaks against each Q**")
    st.plotly_chart(figure(result), key=f"curve-{step.id}", config={"displayModeBar": False})


def _whole(step: Step) -> None:
    """The four marked Q by one score of the whole photo, and by a score for each patch."""
    result, photo = _judged(step)
    covered, made = extent(result), []
    for found in whole_maps(result):
        q = f"{found.foil:g}"
        same = f"the map of Q = {found.like:g}, times {found.factor:.2f}"
        made.append(Panel(
            f"whole{q}", f"One score, Q = {q}", f"Why {result.score:.2f}, rather than {q}?",
            "From the whole photo’s score alone, on a scale of its own.", found.values, signed=True,
            meaning=(f"keeps it above {q}", f"holds it below {q}"), extent=covered,
            notes=(same if found.like != found.foil else "the first on its side of the score",),
            scale_group=f"whole{q}",
        ))  # fmt: skip
    marked = {f"q{foil:g}" for foil in FOILS}
    patches = [
        replace(each, title=f"A score for each patch, Q = {each.id[1:]}")
        for each in quality_panels(result, photo, False) if each.id in marked
    ]  # fmt: skip
    _row(photo, made + patches, step)


def _surprisal(step: Step) -> None:
    """How much the network would have to change for each answer."""
    seen = scene(step)
    _said(seen)
    draw_surprisal(seen.trace, seen.fact, seen.foil, step.id)


def _travel(step: Step) -> None:
    """The walk from P to Q."""
    seen = scene(step)
    _said(seen)
    draw_travel(seen.trace, seen.foil, step.id)


PIECES: dict[str, Callable[[Step], None]] = {
    "panels": _panels,
    "curve": _curve,
    "whole": _whole,
    "surprisal": _surprisal,
    "travel": _travel,
    "tables": lambda step: tables(),
    "study": lambda step: study(),
}
"""What a step's header may name under `live`."""
