"""The page “Human saliency” without a browser: where fixations come from, and what comes of wrong files and links."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.clicks import Clicks
from engine.fixation_files import read_csv
from engine.human_curves import DEGRADATIONS, by_damage
from pages.widgets import fixation_data, fixation_state
from pages.widgets.fixation_state import Looking
from pages.widgets.image_picker import sample

PAGE = str(Path(__file__).parents[2] / "pages" / "human_saliency.py")
PLACES = [(0.3, 0.4), (0.55, 0.35), (0.45, 0.7), (0.35, 0.45)]
SCORED = ["NSS", "CC", "AUC-Judd", "shuffled AUC", "SIM", "KL", "IG"]


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EXPECTANCY_DATA", raising=False)
    monkeypatch.delenv(fixation_data.MAY_TYPE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))  # no data set that was fetched before


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one small data set in the plain layout: three photos, 20 fixations each."""
    folder = tmp_path / "data" / "three"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["image,subject,x,y"]
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(rng.integers(0, 255, (60, 90, 3), np.uint8)).save(folder / name)
        rows += [f"{name},{person},{x:.1f},{y:.1f}" for person in "pq" for x, y in rng.random((10, 2)) * (89, 59)]
    (folder / "fixations.csv").write_text("\n".join(rows))
    return folder


def start(clicks: Clicks | None = None, **parameters: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    if clicks is not None:
        app.session_state["clicks"] = clicks
    app.run()
    assert not app.exception
    return app


def looked() -> Clicks:
    return Clicks().with_person(sample("cat"), "Ada", PLACES)


def said(app: AppTest) -> str:
    blocks = (*app.markdown, *app.caption, *app.info, *app.error, *app.success)
    return " ".join(block.value for block in blocks)


def chosen(app: AppTest) -> Looking:
    looking: Looking = app.session_state["looking"]
    return looking


def test_at_first_nobody_has_looked_and_no_score_is_made_up() -> None:
    app = start()
    assert "nobody has looked" in said(app) and not app.dataframe
    assert not app.error and not app.warning
    assert dict(app.query_params) == {}


def test_clicks_are_scored_and_what_is_missing_is_said() -> None:
    app = start(looked())
    table = app.dataframe[0].value
    assert list(table.columns) == SCORED
    assert list(table.index) == [
        "Contrastive saliency", "Grad-CAM", "Guided backprop", "Guided backprop, smoothed", "Feed-forward features",
        "Centre bias",
    ]  # fmt: skip
    assert table["shuffled AUC"].isna().all() and table.drop(columns="shuffled AUC").notna().all().all()
    assert "clicks on other photos" in said(app) and "(4) make rough scores" in said(app)
    assert "4 fixations of 1 person, clicked from memory" in said(app)


def test_clicks_on_another_photo_give_the_shuffled_score() -> None:
    app = start(looked().with_person(sample("coffee"), "Ada", PLACES))
    assert app.dataframe[0].value["shuffled AUC"].notna().all()


def test_another_score_and_another_view_stand_in_the_address() -> None:
    app = start(looked())
    app.segmented_control(key="score").set_value("kl").run()
    app.segmented_control(key="show").set_value("layers").run()
    assert not app.exception
    assert chosen(app).score == "kl" and app.query_params["show"] == "layers"
    assert "deeper features" in said(app)


@pytest.mark.parametrize("show", ["smoothing", "options", "sanity"])
def test_each_view_opens_by_its_link(show: str) -> None:
    app = start(looked(), show=show)
    assert not app.error and chosen(app).show == show
    assert len(app.dataframe) == {"smoothing": 0, "options": 1, "sanity": 1}[show]


def test_robustness_is_measured_when_asked_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    short = (replace(DEGRADATIONS[0], amounts=(0, 5)), *DEGRADATIONS[1:])
    monkeypatch.setattr("engine.human_curves.DEGRADATIONS", short)
    app = start(looked(), show="robustness")
    assert not app.dataframe, "long work waits for a person"
    next(button for button in app.button if button.label == "Measure").click().run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table.index[:4]) == ["NSS at r = 0", "NSS: drop at r = 5", "CC at r = 0", "CC: drop at r = 5"]
    assert all(any("★" in cell for cell in row) for row in table.to_numpy())
    monkeypatch.setattr("pages.widgets.fixation_curves.by_damage", counting := Counting())
    app.run()
    assert not app.exception and counting.done == 0, "what was measured is not measured again"


