"""Being the subject of an image-quality study: ten rounds, then one's choices beside the network's scores."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.distortions import find
from engine.study import ROUNDS, SIDE, Outcome, Round, Trio, Version, agreement, encode, plan, scores, trio
from pages.widgets import session
from pages.widgets.image_picker import SAMPLES, sample
from pages.widgets.lesson_state import MOST_PAIRS, state
from pages.widgets.picture import picture

_TAKEN = "lesson_study"
_NAMES = ("First", "Second")


@dataclass(frozen=True)
class Taken:
    """What a person has chosen so far, 0 or 1 a round, among the pairs of a seed."""

    pairs: int
    choices: tuple[int, ...] = ()


def study() -> None:
    """Draw the round that is next, or the result."""
    taken = _taken()
    rounds = plan(taken.pairs, tuple(SAMPLES))
    if len(taken.choices) < ROUNDS:
        _ask(rounds, len(taken.choices))
    else:
        _result(rounds, taken)


def _taken() -> Taken:
    """The choices made among the pairs that the address names; other pairs begin anew."""
    pairs = state.current().pairs
    kept: Taken | None = st.session_state.get(_TAKEN)
    if kept is None or kept.pairs != pairs:
        kept = st.session_state[_TAKEN] = Taken(pairs)
    return kept


def _choose(at: int, choice: int) -> None:
    """Take the choice of round `at`; a second press for the same round changes nothing."""
    taken = _taken()
    if len(taken.choices) == at:
        st.session_state[_TAKEN] = Taken(taken.pairs, (*taken.choices, choice))


def _again(pairs: int) -> None:
    state.change(pairs=pairs)
    st.session_state[_TAKEN] = Taken(pairs)


def _ask(rounds: tuple[Round, ...], at: int) -> None:
    """One round; while it is looked at, the next one is made."""
    asked = rounds[at]
    shown = pictures(asked)
    st.markdown(
        f"**Round {at + 1} of {ROUNDS}: which differs least from the original?** Go by your eyes, not by rules."
    )
    with st.container(horizontal=True, gap="xsmall"):
        places = [st.container(width=SIDE, gap="xsmall") for _ in range(3)]
    for place, pixels, words in zip(places, (shown.reference, *shown.versions), ("The original", *_NAMES), strict=True):
        with place:
            picture(_file(asked, words), words, f"{words}, {pixels.shape[1]} by {pixels.shape[0]} pixels")
    places[0].progress(at / ROUNDS, f"{at} of {ROUNDS} done")
    for choice, place in enumerate(places[1:]):
        place.button(
            _NAMES[choice], key=f"study-{choice}", on_click=_choose, args=(at, choice), shortcut=str(choice + 1),
            width="stretch",
        )  # fmt: skip
    st.caption(
        f"Keys 1 and 2 choose as well. Pairs {_taken().pairs}: whoever opens this page’s address sees the same ones."
    )
    if at + 1 < len(rounds):
        pictures(rounds[at + 1])
    judged(asked)


def _result(rounds: tuple[Round, ...], taken: Taken) -> None:
    """The person's choices beside the network's scores."""
    bar = st.empty()
    outcomes = []
    for at, (asked, choice) in enumerate(zip(rounds, taken.choices, strict=True)):
        bar.progress(at / ROUNDS, "The network judges the same pairs …")
        outcomes.append(Outcome(asked, choice, judged(asked)))
    bar.empty()
    same = agreement(outcomes)
    st.markdown(f"### You and the network agree in {same} of {ROUNDS} rounds, {same / ROUNDS:.0%}")
    st.markdown(
        "Agreement is all that is counted: neither you nor the network is right or wrong. Somebody who tosses a coin "
        "agrees in 2 to 8 of 10 rounds 98 times in 100, so put the choices of a class together before you conclude "
        "anything."
    )
    st.dataframe(table(outcomes), hide_index=True, width="stretch")
    st.caption(
        "The network is the full-reference one, which judges patches after Bosse et al. (2018); its scores go from 0 "
        "to 1, and a higher one means less difference from the original."
    )
    with st.container(horizontal=True):
        st.button("Start again", on_click=_again, args=(taken.pairs,), icon=":material/replay:")
        following = taken.pairs % MOST_PAIRS + 1
        st.button("Other pairs", on_click=_again, args=(following,), icon=":material/casino:")


def table(outcomes: list[Outcome]) -> pd.DataFrame:
    """One line a round."""
    return pd.DataFrame(
        [
            {
                "round": at,
                "you chose": _NAMES[each.choice].lower(),
                "the network’s": _NAMES[each.networks].lower(),
                "agree": "yes" if each.agree else "no",
                "scores": f"{each.scores[0]:.2f}, {each.scores[1]:.2f}",
                "first version": _words(each.round.versions[0]),
                "second version": _words(each.round.versions[1]),
                "photo": SAMPLES[each.round.photo][1],
            }
            for at, each in enumerate(outcomes, 1)
        ]
    )


def _words(version: Version) -> str:
    return f"{find(version.kind).title}, level {version.level}"


# Samples alone are kept here, found by the round: a class that looks at the same pairs shares them.


@st.cache_resource(show_spinner=False, max_entries=64)
def pictures(asked: Round) -> Trio:
    """The pictures of a round."""
    return trio(sample(asked.photo).pixels, asked)


@st.cache_data(show_spinner=False, max_entries=192)
def _file(asked: Round, which: str) -> bytes:
    shown = pictures(asked)
    return encode(dict(zip(("The original", *_NAMES), (shown.reference, *shown.versions), strict=True))[which])


@st.cache_data(show_spinner=False, max_entries=256)
def judged(asked: Round) -> tuple[float, float]:
    """The network's scores of both versions."""
    return scores(session.engine(), pictures(asked))
