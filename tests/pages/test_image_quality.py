"""The page Image quality without a browser: photos and pairs, the lab, refining, links, and what is told."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from streamlit.testing.v1 import AppTest

from engine import Engine, quality
from engine.errors import WeightsError
from engine.models.quality_networks import Kind, PatchQualityNetwork
from engine.quality import QualityNetwork
from pages.widgets import session
from pages.widgets.quality_state import (
    LabStep,
    QualityChoice,
    from_address,
    state,
    step_from,
    step_text,
)
from tests.pages.test_compare import NAMES, marks_in

PAGE = str(Path(__file__).parents[2] / "pages" / "image_quality.py")
QUICK = {"stride": "32", "steps": "none"}
real = quality.load


@cache
def engine_of(name: str) -> Engine:
    """One engine for the tests of one fixture: what it keeps depends on the networks there."""
    return Engine(device="cpu")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full-reference network of seeded random weights, whether or not a trained one is embedded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = PatchQualityNetwork("full-reference")

    def load(kind: Kind, device: Any = None, **_: Any) -> QualityNetwork:
        return quality.wrap(module, {}, device) if kind == "full-reference" else real(kind, device)

    monkeypatch.setattr(quality, "load", load)
    monkeypatch.setattr(session, "engine", lambda: engine_of("compared"))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No full-reference network."""

    def load(kind: Kind, device: Any = None, **_: Any) -> QualityNetwork:
        if kind == "full-reference":
            raise WeightsError("not there")
        return real(kind, device)

    monkeypatch.setattr(quality, "load", load)
    monkeypatch.setattr(session, "engine", lambda: engine_of("alone"))


