"""From the maps of a study to the panels of the page “Human saliency”."""

from __future__ import annotations

from dataclasses import replace

from engine import human, method
from engine.errors import ExplorerError
from engine.human import CANDIDATES, CENTRE, OWN, Candidate, Scores
from engine.scores import SCORES
from pages.widgets.fixation_state import DENSITY, PANELS, Looking, is_brought, title_of
from pages.widgets.fixation_study import Study
from pages.widgets.map_panel import MAX_PANELS, Panel
from pages.widgets.panels import notes_of

NO_FOLDER = "There is no map for this photo: name the folder of the maps under “More”."
INVITATION = "Nobody yet. Click on the photo where your eyes went, or open a file of fixations."


def fixation_panels(looking: Looking, study: Study, table: dict[str, Scores], no_map: str) -> list[Panel]:
    """The chosen panels, each with its score among the notes; `no_map` says why there is no map of the person's own."""
    made = []
    for at, name in enumerate(looking.maps[:MAX_PANELS]):
        place = f"panel{at}"  # the same places keep their canvas when they show another map
        panel = _panel(place, name, study, no_map)
        notes = (*_scored(name, looking.score, table), *panel.notes)
        made.append(replace(panel, notes=notes, method=name, scale_group=name, removable=len(looking.maps) > 1))
    return made


def _scored(name: str, asked: str, table: dict[str, Scores]) -> list[str]:
    title = next(score.title for score in SCORES if score.id == asked)
    value = table[name][asked] if name in table else None
    return [] if value is None else [f"{title} {value:.2f}"]


def _panel(place: str, name: str, study: Study, no_map: str) -> Panel:
    """One panel; what cannot be shown becomes a sentence that says why."""
    if name == DENSITY:
        return _density(place, study)
    title = title_of(name)
    if name == CENTRE:
        crowd = study.truth is not None and study.truth.centre_from_others
        made = "Where people look in the other photos." if crowd else "A Gaussian in the middle, as wide as in OSIE."
        values = study.fixed[CENTRE].values
        return Panel(place, title, "Where do people look anyway?", made, values, meaning=("looked at", ""))
    if is_brought(name):
        if name not in study.fixed:
            return Panel(place, title, "", no_map if name == OWN else NO_FOLDER, None)
        question, values = "What did another model expect?", study.fixed[name].values
        return Panel(place, title, question, "A map that was brought.", values, meaning=("more salient", ""))
    candidate = next(one for one in CANDIDATES if one.id == name)
    try:
        return _explained(place, candidate, study)
    except ExplorerError as error:
        return Panel(place, candidate.title, "", str(error), None)


def _explained(place: str, candidate: Candidate, study: Study) -> Panel:
    asked = method(candidate.method)
    found = study.explained(candidate)
    words = {"P": study.trace.answer.names[found.fact], "Q": study.trace.answer.names[found.foil]}
    finished = study.saliency(candidate.id)
    degrees = max(study.view.degrees, candidate.degrees)
    smoothed = [f"smoothed by {degrees:g}°"] if degrees else []
    return Panel(
        place,
        candidate.title,
        asked.asks.format(**words),
        asked.sentence.format(**words),
        finished.values,
        extent=finished.extent,
        notes=(*notes_of(found), *smoothed),
        meaning=(asked.for_.format(**words), ""),
    )


def _density(place: str, study: Study) -> Panel:
    """Where people looked, or an invitation."""
    question = "Where did people look?"
    if study.truth is None:
        return Panel(place, PANELS[DENSITY], question, INVITATION, None)
    truth = study.truth
    values = human.small(truth.density).values
    count = len(truth.fixations)
    notes = (f"{count} {'fixation' if count == 1 else 'fixations'}", "blurred by 1°")
    return Panel(
        place, PANELS[DENSITY], question, "Bright where many fixations lie.", values, notes=notes,
        meaning=("looked at", ""),
    )  # fmt: skip
