"""What a person brought to the page “Human saliency” besides the photo, as files of a bundle and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import streamlit as st

from engine.bundle import File, Place
from engine.clicks import Clicks
from engine.errors import ExplorerError
from engine.fixation_files import read_csv
from engine.human import OWN
from engine.images import Photo, plain_name
from pages.widgets.fixation_source import gathered
from pages.widgets.fixation_state import CLICKS, FILE, Looking
from pages.widgets.image_picker import SAMPLES, sample


def brought(photo: Photo, looking: Looking) -> dict[str, File]:
    """The files that the view depends on: clicks on this photo and on the samples, fixations, a map."""
    found: dict[str, File] = {}
    known = {photo.digest} | {sample(name).digest for name in SAMPLES}
    clicks = {digest: entry for digest, entry in sorted(gathered().entries.items()) if digest in known}
    if looking.source == CLICKS and clicks:
        found["clicks"] = File("clicks.csv", Clicks(MappingProxyType(clicks)).csv().encode())
    for name, key, wanted in (
        ("fixations", "fixations_given", looking.source == FILE),
        ("map", "map_given", OWN in looking.maps),
    ):
        given = st.session_state.get(key)
        if wanted and given is not None:
            found[name] = File(plain_name(given[0]), given[1])
    return found


def _take_clicks(file: File, place: Place) -> None:
    photos = [*place.photos.values(), *(sample(name) for name in SAMPLES)]
    try:
        st.session_state["clicks"], _ = Clicks().with_table(read_csv(file.content), photos)
    except ExplorerError as error:
        st.session_state["clicks_told"] = (False, str(error))


def _keep(key: str) -> Callable[[File, Place], None]:
    def take(file: File, _: Place) -> None:
        st.session_state[key] = (file.name, file.content)

    return take


FILES: Mapping[str, Callable[[File, Place], None]] = {
    "clicks": _take_clicks,
    "fixations": _keep("fixations_given"),
    "map": _keep("map_given"),
}
"""What is done with each file of a bundle when the page is gone back to."""