def start(**parameters: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def give(app: AppTest, photo: bytes | None = None, reference: bytes | None = None, name: str = "a.png") -> AppTest:
    for key, content in (("quality_file", photo), ("quality_reference_file", reference)):
        if content is not None:
            app.file_uploader(key=key).set_value((name, content, "image/png")).run()
            assert not app.exception
    return app


def chosen(app: AppTest) -> QualityChoice:
    choice: QualityChoice = app.session_state["quality_choice"]
    return choice


def said(app: AppTest) -> str:
    blocks = (*app.markdown, *app.caption, *app.error, *app.warning, *app.info)
    return " ".join(block.value for block in blocks)


def heading(app: AppTest) -> str:
    found = [block.proto.body for block in app.get("html") if "<h2>Why" in block.proto.body]
    return found[0]


def judged(app: AppTest) -> str:
    """The part of the caption that says at what size and how finely."""
    return next(block.value for block in app.caption if "opinion scale" in block.value)


def large_jpeg(width: int, height: int) -> bytes:
    """A photo-like picture: smooth clouds, then grain, as a JPEG file."""
    rng = np.random.default_rng(5)
    clouds = Image.fromarray(rng.integers(0, 255, (height // 64, width // 64, 3), np.uint8))
    buffer = io.BytesIO()
    clouds.resize((width, height), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def scene() -> np.ndarray:
    pixels: np.ndarray = data.coffee()[100:300, 150:410]
    return pixels


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


class TestFirstPaint:
    def test_a_damaged_sample_is_judged_without_a_click(self, compared: None) -> None:
        app = start(stride="32")
        assert not app.error and not app.warning and not app.info
        assert "rather than Q" in heading(app) and "one every 32" in judged(app)
        assert app.selectbox(key="quality_judge").options == [
            "with the undistorted photo",
            "without the undistorted photo",
        ]
        assert app.selectbox(key="quality_kind").value == "jpeg"

    def test_without_the_network_that_compares_it_is_told_and_judged_alone(self, alone: None) -> None:
        app = start(stride="32")
        assert "not part of this installation" in app.info[0].value
        assert "no-reference network" in said(app)

    def test_the_reference_is_used_only_where_it_is_asked_for(self, compared: None) -> None:
        app = start(stride="32")
        assert "full-reference network" in said(app)
        app.selectbox(key="quality_judge").select("without").run()
        assert "no-reference network" in said(app) and app.query_params["judge"] in ("without", ["without"])


class TestRefining:
    def test_a_coarse_map_comes_first_and_a_finer_one_follows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        strides: list[int] = []
        begun = quality.Judgement

        def told(network: QualityNetwork, pixels: Any, *others: Any) -> quality.Judgement:
            strides.append(others[1])
            return begun(network, pixels, *others)

        monkeypatch.setattr(quality, "Judgement", told)
        pixels = np.random.default_rng(3).integers(0, 255, (330, 420, 3), np.uint8)
        app = give(start(**QUICK), png(pixels))
        strides.clear()
        app.selectbox(key="quality_stride").select(8).run()
        assert strides == [8]  # the map at 32 was there already
        assert "one every 8" in judged(app) and not app.get("progress")
        app.selectbox(key="quality_stride").select(0).run()
        assert strides == [8, 4] and "one every 4" in judged(app)

    def test_few_patches_need_no_coarse_map(self) -> None:
        app = give(start(steps="none"), png(scene()[:100, :120]))
        assert "one every 4" in judged(app)

    def test_twenty_megapixels_are_judged_whole(self, alone: None) -> None:
        app = give(start(**QUICK), large_jpeg(5472, 3648), name="large.jpg")
        assert not app.error
        assert "5472 × 3648 pixels, 19,494 patches" in judged(app)
        passed = [bytes(each.proto.bytes) for each in app.get("bidi_component")]
        assert max(map(len, passed)) < 5_000_000, "maps of a size for a screen"


class TestLab:
    def test_every_step_lowers_the_photo_and_stands_in_the_address(self, alone: None) -> None:
        app = start(**QUICK)
        pristine = heading(app)
        press(app, "Add a distortion")
        assert chosen(app).steps == (LabStep("jpeg", 4),)
        app.selectbox(key="quality_kind").select("gaussian-blur").run()
        app.segmented_control(key="quality_level").set_value(5).run()
        assert chosen(app).steps == (LabStep("gaussian-blur", 5),)
        assert heading(app) < pristine  # the score comes first in both
        press(app, "Add a distortion")
        assert app.query_params["steps"] in ("gaussian-blur:5,gaussian-blur:4", ["gaussian-blur:5,gaussian-blur:4"])
        press(app, "Remove")
        press(app, "Remove")
        assert chosen(app).steps == () and heading(app) == pristine

    def test_the_step_that_is_changed_is_the_one_that_is_picked(self, alone: None) -> None:
        app = start(stride="32", steps="jpeg:1,contrast:2:0-0-500-500")
        app.pills(key="quality_steps").set_value(1).run()
        app.segmented_control(key="quality_level").set_value(4).run()
        assert chosen(app).steps == (LabStep("jpeg", 1), LabStep("contrast", 4, (0, 0, 500, 500)))

    def test_a_large_photo_is_reduced_for_the_lab_and_that_is_told(self, alone: None) -> None:
        app = give(start(**QUICK), png(np.tile(scene(), (6, 6, 1))))
        assert "1560 × 1200 pixels" in judged(app)
        press(app, "Add a distortion")
        assert "For the lab the photo was reduced from 1560 x 1200" in said(app)
        assert "1024 × 788 pixels" in judged(app)

    def test_another_photo_is_pristine(self, alone: None) -> None:
        app = start(stride="32")
        app.segmented_control(key="quality_photo").set_value("cat").run()
        assert chosen(app) == QualityChoice(photo="cat", stride=32, steps=())


class TestPairs:
    def test_a_pair_is_compared(self, compared: None) -> None:
        app = give(start(**QUICK), png(scene()), png(scene()))
        assert not app.error and not app.warning
        assert "full-reference network" in said(app)
        press(app, "Leave the reference out")
        assert "no-reference network" in said(app)

    def test_two_sizes_get_a_sentence_and_are_cropped_on_demand(self, compared: None) -> None:
        app = give(start(**QUICK), png(scene()), png(scene()[:180]))
        assert "The picture is 260 x 200 pixels and its reference 260 x 180" in app.error[0].value
        assert "no-reference network" in said(app)
        press(app, "Crop both to the common size")
        assert not app.error and "the middle 260 x 180 pixels of both" in said(app)
        assert "full-reference network" in said(app) and app.query_params["fit"] in ("crop", ["crop"])

    def test_a_moved_pair_is_noticed_and_aligned_on_demand(self, compared: None) -> None:
        app = give(start(**QUICK), png(scene()[6:, 9:]), png(scene()[:-6, :-9]))
        assert "moved against its reference by 9 px left and 6 px up" in app.warning[0].value
        press(app, "Move one over the other")
        assert not app.warning and "242 x 188 pixels that overlap" in said(app)

    def test_a_pair_of_two_scenes_cannot_be_aligned(self, compared: None) -> None:
        app = give(start(**QUICK), png(scene()), png(data.astronaut()))
        press(app, "Move one over the other")
        assert "No shift lays the picture on its reference" in app.error[0].value
        assert "no-reference network" in said(app)

    def test_a_new_photo_leaves_the_old_reference_behind(self, compared: None) -> None:
        app = give(start(**QUICK), png(scene()), png(scene()))
        give(app, png(scene()[:150]))
        assert not app.error and "no-reference network" in said(app)

    @pytest.mark.parametrize("content", [b"", b"I am a text", png(scene())[:500], png(np.zeros((4, 4, 3), np.uint8))])
    def test_a_bad_reference_gets_a_sentence_and_nothing_is_lost(self, compared: None, content: bytes) -> None:
        app = give(start(**QUICK), png(scene()))
        before = heading(app)
        give(app, reference=content)
        assert len(app.error) == 1 and app.error[0].value.endswith(".")
        assert heading(app) == before
        assert not give(app, reference=png(scene())).error

    @pytest.mark.parametrize("size", [(8, 8), (9, 700), (31, 33)])
    def test_pairs_smaller_than_a_patch_are_judged_too(self, compared: None, size: tuple[int, int]) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        app = give(start(**QUICK), png(pixels), png(255 - pixels))
        assert not app.error and f"{size[1]} × {size[0]} pixels" in judged(app)

    def test_a_hostile_name_is_never_shown_as_markup(self, alone: None) -> None:
        app = start(**QUICK)
        for name in NAMES:
            give(app, png(scene()), name=name)
            assert app.segmented_control(key="quality_photo").options[-1] == "Your photo"
            assert marks_in(app) == []


class TestAddress:
    @pytest.mark.parametrize(
        "choice",
        [
            QualityChoice(),
            QualityChoice("cat", "without", "align", 4, ()),
            QualityChoice(steps=(LabStep("sparse-sampling", 1), LabStep("jpeg", 5, (0, 10, 999, 1000)))),
        ],
    )
    def test_the_choice_survives_its_way_through_an_address(self, choice: QualityChoice) -> None:
        assert from_address(state.to_address(choice)) == choice

    def test_a_fresh_view_has_a_plain_address(self) -> None:
        assert state.to_address(QualityChoice()) == {}

    @pytest.mark.parametrize(
        "text",
        [
            "jpeg",
            "jpeg:6",
            "jpeg:0",
            "sharpen:3",
            "jpeg:3:10-10-5-20",
            "jpeg:3:0-0-2000-10",
            "jpeg:3:1-2-3",
            ":::",
            "jpeg:٣",
        ],
    )
    def test_a_step_that_cannot_be_read_is_left_out(self, text: str) -> None:
        assert step_from(text) is None
        assert from_address({"steps": f"{text},contrast:2"}).steps == (LabStep("contrast", 2),)

    def test_steps_are_written_briefly(self) -> None:
        assert step_text(LabStep("jpeg", 3, (1, 20, 300, 1000))) == "jpeg:3:1-20-300-1000"

    @pytest.mark.parametrize(
        "parameters",
        [
            {"photo": "nothing"},
            {"photo": "upload"},
            {"stride": "5", "judge": "maybe", "fit": "rotate"},
            {"steps": ",".join(["jpeg:5"] * 50)},
            {"photo": "<script>alert(1)</script>", "steps": ",,,"},
        ],
    )
    def test_a_wrong_link_is_told_and_the_page_goes_on(self, parameters: dict[str, str], alone: None) -> None:
        app = start(**{"stride": "32"} | parameters)
        assert "opinion scale" in judged(app)
        assert len(chosen(app).steps) <= 6
