"""compose.yaml: what its services may do, and that the proxy's rules fit the app."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from tests.server import ROOT

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return content


def test_the_app_has_no_way_out_and_nothing_to_write_to(composed: dict[str, Any]) -> None:
    app = composed["services"]["app"]
    assert app["read_only"] is True and app["cap_drop"] == ["ALL"] and "ports" not in app
    assert app["networks"] == ["inside"] and composed["networks"]["inside"] == {"internal": True}
    assert all(volume.endswith(":ro") for volume in app["volumes"])
    assert app["environment"]["EXPECTANCY_ALLOW_PATHS"] == "0"
    assert "mem_limit" in app and "pids_limit" in app


def test_all_replicas_share_one_cookie_secret(composed: dict[str, Any]) -> None:
    assert composed["services"]["app"]["environment"]["STREAMLIT_SERVER_COOKIE_SECRET"].startswith("${COOKIE_SECRET:?")
    assert "lb_policy cookie" in composed["configs"]["caddy"]["content"]


def test_only_the_proxy_speaks_to_the_world(composed: dict[str, Any]) -> None:
    assert [name for name, service in composed["services"].items() if "ports" in service] == ["proxy"]
    proxy = composed["services"]["proxy"]
    assert proxy["read_only"] is True and proxy["depends_on"]["app"]["condition"] == "service_healthy"
    assert "log" not in re.findall(r"^\s*(\w+)", composed["configs"]["caddy"]["content"], re.MULTILINE)


def test_the_proxys_limit_lets_the_largest_upload_through_and_no_more(composed: dict[str, Any]) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    limit = re.search(r"max_size (\d+)MB", composed["configs"]["caddy"]["content"])
    assert limit is not None
    assert config["server"]["maxUploadSize"] < int(limit[1]) * 1e6 / 2**20 + 2, "a body has a frame around the file"
    assert int(limit[1]) <= config["server"]["maxUploadSize"] + 4


def test_no_page_elsewhere_may_frame_the_app(composed: dict[str, Any]) -> None:
    policy = re.search(r'Content-Security-Policy "([^"]+)"', composed["configs"]["caddy"]["content"])
    assert policy is not None and "frame-ancestors 'none'" in policy[1]


def test_the_app_is_told_to_be_careful() -> None:
    server = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]
    assert server["enableXsrfProtection"] is True and server["enableCORS"] is True


def test_caddy_takes_its_file(composed: dict[str, Any], tmp_path: Any) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("no caddy on this machine")
    path = tmp_path / "Caddyfile"
    path.write_text(composed["configs"]["caddy"]["content"].replace("$$", "$"))
    subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", path], check=True, env={"DOMAIN": "localhost"}
    )
