"""The Benchmark page without a browser: published tables, results from a file, a run that is started and followed."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.evaluation.published import PUBLISHED
from tests.evaluation.test_results import content

PAGE = str(Path(__file__).parents[2] / "pages" / "benchmark.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set: three photos with five fixations each."""
    data = tmp_path / "plain"
    data.mkdir()
    chance = np.random.default_rng(0)
    with (data / "fixations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "x", "y"])
        for at in range(3):
            Image.fromarray(chance.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(data / f"{at}.png")
            writer.writerows([f"{at}.png", *chance.uniform(5, 55, 2).round(1)] for _ in range(5))
    monkeypatch.setenv("EXPECTANCY_DATA", str(tmp_path))
    return data


def start() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=240).run()
    assert not app.exception
    return app


def test_published_figures_stand_there_with_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPECTANCY_DATA", raising=False)
    app = start()
    captions = " ".join(caption.value for caption in app.caption)
    assert all(entry.source in captions and entry.differs in captions for entry in PUBLISHED)
    shown = [frame.value for frame in app.dataframe]
    assert any("SalGAN" in set(frame["map"]) for frame in shown)
    assert "without a data set" in " ".join(block.value for block in app.markdown)


def test_a_file_of_results_is_shown_and_a_wrong_one_told() -> None:
    app = start()
    app.file_uploader(key="results_file").set_value(("mine.json", content(), "application/json")).run()
    assert not app.exception and not app.error
    assert any("mine.json, 2 photos of Two" in caption.value for caption in app.caption)
    assert app.dataframe[0].value["NSS"][0].endswith("★")
    app.file_uploader(key="results_file").set_value(("bad.json", b"{}", "application/json")).run()
    assert not app.exception and "bad.json" in app.error[0].value


def test_a_run_is_started_followed_and_shown(folder: Path) -> None:
    app = start()
    app.multiselect[0].set_value(["features"])
    next(button for button in app.button if button.label == "Start").click().run()
    assert not app.exception
    run = app.session_state["benchmark_run"]
    end = time.monotonic() + 180
    while run.going and time.monotonic() < end:
        time.sleep(0.2)
    assert run.results is not None, run.said
    app.run()
    assert not app.exception
    assert any("the run of this session, 3 photos" in caption.value for caption in app.caption)


def test_a_run_can_be_stopped(folder: Path) -> None:
    app = start()
    next(button for button in app.button if button.label == "Start").click().run()
    run = app.session_state["benchmark_run"]
    next(button for button in app.button if button.label == "Stop").click().run()
    run.process.wait(20)
    app.run()
    assert not app.exception and not run.going
