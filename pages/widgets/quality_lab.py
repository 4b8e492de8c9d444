"""The distortion lab: any of TID2013's types at any level, anywhere on the photo, several one after the other."""

from dataclasses import replace
from typing import Any

import streamlit as st

from engine.distortions import KINDS, LEVELS, find
from pages.widgets.quality_photos import Judged, panel_photo
from pages.widgets.quality_region import quality_region
from pages.widgets.quality_state import MOST_STEPS, LabStep, QualityChoice, state

ACTIVE = "quality_active"
_HELP = "1 is hardly seen, 5 is plain: on TID2013 about 33, 30, 27, 24 and 21 dB of PSNR."


def lab(choice: QualityChoice, given: Judged) -> None:
    """Draw the lab: the photo with its regions, the list of distortions, and the one that is being changed."""
    steps = choice.steps
    active = min(st.session_state.get(ACTIVE, 0), len(steps) - 1) if steps else None
    picture, settings = st.columns([1.1, 1], gap="medium")
    with picture:
        quality_region(
            panel_photo(given.photo), panel_photo(given.original or given.photo), [step.box for step in steps], active,
            key="region", on_box=lambda box: _change(active, box=box),
        )  # fmt: skip
    with settings:
        if active is None:
            st.markdown("The photo is as it was taken. What happens to its score when it is distorted?")
        else:
            _settings(steps, active)
        with st.container(horizontal=True):
            st.button(
                "Add a distortion", icon=":material/add:", on_click=_add, disabled=len(steps) >= MOST_STEPS,
                help=f"At most {MOST_STEPS}, one after the other",
            )  # fmt: skip
            if active is not None:
                st.button("Remove", icon=":material/delete:", on_click=_remove, args=(active,))


def _settings(steps: tuple[LabStep, ...], active: int) -> None:
    if len(steps) > 1:
        st.session_state["quality_steps"] = active
        st.pills("Distortions, in this order", range(len(steps)), key="quality_steps", on_change=_select,
                 format_func=lambda at: f"{at + 1} · {_words(steps[at])}" if at < len(steps) else "")  # fmt: skip
    step = steps[active]
    st.selectbox(
        "Distortion", [kind.name for kind in KINDS], format_func=lambda name: find(name).title,
        **_bound("quality_kind", step.kind, active, "kind"),
    )  # fmt: skip
    st.segmented_control("Level", LEVELS, help=_HELP, **_bound("quality_level", step.level, active, "level"))


def _words(step: LabStep) -> str:
    return f"{find(step.kind).title}, {step.level}" + (", in a region" if step.box else "")


def _bound(key: str, value: object, active: int, field: str) -> dict[str, Any]:
    st.session_state[key] = value

    def told() -> None:
        if st.session_state[key] is not None:
            _change(active, **{field: st.session_state[key]})

    return {"key": key, "on_change": told}


def _change(at: int | None, **values: Any) -> None:
    steps = state.current().steps
    if at is not None and at < len(steps):
        state.change(steps=(*steps[:at], replace(steps[at], **values), *steps[at + 1 :]))


def _add() -> None:
    steps = state.current().steps
    state.change(steps=(*steps, LabStep("gaussian-blur" if steps else "jpeg", 4)))
    st.session_state[ACTIVE] = len(steps)


def _remove(at: int) -> None:
    steps = state.current().steps
    state.change(steps=steps[:at] + steps[at + 1 :])
    st.session_state[ACTIVE] = max(0, at - 1)


def _select() -> None:
    picked = st.session_state["quality_steps"]
    if picked is not None:
        st.session_state[ACTIVE] = picked
