"""The page Layers without a browser: its three views, its state in the address, and what comes of wrong links."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.clicks import Clicks
from engine.images import Photo, decode
from pages.widgets import fixation_data, session
from pages.widgets.fixation_state import DATA, FILE, Looking
from pages.widgets.image_picker import sample
from pages.widgets.layers_grid import GridCell, GridColumn, layers_grid
from pages.widgets.layers_state import EVERY, FOILS, SURPRISAL, LayersChoice, from_address, state
from pages.widgets.session import Choice

PAGE = str(Path(__file__).parents[2] / "pages" / "layers.py")
PLACES = [(0.3, 0.4), (0.55, 0.35), (0.45, 0.7)]


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPECTANCY_DATA", raising=False)
    monkeypatch.delenv(fixation_data.MAY_TYPE, raising=False)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the browser gets: the header of each widget's message, by the widget's key."""
    headers: dict[str, dict[str, Any]] = {}

    def mount(widget: Any, message: bytes, *, key: str, parcels: Any, read: Any = None, on_event: Any = None) -> None:
        length = int.from_bytes(message[:4], "little")
        headers[key] = json.loads(message[4 : 4 + length]) | {"event": lambda said: on_event(read(said))}

    monkeypatch.setattr("pages.widgets.frontend.Widget.mount", mount)
    return headers