class Counting:
    """by_damage, with a count of the levels that are computed."""

    done = 0

    def __call__(self, *arguments: object, **options: object) -> list[Callable[[], object]]:
        def counted(step: Callable[[], object]) -> Callable[[], object]:
            def call() -> object:
                self.done += 1
                return step()

            return call

        return [counted(step) for step in by_damage(*arguments, **options)]  # type: ignore[arg-type]


# --- files --------------------------------------------------------------------------------------------------


def with_file(name: str, content: bytes) -> AppTest:
    app = start(source="file")
    app.file_uploader(key="fixation_file").set_value((name, content, "text/csv")).run()
    assert not app.exception
    return app


def fixation_map(size: tuple[int, int]) -> bytes:
    marked = np.zeros(size[::-1], np.uint8)
    marked[50, [100, 200]] = 255
    buffer = io.BytesIO()
    Image.fromarray(marked).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("eyes.csv", b"x,y,subject,duration\n10,20,Ada,200\n440,290,Ben,150\n", "2 fixations of 2 people"),
        ("map.png", fixation_map((451, 300)), "2 fixations"),
    ],
)
def test_a_file_of_fixations_is_scored(name: str, content: bytes, count: str) -> None:
    app = with_file(name, content)
    assert not app.error and count in said(app)
    assert len(app.dataframe) == 1 and "Shuffled AUC needs" in said(app)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "empty.csv is empty"),
        ("columns.csv", b"a,b\n1,2\n", "needs a header line with the columns x and y"),
        ("outside.csv", b"x,y\n10,20\n900,20\n", "1 of 2 fixations lie outside the photo of 451 x 300 pixels"),
        ("words.csv", b"x,y\n10,here\n", "here instead of a number in line 2"),
        ("other.csv", b"image,x,y\nzebra.jpg,10,20\n", "zebra.jpg but not Cat"),
        ("wide.png", fixation_map((300, 300)), "proportions differ"),
        ("map.mat", b"MATLAB 5.0 MAT-file, cut off", "map.mat"),
    ],
)
def test_a_wrong_file_gets_one_sentence(name: str, content: bytes, sentence: str) -> None:
    app = with_file(name, content)
    assert len(app.error) == 1 and sentence in app.error[0].value
    assert "nobody has looked" in said(app) and not app.dataframe


def test_a_map_of_another_model_competes_and_a_wrong_one_is_told() -> None:
    app = start(looked())
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random((30, 45)))
    app.file_uploader(key="own_map").set_value(("salgan.npy", buffer.getvalue(), "")).run()
    assert not app.exception and "own" in chosen(app).maps
    assert app.dataframe[0].value.index[-1] == "Your own map"
    app.file_uploader(key="own_map").set_value(("salgan.npy", b"nothing", "")).run()
    assert not app.exception and "Your own map" not in app.dataframe[0].value.index
    assert "no picture and no .npy" in app.session_state["map_error"]


def test_a_class_is_put_together_from_files() -> None:
    app = start(looked())
    ben = Clicks().with_person(sample("cat"), "Ben", PLACES[:2]).csv().encode()
    app.file_uploader(key="clicks_files").set_value([("ben.csv", ben, "text/csv")]).run()
    assert not app.exception and "2 new clicks were added" in said(app)
    clicks: Clicks = app.session_state["clicks"]
    assert clicks.on(sample("cat")).subjects == ("Ada", "Ben")
    assert len(read_csv(clicks.csv().encode()).x) == 6
    app.file_uploader(key="clicks_files").set_value([("zebra.csv", b"image,x,y\nzebra,1,1\n", "text/csv")]).run()
    assert [error.value for error in app.error] and "no photo here" in app.error[0].value
    assert app.session_state["clicks"] is clicks


