"""One photo, one network, one way of making maps, and the fixations they are held against."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from engine import Map, Trace, human
from engine.errors import ExplorerError
from engine.human import CANDIDATES, CENTRE, OWN, Candidate, Finished, Scores, Truth, Values, View
from engine.images import Photo
from pages.widgets import session
from pages.widgets.fixation_state import remember


@dataclass(frozen=True, eq=False)
class Study:
    """What the page is about in this run.

    `truth` is None as long as nobody looked; `own` is a map that was brought, `brought` those from folders, by row.
    """

    photo: Photo
    trace: Trace
    view: View
    truth: Truth | None
    own: Values | None = field(default=None, repr=False)
    brought: Mapping[str, Values] = field(default_factory=dict, repr=False)

    @cached_property
    def key(self) -> Hashable:
        """What every result depends on."""
        view = self.view
        options = tuple(sorted((name, str(value)) for name, value in view.options.items()))
        own = tuple((row, hash(values.tobytes())) for row, values in self._own().items())
        against = self.truth.digest if self.truth else ""
        return (self.trace.key, view.size, view.degree, view.degrees, view.layer, view.fact, options, own, against)

    @cached_property
    def fixed(self) -> dict[str, Finished]:
        """The maps that do not come from the network, by row."""
        centre = self.truth.centre if self.truth else human.centre_bias(human.grid(self.photo.size))
        own = {row: self.view.finish(Finished(values)) for row, values in self._own().items()}
        return {CENTRE: human.small(centre)} | own

    def _own(self) -> dict[str, Values]:
        return ({} if self.own is None else {OWN: self.own}) | dict(self.brought)

    def explained(self, candidate: Candidate) -> Map:
        """A candidate's map as the engine gives it."""
        return self.view.explain(session.engine(), self.trace, candidate)

    def saliency(self, row: str) -> Finished:
        """A row's map as it is shown and scored."""
        fixed = self.fixed
        if row in fixed:
            return fixed[row]
        return self.view.saliency(session.engine(), self.trace, next(one for one in CANDIDATES if one.id == row))

    def scores(self, row: str) -> Scores:
        """A row's scores; only where somebody looked."""
        truth = self.truth
        if truth is None:
            raise ValueError("there are no fixations to score against")
        return remember((self.key, row), lambda: human.score(self.saliency(row), truth))

    def table(self) -> dict[str, Scores]:
        """Every row's scores; empty as long as nobody looked. Maps that this network cannot give are left out."""
        found: dict[str, Scores] = {}
        for row in [*(one.id for one in CANDIDATES), *self.fixed] if self.truth else []:
            with suppress(ExplorerError):
                found[row] = self.scores(row)
        return found