def start(values: dict[str, object] | None = None, **parameters: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    for name, each in (values or {}).items():
        app.session_state[name] = each
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(block.value for block in (*app.markdown, *app.caption, *app.info, *app.error, *app.warning))


def address(app: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in dict(app.query_params).items()}


# --- layers -------------------------------------------------------------------------------------------------


def test_the_first_paint_needs_nothing_to_be_pressed(sent: dict[str, dict[str, Any]]) -> None:
    app = start()
    assert not app.error and not app.warning and address(app) == {}
    grid = sent["layers"]
    assert [row["name"] for row in grid["rows"]] == ["relu", "layer1", "layer2", "layer3", "layer4"]
    assert [column["title"] for column in grid["columns"]] == ["Grad-CAM", *["Contrast"] * 4]
    for row, cells in zip(grid["rows"], grid["cells"], strict=True):
        for cell in cells:
            assert f"{cell['panel']['values']['w']} × {cell['panel']['values']['h']}" == row["grid"]
            assert 0 <= cell["share"] <= 1 and cell["nss"] is None
    assert grid["start"] == ["layer4", grid["columns"][1]["id"]] and not grid["scored"]


def test_the_columns_are_the_foils_that_are_chosen(sent: dict[str, dict[str, Any]]) -> None:
    app = start(foils="3,4", cells="gradcam", beside="features,contrastive-saliency", layer="layer2")
    grid = sent["layers"]
    ids = [column["id"] for column in grid["columns"]]
    assert ids == ["gradcam", "contrastive-saliency", "features", "gradcam-3", "gradcam-4"]
    name = app.selectbox(key="fact").options[3]
    assert f"Why {name}?" in grid["cells"][0][3]["panel"]["question"]
    assert grid["cells"][0][1]["share"] is None, "of a map with one sign there is no share"
    assert grid["start"][0] == "layer2"
    app.multiselect(key="foils").set_value([5]).run()
    assert not app.exception and address(app)["foils"] == "5"
    assert [column["id"] for column in sent["layers"]["columns"]][3:] == ["gradcam-5"]


def test_without_a_choice_the_first_foil_is_that_of_the_other_pages(sent: dict[str, dict[str, Any]]) -> None:
    start(foil="7")
    assert sent["layers"]["columns"][1]["id"] == "contrast-7"


def test_every_layer_can_be_seen(sent: dict[str, dict[str, Any]]) -> None:
    app = start(size="64", model="resnet18", weights="random")
    few = len(sent["layers"]["rows"])
    app.segmented_control(key="rows").set_value(EVERY).run()
    assert not app.exception and address(app)["rows"] == EVERY
    names = [row["name"] for row in sent["layers"]["rows"]]
    assert len(names) > 4 * few and {"layer1.0.conv1", "layer4"} <= set(names)
    assert all(cell["panel"]["values"] for row in sent["layers"]["cells"] for cell in row)


def test_a_method_that_does_not_apply_says_why(
    sent: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import Engine
    from engine.errors import QuestionError

    explain = Engine.explain

    def refusing(self: Engine, trace: Any, name: str, *rest: Any, **options: Any) -> Any:
        if name == "features":
            raise QuestionError("There are no features here; choose another method.")
        return explain(self, trace, name, *rest, **options)

    monkeypatch.setattr(Engine, "explain", refusing)
    start(beside="features")
    cell = sent["layers"]["cells"][2][1]
    assert cell["panel"]["values"] is None and "choose another" in cell["panel"]["sentence"] and cell["share"] is None


def test_a_grid_must_be_whole() -> None:
    with pytest.raises(ValueError, match="1 rows of 0 cells"):
        layers_grid(None, [None], [], [], key="k", start=("", ""), scored=False)  # type: ignore[arg-type, list-item]
    with pytest.raises(ValueError, match="0 rows of 1 cells"):
        column, cell = GridColumn("a", "", ""), GridCell(None, None, None)  # type: ignore[arg-type]
        layers_grid(None, [], [column], [[cell]], key="k", start=("", ""), scored=False)  # type: ignore[arg-type]


# --- fixations ----------------------------------------------------------------------------------------------


def scores(sent: dict[str, dict[str, Any]]) -> list[float | None]:
    return [cell["nss"] for row in sent["layers"]["cells"] for cell in row]


def test_clicks_on_this_photo_are_scored_and_those_on_others_are_not(sent: dict[str, dict[str, Any]]) -> None:
    clicks = Clicks().with_person(sample("cat"), "Ada", PLACES)
    app = start({"clicks": clicks})
    assert sent["layers"]["scored"] and all(isinstance(value, float) for value in scores(sent))
    assert "3 fixations" in said(app)
    app.segmented_control(key="photo").set_value("coffee").run()
    assert not app.exception and not sent["layers"]["scored"]
    assert scores(sent) == [None] * len(scores(sent)) and "Human saliency" in said(app)


@pytest.mark.parametrize(
    ("content", "counts"),
    [
        ("image,x,y\nCat,100,100\nCat,200,150\nRocket,5,5", True),
        ("image,x,y\nRocket,100,100", False),
        ("x,y\n100,100", False),
        ("image,x,y\nCat,9999,100", False),
        ("\x00\x01 no table", False),
    ],
    ids=["names this photo", "names another", "names none", "does not fit", "no table"],
)
def test_a_file_counts_where_it_names_this_photo(sent: dict[str, dict[str, Any]], content: str, counts: bool) -> None:
    start({"looking": Looking(source=FILE), "fixations_given": ("some.csv", content.encode())})
    assert sent["layers"]["scored"] is counts


def test_a_data_sets_fixations_count_for_its_own_photo(
    sent: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["image,subject,x,y"]
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (60, 90, 3), np.uint8)).save(folder / name)
        rows += [f"{name},p,{x:.1f},{y:.1f}" for x, y in rng.random((10, 2)) * (89, 59)]
    (folder / "fixations.csv").write_text("\n".join(rows))
    monkeypatch.setenv("EXPECTANCY_DATA", str(tmp_path))
    photo: Photo = decode((folder / "a.png").read_bytes(), name="a.png")
    for item, counts in (("a.png", True), ("b.png", False)):
        looking = Looking(source=DATA, data="two", item=item)
        start({"looking": looking, "upload": photo, "choice": Choice(photo="upload")})
        assert sent["layers"]["scored"] is counts


# --- all foils ----------------------------------------------------------------------------------------------


def test_all_foils_are_there_likeliest_first_with_their_mean_and_variance(sent: dict[str, dict[str, Any]]) -> None:
    app = start(view=FOILS)
    cards = sent["foils_strip"]["cards"]
    assert [card["title"] for card in cards[:2]] == ["Mean", "Variance"]
    foils = cards[2:]
    assert len(foils) == 21 and app.selectbox(key="fact").value not in [card["foil"] for card in foils]
    probabilities = [card["probability"] for card in foils]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= card["differs"] <= 2 for card in foils)
    assert "Pearson" in said(app)


def test_foils_are_sorted_by_their_difference_and_found_by_name(sent: dict[str, dict[str, Any]]) -> None:
    app = start(view=FOILS, model="resnet18", weights="random", size="64")
    assert len(sent["foils_strip"]["cards"]) == 2 + 20 - 1 + 3
    shown = {card["foil"] for card in sent["foils_strip"]["cards"]}
    strange = next(index for index in range(1000) if index not in shown and index != app.selectbox(key="fact").value)
    app.multiselect(key="also").set_value([strange]).run()
    app.segmented_control(key="sort").set_value("difference").run()
    assert not app.exception and address(app)["sort"] == "difference" and address(app)["also"] == str(strange)
    foils = sent["foils_strip"]["cards"][2:]
    assert strange in [card["foil"] for card in foils] and len(foils) == 23
    differences = [card["differs"] for card in foils]
    assert differences == sorted(differences, reverse=True)


def test_a_click_on_a_foil_makes_it_q(sent: dict[str, dict[str, Any]]) -> None:
    app = start(view=FOILS)
    other = sent["foils_strip"]["cards"][-1]["foil"]
    assert sent["foils_strip"]["foil"] != other
    app.session_state["choice"] = replace(app.session_state["choice"], foil=other)
    app.run()
    assert sent["foils_strip"]["foil"] == other and address(app)["foil"] == str(other)


