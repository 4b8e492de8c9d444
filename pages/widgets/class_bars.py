"""The network's answers as bars: a click makes a class the foil."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages.widgets.frontend import Blob, Parcel, Widget, pack, read_class

_widget = Widget("class_bars", scripts=("percent.js", "class_bars.js"), styles=("class_bars.css",))


@lru_cache(maxsize=16)
def _names_parcel(names: tuple[str, ...]) -> Parcel:
    return Parcel.of({"names": names})


def class_bars(
    answers: Sequence[tuple[int, str, float]],
    fact: int,
    foil: int,
    *,
    key: str,
    all_names: Sequence[str],
    probabilities: NDArray[np.floating] | None = None,
    on_foil: Callable[[int], None] | None = None,
) -> int | None:
    """Draw the likeliest answers as bars, P and Q marked, with a search over all classes.

    A click, Enter, or the left and right keys make a class the foil; the mark moves at once, before the
    page's script has run.

    Args:
        answers: (index, name, probability), likeliest first, as `trace.answer.top(5)` gives them; add the
            foil and the fact where they are not among them (or give `probabilities`).
        fact: index of P.
        foil: index of Q.
        key: the widget's key in `st.session_state`.
        all_names: every class's name by index, for the search. Sent once.
        probabilities: (N,) of all classes, 0 to 1; with them a class found by the search shows its own at once.
        on_foil: called with the new foil before the page's script runs again: the place to change state.

    Returns:
        The class chosen in this run, or None. It is the one that `on_foil` got.
    """
    names = _names_parcel(tuple(all_names))
    blob = Blob()
    header: dict[str, Any] = {
        "names": names.digest,
        "answers": [[int(index), name, float(p)] for index, name, p in answers],
        "fact": int(fact),
        "foil": int(foil),
        "probabilities": blob.add(None if probabilities is None else np.reshape(probabilities, (1, -1))),
    }

    return _widget.mount(pack(header, blob.bytes()), key=key, parcels=[names], read=read_class, on_event=on_foil)
