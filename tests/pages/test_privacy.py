"""Every page says what becomes of a person's photos, and the app's settings keep that word."""

import ast
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from streamlit.testing.v1 import AppTest

from pages.widgets.privacy import LINE
from pages.widgets.session import from_address

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py")
TAKEN = {
    "upload_file": ("compare.py", {}, "photo.png"),
    "quality_file": ("image_quality.py", {}, "photo.png"),
    "quality_reference_file": ("image_quality.py", {}, "photo.png"),
    "own_map": ("human_saliency.py", {}, "map.npy"),
    "clicks_files": ("human_saliency.py", {}, "clicks.csv"),
    "fixation_file": ("human_saliency.py", {"source": "file"}, "fixations.csv"),
    "results_file": ("benchmark.py", {}, "results.json"),
    "bundle_file": ("", {}, "bundle.zip"),
}
"""Every place that takes a file, by its key: the page with it ("": a dialog), its address, a name that is taken there.
None takes weights: whoever adds one says here what it takes."""
CAMERA = "upload_camera"


@pytest.fixture(scope="module")
def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=240).run()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_becomes_of_photos(app: AppTest, page: str) -> None:
    app.switch_page(f"pages/{page}").run()
    assert not app.exception
    assert [caption.value for caption in app.caption].count(LINE) == 1


def test_every_page_is_in_the_navigation() -> None:
    source = (ROOT / "app.py").read_text(encoding="utf-8")
    assert [page for page in PAGES if f'"pages/{page}"' not in source] == []


def test_the_settings_keep_the_word() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["enableXsrfProtection"] is True and config["server"]["enableCORS"] is True
    assert config["client"]["showErrorDetails"] == "none"
    assert config["server"]["maxUploadSize"] <= 50
    assert config["logger"]["hideWelcomeMessage"] is True, "else Streamlit's own offers lie over the page"


def test_nothing_takes_a_file_but_what_is_listed_here() -> None:
    calls = [
        node
        for path in (ROOT / "pages").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("file_uploader", "camera_input", "audio_input", "chat_input")
    ]  # fmt: skip
    keys = [ast.literal_eval(word.value) for call in calls for word in call.keywords if word.arg == "key"]
    assert len(keys) == len(calls) and sorted(keys) == sorted([*TAKEN, CAMERA])


@pytest.mark.parametrize("key", TAKEN)
def test_weights_that_are_uploaded_are_read_nowhere(key: str) -> None:
    """Not even under a name that is taken there, as a browser would send them: one sentence is what comes of them."""
    page, address, name = TAKEN[key]
    if page:
        app = AppTest.from_file(str(ROOT / "pages" / page), default_timeout=240)
        app.query_params.update(address)
    else:
        app = AppTest.from_function(shared, default_timeout=240)
    app.run()
    taking = app.file_uploader(key=key)
    assert not {".safetensors", ".pt", ".pth", ".bin"} & set(taking.proto.type)
    if not taking.proto.type:
        name = "own.safetensors"
    taking.set_value((name, save({"weight": np.zeros(3, np.float32)}), "application/octet-stream")).run()
    assert not app.exception
    told = [error.value for error in app.error] or [app.session_state["map_error"]]
    assert len(told) == 1 and f"{name} " in told[0] and told[0].endswith(".")


def shared() -> None:
    """What “Share” opens."""
    from engine.bundle import Place
    from pages.widgets.share import share_dialog

    share_dialog(Place("compare", {}), None, "", "")


@pytest.mark.parametrize("named", ["/etc/own.safetensors", "own.safetensors", "../own.safetensors"])
def test_no_link_names_weights(named: str) -> None:
    assert from_address({"weights": named}).weights == "default"