# --- surprisal ----------------------------------------------------------------------------------------------


def test_every_answer_has_a_bar_and_the_arithmetic_adds_up(sent: dict[str, dict[str, Any]]) -> None:
    app = start(view=SURPRISAL, foil="5")
    bars = sent["surprisal"]["bars"]
    assert sorted(bar[0] for bar in bars) == list(range(22)) and all(bar[3] >= 0 for bar in bars)
    assert sent["surprisal"]["foil"] == 5
    table = app.dataframe[0].value
    differences = [float(cell.replace("−", "-")) for cell in table["p − e_Q"]]
    assert sum(differences) == pytest.approx(0, abs=5e-5 * len(differences)) and min(differences) < 0
    assert sorted(table["e_Q"]) == ["0"] * (len(table) - 1) + ["1"] and any(
        str(cell).startswith("Q: ") for cell in table["answer"]
    )
    terms = sent["sum"]
    assert len(terms["channels"]) == 5 and terms["others"] == 512 - 5
    assert "layer4" in said(app) and ".weight" in said(app)


def test_answers_are_sorted_by_surprisal(sent: dict[str, dict[str, Any]]) -> None:
    start(view=SURPRISAL, sort="surprisal", layer="layer3")
    values = [bar[3] for bar in sent["surprisal"]["bars"]]
    assert values == sorted(values, reverse=True)


def test_an_order_of_another_view_is_not_this_views(sent: dict[str, dict[str, Any]]) -> None:
    app = start(view=SURPRISAL, sort="difference")
    assert app.segmented_control(key="sort").value == "probability"


# --- the address --------------------------------------------------------------------------------------------


def test_both_choices_stand_in_the_address() -> None:
    app = start()
    app.segmented_control(key="view").set_value(SURPRISAL).run()
    app.selectbox(key="foil").set_value(9).run()
    app.segmented_control(key="photo").set_value("rocket").run()
    assert not app.exception
    assert address(app) == {"photo": "rocket", "view": "surprisal"}, "another photo is asked about afresh"


@pytest.mark.parametrize("view", ["layers", "foils", "surprisal"])
def test_a_link_restores_the_whole_view(view: str) -> None:
    choice = Choice("coffee", "resnet18", "random", 64, "layer3", 7, 9)
    own = LayersChoice(view, "stages", "gradcam", (3, 8), ("features",), (500, 2), "difference")
    app = start(**session.to_address(choice), **state.to_address(own))
    assert app.session_state["choice"] == choice and app.session_state["layers_choice"] == own
    assert address(app) == session.to_address(choice) | state.to_address(own)


@pytest.mark.parametrize(
    "parameters",
    [
        {"view": "nothing", "rows": "-1", "cells": "<b>", "sort": "?"},
        {"foils": "999999,-3,x,²,١", "also": ",,,", "beside": "quality,none"},
        {"foils": "99999", "also": "99999", "view": "foils"},
        {"view": "surprisal", "foil": "99999", "layer": "no-layer", "also": "99999"},
        {"view": "foils", "layer": "head", "sort": "surprisal"},
        {"photo": "nothing", "model": "no-such-network", "size": "7"},
        {"foils": ",".join(map(str, range(200)))},
    ],
)
def test_nonsense_in_a_link_is_ignored(parameters: dict[str, str], sent: dict[str, dict[str, Any]]) -> None:
    app = start(**parameters)
    assert not app.error and "weights" in said(app)
    assert sent.keys() & {"layers", "foils_strip", "surprisal"}


def test_what_the_address_says_is_bounded_and_comes_back() -> None:
    own = LayersChoice("foils", "every", "gradcam", (1, 2), ("features", "confidence"), (4,), "difference")
    assert from_address(state.to_address(own)) == own
    assert state.to_address(LayersChoice()) == {}
    assert len(from_address({"foils": ",".join(map(str, range(200)))}).foils) == 6
    assert from_address({"foils": "9" * 5000}).foils == (999999999,)


def test_classes_of_another_network_are_forgotten() -> None:
    app = start(foils="3,4", also="5")
    assert app.session_state["layers_choice"].foils == (3, 4)
    app.selectbox(key="network_name").set_value("resnet18").run()
    next(button for button in app.button if "random" in button.label).click().run()
    assert not app.exception
    chosen = app.session_state["layers_choice"]
    assert (chosen.foils, chosen.also) == ((), ())


def test_an_uploaded_photo_is_explained() -> None:
    app = start()
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120), (200, 90, 30)).save(buffer, "PNG")
    app.file_uploader(key="upload_file").set_value(("mine.png", buffer.getvalue(), "image/png")).run()
    assert not app.exception and address(app) == {"photo": "upload"}
