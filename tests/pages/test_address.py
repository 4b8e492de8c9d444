"""The page follows its address where nobody has chosen anything since it was written."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st

from pages.widgets import address


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session that has been left on the page Compare, with a foil in its address."""
    query, session = {"foil": "3"}, {"choice": "third foil", "looking": "elsewhere"}
    monkeypatch.setattr(st, "query_params", query)
    monkeypatch.setattr(st, "session_state", session)
    address.leave("Compare")
    return {"query": query, "session": session}


def test_going_back_is_followed(here: dict[str, Any]) -> None:
    here["query"].clear()
    address.follow("Compare")
    assert "choice" not in here["session"] and here["session"]["looking"] == "elsewhere"


def test_what_was_chosen_since_counts(here: dict[str, Any]) -> None:
    """A browser that is slow sends the address before last along with a click."""
    here["query"].clear()
    here["session"]["choice"] = "fourth foil"
    address.follow("Compare")
    assert here["session"]["choice"] == "fourth foil"


def test_another_page_takes_what_was_chosen_along(here: dict[str, Any]) -> None:
    here["query"].clear()
    address.follow("Layers")
    assert here["session"]["choice"] == "third foil"


def test_an_address_as_it_was_left_changes_nothing(here: dict[str, Any]) -> None:
    address.follow("Compare")
    assert here["session"]["choice"] == "third foil"


def test_a_page_that_nobody_listed_is_left_alone(here: dict[str, Any]) -> None:
    address.leave("New")
    here["query"].clear()
    address.follow("New")
    assert here["session"]["choice"] == "third foil"
