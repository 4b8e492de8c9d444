"""Going to a place that was kept: one of a bundle, or one of this session's history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import streamlit as st

from engine.bundle import UPLOAD, UPLOAD_REFERENCE, File, Place
from engine.errors import BundleError
from pages.widgets import session


@dataclass(frozen=True)
class Return:
    """How a page is brought back: its values in the session by key, from query parameters; what a person brought."""

    states: Mapping[str, Callable[[dict[str, str]], Any]]
    photos: Mapping[str, str]
    files: Mapping[str, Callable[[File, Place], None]] = field(default_factory=dict)


def _human_saliency() -> Return:
    from pages.widgets import fixation_places, fixation_state

    states = {"choice": session.from_address, "looking": fixation_state.from_address}
    return Return(states, {UPLOAD: "upload"}, fixation_places.FILES)


def _image_quality() -> Return:
    from pages.widgets import quality_photos, quality_state

    photos = {UPLOAD: quality_photos.OWN, UPLOAD_REFERENCE: quality_photos.REFERENCE}
    return Return({quality_state.state.key: quality_state.from_address}, photos)


RETURNS: Mapping[str, Callable[[], Return]] = {
    "compare": lambda: Return({"choice": session.from_address}, {UPLOAD: "upload"}),
    "human_saliency": _human_saliency,
    "image_quality": _image_quality,
}
"""A page of `pages/` by its name: what is not here cannot be gone back to. What a page needs is imported by those who
go there: the first page would wait for all of it."""


def check(place: Place) -> None:
    """Raises BundleError where this version of the app does not have the place's page."""
    if place.page not in RETURNS:
        raise BundleError("The bundle is of a page that this version of the app does not have; update the app.")


def go(place: Place, here: str) -> NoReturn:
    """Show the place instead of the page `here`: what the person brought, then the state, then the page itself."""
    check(place)
    back = RETURNS[place.page]()
    if place.photos:
        for role, key in back.photos.items():
            st.session_state.pop(key, None)
            if role in place.photos:
                st.session_state[key] = place.photos[role]
    for key, read in back.states.items():
        st.session_state[key] = read(dict(place.state))
    for name, take in back.files.items():
        if name in place.files:
            take(place.files[name], place)
    if place.page == here:
        st.rerun()
    st.switch_page(f"pages/{place.page}.py")
