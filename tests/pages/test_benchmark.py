"""The Benchmark page without a browser: published tables, results from a file, a run that is started and followed."""

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.evaluation.datasets import LAYOUTS
from engine.evaluation.downloads import PARTS
from engine.evaluation.published import PUBLISHED
from engine.evaluation.saliency_work import OWN_MAP, Case
from engine.evaluation.summary import as_json, summarise
from engine.scores import SCORES
from pages.widgets import benchmark_run
from pages.widgets.words import plain
from tests.evaluation.test_results import content

PAGE = str(Path(__file__).parents[2] / "pages" / "benchmark.py")


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set that was fetched before on this computer is met by a test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("EXPECTANCY_DATA", raising=False)
    monkeypatch.delenv("EXPECTANCY_ALLOW_PATHS", raising=False)
    return tmp_path / "caches"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set: three photos with five fixations each, see :func:`fill`."""
    data = tmp_path / "plain"
    data.mkdir()
    fill(data, 3)
    monkeypatch.setenv("EXPECTANCY_DATA", str(tmp_path))
    return data


def fill(data: Path, photos: int) -> None:
    chance = np.random.default_rng(0)
    with (data / "fixations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "x", "y"])
        for at in range(photos):
            Image.fromarray(chance.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(data / f"{at}.png")
            writer.writerows([f"{at}.png", *chance.uniform(5, 55, 2).round(1)] for _ in range(5))


def start() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=240).run()
    assert not app.exception
    return app


def finish(app: AppTest) -> AppTest:
    """Wait for the run that the page started, and look again."""
    run = app.session_state["benchmark_run"]
    end = time.monotonic() + 180
    while run.going and time.monotonic() < end:
        time.sleep(0.2)
    app.run()
    assert not app.exception and not run.going, run.said
    return app


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def test_published_figures_stand_there_with_their_source() -> None:
    app = start()
    captions = " ".join(caption.value for caption in app.caption)
    assert all(entry.source in captions and entry.differs in captions for entry in PUBLISHED)
    shown = [frame.value for frame in app.dataframe]
    assert any("SalGAN" in set(frame["Map"]) for frame in shown)


def test_without_a_data_set_those_that_can_be_fetched_are_offered_and_all_are_told() -> None:
    app = start()
    titles = {layout.id: layout.title for layout in LAYOUTS}
    assert app.selectbox(key="run_data").options == [f"{titles[name]} (to be fetched)" for name in PARTS]
    told = " ".join(block.value for block in (*app.markdown, *app.caption))
    assert all(layout.source in told and layout.folder in told for layout in LAYOUTS)
    assert "MIT1003 is first fetched from people.csail.mit.edu" in told
    assert "--download mit1003" in app.code[0].value and "--data mit1003" in app.code[0].value


def test_without_a_network_the_run_says_where_to_get_the_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # the discard port: nothing listens there
    app = start()
    press(app, "Start")
    finish(app)
    assert app.error[0].value.startswith("MIT1003 could not be fetched from people.csail.mit.edu; get it from people.")
    assert "lay it out as ALLSTIMULI, and ALLFIXATIONMAPS" in app.error[0].value


def test_what_was_fetched_is_offered_the_next_time(folder: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPECTANCY_DATA")
    (caches / "expectancy" / "data").mkdir(parents=True)
    folder.rename(caches / "expectancy" / "data" / "mine")
    (caches / "expectancy" / "data" / "half.part").mkdir()
    (caches / "expectancy" / "data" / "half.part" / "fixations.csv").touch()
    assert start().selectbox(key="run_data").options[:2] == ["mine", "MIT1003 (to be fetched)"]


def blurred() -> bytes:
    """Results of two maps on photos as they are and blurred, one of them another model's."""

    def photo(share: float) -> dict[str, dict[str, float | None]]:
        cases = {Case("embedded", "gradcam", "layer4", 0.0, radius): 1 - radius / 100 for radius in (0.0, 15.0, 50.0)}
        cases |= {Case("SalGAN", OWN_MAP, "", 0.0, radius): 2 - radius / 50 for radius in (0.0, 50.0)}
        return {case.key: {score.id: share * value for score in SCORES} for case, value in cases.items()}

    return content(rows=as_json(summarise({str(i): photo(0.9 + i / 50) for i in range(10)})))


def test_drops_under_blur_stand_beside_the_value_with_their_interval() -> None:
    app = start()
    app.file_uploader(key="results_file").set_value(("blur.json", blurred(), "application/json")).run()
    assert not app.exception and not app.error
    drops = app.dataframe[1].value
    assert list(drops.columns) == ["Map", "NSS at r = 0", "change at r = 15", "change at r = 50"]
    assert list(drops["Map"]) == ["Grad-CAM, layer4", "SalGAN"]
    assert list(drops["change at r = 50"]) == ["−50 % (−50 to −50)"] * 2 and drops["change at r = 15"][1] == ""
    assert set(app.dataframe[0].value["Map"]) == {"Grad-CAM, layer4", "SalGAN"}
    published = next(frame.value for frame in app.dataframe if "DeepGaze II" in set(frame.value["Map"])).set_index(
        "Map"
    )
    assert dict(published["here: Two"]) == {
        "SalGAN": "1.9800", "Contrastive saliency": "–", "DeepGaze II": "–", "ML-Net": "–", "Shallow/Deep": "–",
    }  # fmt: skip
    assert published["here: drop at r = 50"]["SalGAN"] == "0.9900"
    next(box for box in app.selectbox if box.label == "Photos blurred by").select(15.0).run()
    assert list(app.dataframe[0].value["Map"]) == ["Grad-CAM, layer4"]
    app.selectbox(key="score").select("kl").run()
    assert not app.exception and app.dataframe[1].value["change at r = 50"][0].startswith("−0.")


