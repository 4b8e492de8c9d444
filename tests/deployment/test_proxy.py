"""compose.yaml: what its services may do, that the proxy's rules fit the app, and that the proxy keeps them.

The proxy is the real one where it is installed, before replicas that are a few lines each. Before the app itself it is
in `tests/browser/test_replicas.py`.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.caddy import TRUSTING, Caddy, caddyfile, program
from tests.server import ROOT, free_port

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


def test_the_proxy_logs_no_visits_and_faults_without_the_request(composed: dict[str, Any]) -> None:
    settings, site = composed["configs"]["caddy"]["content"].split("{$$DOMAIN}")
    assert "log" not in re.findall(r"^\s*(\w+)", site, re.MULTILINE)
    assert "request delete" in settings


def test_the_proxy_looks_often_for_replicas_that_have_ended(composed: dict[str, Any]) -> None:
    text = composed["configs"]["caddy"]["content"]
    refresh, tries = (re.search(rf"{name} (\d+)s", text) for name in ("refresh", "lb_try_duration"))
    assert refresh is not None and tries is not None and int(refresh[1]) * 2 <= int(tries[1])


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


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    caddy = program()
    path = tmp_path / "Caddyfile"
    path.write_text(caddyfile())
    subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", path],
        check=True,
        cwd=tmp_path,
        env={"DOMAIN": "localhost", "HOME": str(tmp_path)},
    )


# --- the real one --------------------------------------------------------------------------------------------------

REPLICAS = ("127.0.0.2", "127.0.0.3")
LIMIT = 51_000_000


class Replica(ThreadingHTTPServer):
    """It says where it is, and notes how much of a body came."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Visit)
        self.came: list[int] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Visit(BaseHTTPRequestHandler):
    server: Replica

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.server.server_address[0]).encode())

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left and (block := self.rfile.read(min(left, 1 << 20))):
            left -= len(block)
        self.server.came.append(int(self.headers["Content-Length"]) - left)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def replicas() -> Iterator[dict[str, Replica]]:
    program()
    port = free_port()
    try:
        started = {host: Replica(host, port) for host in REPLICAS}
    except OSError as error:
        pytest.skip(f"this machine has one loopback address alone: {error}")
    yield started
    for replica in started.values():
        replica.end()


@pytest.fixture
def proxy(replicas: dict[str, Replica], tmp_path: Path) -> Iterator[Caddy]:
    (port,) = {replica.server_address[1] for replica in replicas.values()}
    started = Caddy(tmp_path, list(replicas), port)
    yield started
    started.stop()


def ask(
    proxy: Caddy, path: str = "/", cookie: str = "", method: str = "GET", body: bytes | None = None, origin: str = ""
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer; 0 where the proxy hung up."""
    connection = http.client.HTTPSConnection("localhost", proxy.port, timeout=60, context=TRUSTING)
    headers = {name: value for name, value in {"Cookie": cookie, "Origin": origin}.items() if value}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, {}, ""
    finally:
        connection.close()


def test_it_speaks_https_and_tells_browsers_to(proxy: Caddy) -> None:
    status, headers, _ = ask(proxy)
    assert status == 200 and headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    plain = http.client.HTTPConnection("localhost", proxy.plain_port, timeout=60)
    plain.request("GET", "/?photo=cat")
    moved = plain.getresponse()
    assert moved.status == 308 and str(moved.headers["Location"]).startswith("https://localhost")
    plain.close()


def test_pages_of_other_sites_do_not_reach_the_app(proxy: Caddy) -> None:
    status, _, home = ask(proxy, origin=proxy.url)
    assert status == 200 and home in REPLICAS
    for foreign in ("https://other.example", "http://localhost", f"http://localhost:{proxy.port}", "null"):
        status, headers, text = ask(proxy, origin=foreign)
        assert (status, text) == (403, "") and "Set-Cookie" not in headers, foreign


def test_it_bounds_what_is_sent(proxy: Caddy, replicas: dict[str, Replica]) -> None:
    def came() -> list[int]:
        return [count for replica in replicas.values() for count in replica.came]

    assert ask(proxy, method="PUT", body=bytes(LIMIT))[0] == 204 and came() == [LIMIT]
    status, _, _ = ask(proxy, method="PUT", body=bytes(LIMIT + 1))
    assert status in (0, 413, 502), "Caddy's versions refuse in different words"
    assert max(came()) <= LIMIT


def test_a_browser_stays_at_its_replica_and_goes_to_another_when_that_ends(
    proxy: Caddy, replicas: dict[str, Replica]
) -> None:
    homes = {}
    while len(homes) < 2:
        _, headers, home = ask(proxy)
        homes[home] = headers["Set-Cookie"].partition(";")[0]
    for home, cookie in homes.items():
        assert {ask(proxy, cookie=cookie)[2] for _ in range(8)} == {home}
    ended, other = REPLICAS
    replicas.pop(ended).end()
    proxy.names.addresses = [other]  # so does Docker's name server, when a container has ended
    status, headers, home = ask(proxy, cookie=homes[ended])
    assert (status, home) == (200, other), "the first request already, and not an error before it"
    assert headers["Set-Cookie"].startswith(homes[other])


def test_its_faults_name_no_address_and_nobody(proxy: Caddy) -> None:
    proxy.names.addresses = []
    while ask(proxy, "/?photo=geheim")[0] != 503:  # until it has looked again
        pass
    said = proxy.log.read_text(encoding="utf-8")
    assert "no upstreams available" in said and '"status":503' in said
    assert not [word for word in ("geheim", "remote_ip", "User-Agent", "uri") if word in said]
