"""Many persons' clicks on several photos ("where did your eyes go?"), gathered into one table.

A click stands for a fixation that was remembered. It is rougher than an eye tracker's: no scanpath, no durations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from engine.errors import DataError
from engine.fixation_files import Table, plain_subject, write_csv
from engine.fixations import Fixations, Pool, merge, nobody
from engine.images import Photo

MOST_AT_ONCE = 200
"""Clicks that one person may give on one photo in one go."""


@dataclass(frozen=True)
class Entry:
    """One photo's name and everybody's clicks on it."""

    name: str
    fixations: Fixations


@dataclass(frozen=True, eq=False)
class Clicks:
    """Clicks by the digest of the photo; immutable: every change gives a new value."""

    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return sum(len(entry.fixations) for entry in self.entries.values())

    def on(self, photo: Photo) -> Fixations:
        """Everybody's clicks on one photo; may be none."""
        entry = self.entries.get(photo.digest)
        return entry.fixations if entry else nobody(photo.size)

    def others(self, photo: Photo) -> Fixations | None:
        """All clicks on other photos, brought to this photo's size; None where there are none."""
        parts = [entry.fixations for digest, entry in self.entries.items() if digest != photo.digest]
        pooled = Pool.of(parts).without(None, photo.size) if parts else nobody(photo.size)
        return pooled if len(pooled) else None

    def with_person(self, photo: Photo, person: str, places: Sequence[tuple[float, float]]) -> Clicks:
        """With one person's clicks on a photo, `places` as shares (0 to 1) of its width and height.

        Clicks that the same person gave on the photo before are replaced: whoever looks again, corrects.

        Raises:
            DataError: no clicks, too many, or a place outside the photo.
        """
        if not 0 < len(places) <= MOST_AT_ONCE:
            raise DataError(f"Give 1 to {MOST_AT_ONCE} clicks, not {len(places)}.")
        shares = np.asarray(places, float)
        if shares.ndim != 2 or shares.shape[1] != 2 or not ((shares >= 0) & (shares <= 1)).all():
            raise DataError("A click lies outside the photo; click on the photo itself.")
        size = np.asarray(photo.size, float)
        at = np.minimum(shares * size, np.nextafter(size, 0))
        name = plain_subject(person) or "nameless"
        before = self.on(photo)
        kept = [before.of(subject) for subject in before.subjects if subject != name]
        new = Fixations(at[:, 0], at[:, 1], photo.size, np.full(len(at), name))
        return self._with(photo, merge([*kept, new]))

    def without_person(self, photo: Photo, person: str | None = None) -> Clicks:
        """Without one person's clicks on a photo, or without all clicks on it."""
        before = self.on(photo)
        kept = [before.of(subject) for subject in before.subjects if person is not None and subject != person]
        return self._with(photo, merge([nobody(photo.size), *kept]))

    def with_table(self, table: Table, photos: Iterable[Photo]) -> tuple[Clicks, str]:
        """Merged with a table of clicks on `photos`, and a sentence on what was taken.

        Rows are joined to photos by name. Rows that are there already are not counted twice. A table that names no
        photo belongs to the first of `photos`.

        Raises:
            DataError: no row belongs to one of the photos, or one lies outside its photo.
        """
        merged, taken, wanted = self, 0, list(photos)
        left = set(table.images)
        for photo in wanted if table.images != ("",) else wanted[:1]:
            about = {name for name in table.images if name in ("", photo.name) or Path(name).stem == photo.name}
            if not about:
                continue
            try:
                both = _unique(merge([merged.on(photo), table.of(photo.name, photo.size)]))
            except DataError as error:
                raise DataError(f"On {photo.name or 'this photo'}: {error}") from error
            taken += len(both) - len(merged.on(photo))
            merged = merged._with(photo, both)
            left -= about
        if left == set(table.images):
            raise DataError(
                f"The table is about {', '.join(sorted(left)[:3])}, which is no photo here; open that photo first."
            )
        told = f"{taken} new clicks were added."
        if left:
            told += f" Those on {', '.join(sorted(left)[:3])} were left out: open that photo first."
        return merged, told

    def csv(self) -> str:
        """All clicks as a table; `with_table` takes it back."""
        named: dict[str, Fixations] = {}
        for digest, entry in self.entries.items():
            named[entry.name if entry.name not in named else f"{entry.name} {digest[:6]}"] = entry.fixations
        return write_csv(named)

    def _with(self, photo: Photo, fixations: Fixations) -> Clicks:
        entries = dict(self.entries)
        entries.pop(photo.digest, None)
        if len(fixations):
            entries[photo.digest] = Entry(photo.name or "photo", fixations)
        return Clicks(MappingProxyType(entries))


def _unique(fixations: Fixations) -> Fixations:
    """Without rows that agree in person and place with an earlier one."""
    rows = zip(fixations.subject.tolist(), fixations.x.tolist(), fixations.y.tolist(), strict=True)
    first = {row: at for at, row in reversed(list(enumerate(rows)))}
    at = np.array(sorted(first.values()), int)
    return Fixations(fixations.x[at], fixations.y[at], fixations.size, fixations.subject[at], fixations.duration_ms[at])