def test_a_large_run_is_shown_by_smoothing_and_at_the_best_layers_first() -> None:
    cases = {
        Case("embedded", method, layer, smooth): nss
        for smooth in (0.0, 0.75)
        for method, layer, nss in (
            ("gradcam", "layer3", 1.0),
            ("gradcam", "layer4", 2.0),
            ("contrastive-saliency:activation=no", "layer1", 3.0),
            ("contrastive-saliency:later=True", "layer1", 4.0),
        )
    }
    photo = {case.key: {score.id: nss for score in SCORES} for case, nss in cases.items()}
    app = start()
    told = content(rows=as_json(summarise({"a.png": photo, "b.png": photo})))
    app.file_uploader(key="results_file").set_value(("large.json", told, "application/json")).run()
    assert list(app.dataframe[0].value["Map"]) == [
        "Contrastive saliency, mean with the later stages, layer1",
        "Contrastive saliency, weigh by the activation: no, layer1",
        "Grad-CAM, layer4",
    ]
    next(box for box in app.selectbox if box.label == "Maps smoothed by").select(0.0)
    next(box for box in app.checkbox if box.label == "Every layer").check().run()
    assert not app.exception
    assert list(app.dataframe[0].value["Map"])[2:] == ["Grad-CAM, layer4", "Grad-CAM, layer3"]


def test_a_file_of_results_is_shown_and_a_wrong_one_told() -> None:
    app = start()
    app.file_uploader(key="results_file").set_value(("mine.json", content(), "application/json")).run()
    assert not app.exception and not app.error
    assert any("mine.json, 2 photos of Two" in caption.value for caption in app.caption)
    assert app.dataframe[0].value["NSS"][0].startswith("★")
    app.file_uploader(key="results_file").set_value(("bad.json", b"{}", "application/json")).run()
    assert not app.exception and "bad.json" in app.error[0].value


def test_a_run_is_started_followed_and_shown(folder: Path) -> None:
    app = start()
    next(box for box in app.multiselect if box.label == "Maps").set_value(["features"])
    next(box for box in app.multiselect if box.label == "Blur the photos by").set_value([5])
    app.checkbox(key="run_smooth").check().run()
    press(app, "Start")
    finish(app)
    assert any("the run of this session, 3 photos" in caption.value for caption in app.caption)
    rows = json.loads(app.session_state["benchmark_results"])["rows"]
    assert {(row["smooth"], row["blur"]) for row in rows if row["model"]} == {(0, 0), (1, 0), (0, 5), (1, 5)}


def test_maps_of_another_model_are_measured_where_paths_may_be_typed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [box for box in start().text_input if box.key == "run_own"], "a public host reads no path of a visitor"
    monkeypatch.setenv("EXPECTANCY_ALLOW_PATHS", "1")
    maps = tmp_path / "maps"
    maps.mkdir()
    for at in range(3):
        np.save(maps / f"{at}.npy", np.random.default_rng(at).random((6, 8)))
    app = start()
    next(box for box in app.multiselect if box.label == "Maps").set_value(["features"])
    app.text_input(key="run_own").set_value(f"SalGAN={maps}").run()
    press(app, "Start")
    finish(app)
    assert "SalGAN" in set(app.dataframe[0].value["Map"])
    (maps / "2.npy").unlink()
    press(app, "Start")
    finish(app)
    assert app.error[0].value.startswith("The folder maps lacks the maps of 1 of 3 photos (2.png)")


def test_a_run_can_be_stopped(folder: Path) -> None:
    fill(folder, 60)  # it must not have come to its end when that is done
    app = start()
    press(app, "Start")
    run = app.session_state["benchmark_run"]
    press(app, "Stop")
    run.process.wait(20)
    app.run()
    assert not app.exception and not run.going and not app.error
    assert any("The same choice goes on from there" in block.value for block in app.info)


def test_a_run_that_was_killed_is_told(folder: Path) -> None:
    fill(folder, 60)  # it must not have come to its end when that is done
    app = start()
    press(app, "Start")
    run = app.session_state["benchmark_run"]
    run.process.kill()
    run.process.wait(20)
    app.run()
    assert not app.exception and app.error[0].value.startswith("The run ended by itself at ")


def test_a_run_goes_with_its_session() -> None:
    desk = benchmark_run.Desk()
    run = desk.start(["--data", "nothing"])
    assert run.folder.is_dir()
    desk.end()
    assert not run.going and not run.folder.exists()
    benchmark_run.Desk().end()  # a session that started nothing


def test_a_folder_that_holds_no_data_set_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_DATA", f"{tmp_path}:{tmp_path / 'nothing'}")
    empty, missing = (warning.value for warning in start().warning)
    assert f"The folder {plain(tmp_path.name)}, with which the app was started, holds no known data set" in empty
    assert "The folder nothing, with which the app was started, is not there" in missing


def test_a_folder_can_be_typed_only_where_that_is_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPECTANCY_DATA")
    assert not [box for box in start().text_input if box.key == "typed_folder"]
    monkeypatch.setenv("EXPECTANCY_ALLOW_PATHS", "1")
    app = start()
    app.text_input(key="typed_folder").set_value(str(folder / "nothing")).run()
    assert not app.exception and "There is no folder" in app.error[0].value
    app.text_input(key="typed_folder").set_value(str(folder)).run()
    assert not app.exception and not app.error and app.selectbox(key="run_data").options[0] == "plain"
