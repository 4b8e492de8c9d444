"""Every page says what becomes of a person's photos, and the app's settings keep that word."""

import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets.privacy import LINE
from pages.widgets.session import from_address

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py")


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


@pytest.mark.parametrize("page", PAGES)
def test_no_page_takes_weights_from_a_visitor(app: AppTest, page: str) -> None:
    app.switch_page(f"pages/{page}").run()
    taken = [kind for upload in app.get("file_uploader") for kind in upload.proto.type]
    assert not {".safetensors", ".pt", ".pth", ".bin"} & set(taken)


@pytest.mark.parametrize("named", ["/etc/own.safetensors", "own.safetensors", "../own.safetensors"])
def test_no_link_names_weights(named: str) -> None:
    assert from_address({"weights": named}).weights == "default"