# --- data sets ----------------------------------------------------------------------------------------------


def test_a_data_set_that_the_host_gave_is_offered(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_DATA", str(data.parent))
    app = start(source="data", item="b.png")
    assert not app.error and "20 fixations of 2 people" in said(app)
    assert app.selectbox(key="data_item").value == "b.png"
    assert app.dataframe[0].value.notna().all().all(), "with other photos every score is there"
    app.selectbox(key="data_item").select("c.png").run()
    assert app.query_params["item"] == "c.png"


def test_nobody_can_look_around_in_the_hosts_files(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(source="data", data=str(data))
    assert app.segmented_control(key="fixation_source").options == ["Your clicks", "A file"]
    assert "started without" in said(app)
    assert not [box for box in app.text_input if box.key == "typed_folder"]
    monkeypatch.setenv(fixation_data.MAY_TYPE, "1")
    app = start(source="data")
    app.text_input(key="typed_folder").set_value(str(data)).run()
    assert not app.exception and not app.error and "20 fixations" in said(app)
    app.text_input(key="typed_folder").set_value(str(data / "nothing")).run()
    assert "There is no folder" in app.error[0].value


def put_maps(folder: Path, *photos: str) -> Path:
    folder.mkdir()
    for at, photo in enumerate(photos):
        np.save(folder / f"{Path(photo).stem}.npy", np.random.default_rng(at).random((6, 9)))
    return folder


def test_folders_of_maps_of_other_models_compete(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_DATA", str(data.parent))
    app = start(source="data", item="b.png")
    assert not [box for box in app.text_input if box.key == "map_folders"], "a public host reads no path of a visitor"
    monkeypatch.setenv(fixation_data.MAY_TYPE, "1")
    whole = put_maps(tmp_path / "salgan", "a.png", "b.png", "c.png")
    part = put_maps(tmp_path / "mlnet", "a.png")
    app = start(source="data", item="b.png")
    app.text_input(key="map_folders").set_value(f"{whole}, ML-Net={part}, {tmp_path / 'none'}, x, y").run()
    assert not app.exception
    assert app.dataframe[0].value.index[-1] == "salgan"
    assert [error.value.split(";")[0] for error in app.error] == [
        "Only the first 3 folders of maps are shown.",
        "The folder mlnet lacks a map of b.png",
        "There is no folder none",
    ]
    app.selectbox(key="data_item").select("a.png").run()
    assert not app.exception and list(app.dataframe[0].value.index[-2:]) == ["salgan", "ML-Net"]


def test_a_panel_of_maps_that_are_no_longer_there_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_DATA", str(data.parent))
    app = start(source="data", item="b.png")
    app.session_state["looking"] = replace(chosen(app), maps=("own1:salgan", "centre"))
    app.run()
    assert not app.exception and not app.error


# --- links --------------------------------------------------------------------------------------------------


def test_the_choice_survives_its_way_through_an_address() -> None:
    looking = Looking("data", "osie", "1003.jpg", ("centre", "own"), "kl", "sanity", 1.5, 24.5, "jpeg", "features")
    assert fixation_state.from_address(fixation_state.to_address(looking)) == looking
    assert fixation_state.to_address(Looking()) == {}


@pytest.mark.parametrize(
    "parameters",
    [
        {"source": "nowhere", "score": "best", "show": "all", "maps": "nothing,else"},
        {"wide": "-1", "smooth": "99", "kind": "fog", "row": "none"},
        {"wide": "nan", "item": "<script>", "data": "../.."},
        {"maps": ",".join(["gradcam"] * 9)},
        {"photo": "nothing", "layer": "layer99", "fact": "9999"},
    ],
)
def test_a_wrong_link_changes_nothing_that_matters(parameters: dict[str, str]) -> None:
    app = start(looked(), **parameters)
    assert not app.error and len(app.dataframe) == 1
