"""Two replicas behind the real proxy: each browser stays at its own, and goes to the other when its own ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Visit
from tests.browser.test_restart import hears_again, view
from tests.deployment.caddy import Caddy, program
from tests.server import Server, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
Come = Callable[[str], Visit]
REPLICAS = ("127.0.0.2", "127.0.0.3")
COOKIE = "expectancy_replica"
ADDRESS = "/?photo=coffee&foil=3&layer=layer3&panels=contrast,gradcam"
LIMIT = 120_000
FILE = "geheim-5b1e77.png"


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[dict[str, Server]]:
    """Two apps that share their cookie secret, as compose.yaml's do, at one port of two addresses."""
    program()
    settings = {"STREAMLIT_SERVER_COOKIE_SECRET": "one secret for all replicas"}
    port = free_port()
    try:
        started = {
            host: Server(tmp_path / f"{host}.txt", environment=settings, host=host, port=port) for host in REPLICAS
        }
    except OSError as error:
        pytest.skip(f"this machine has one loopback address alone: {error}")
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture
def proxy(replicas: dict[str, Server], tmp_path: Path) -> Iterator[Caddy]:
    (port,) = {server.port for server in replicas.values()}
    started = Caddy(tmp_path, list(REPLICAS), port)
    yield started
    started.stop()


@pytest.fixture
def come(browser: Browser, proxy: Caddy) -> Iterator[Come]:
    """Open an address through the proxy, as a browser of its own. The proxy's certificate is one of its own making."""
    contexts = []

    def open_page(address: str) -> Visit:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 1000}, ignore_https_errors=True))
        seen = Visit(contexts[-1].new_page())
        hears = ("framereceived", lambda frame: seen.received.append(len(frame)))
        seen.page.on("websocket", lambda socket: socket.on(*hears))
        seen.page.goto(proxy.url + address)
        seen.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT)
        seen.settle()
        return seen

    yield open_page
    for context in contexts:
        context.close()


def place(seen: Visit) -> str:
    """What the cookie says of where a browser belongs: a text that tells replicas apart and nothing else."""
    (found,) = [each["value"] for each in seen.page.context.cookies() if each["name"] == COOKIE]
    return str(found)


def people(server: Server) -> int:
    """How many browsers are connected to a replica, as it says itself."""
    with build_opener(ProxyHandler({})).open(f"{server.url}/_stcore/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("active_sessions")]
    return int(line.split()[-1])


def apart(come: Come, address: str) -> tuple[Visit, Visit]:
    """Two browsers that the proxy has sent to different replicas."""
    first = come(address)
    for _ in range(20):  # a coin that falls on one side each time: once in a million
        other = come(address)
        if place(other) != place(first):
            return first, other
        other.page.context.close()
    raise AssertionError("the proxy sends everybody to one replica")


def upload(seen: Visit, folder: Path) -> None:
    photo = folder / FILE
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (60, 90, 3), np.uint8)).save(photo)
    seen.page.get_by_role("button", name="Your photo").click()
    seen.page.locator("input[type=file]").first.set_input_files(photo)
    seen.page.wait_for_url("**photo=upload**", timeout=LIMIT)
    seen.page.keyboard.press("Escape")
    seen.settle()
    assert FILE in seen.page.get_by_test_id("stMain").inner_text()


def test_browsers_stay_where_they_are_and_move_when_it_ends(
    come: Come, replicas: dict[str, Server], proxy: Caddy, tmp_path: Path
) -> None:
    ada, ben = apart(come, ADDRESS)
    assert sorted(people(server) for server in replicas.values())[0] >= 1, "both have visitors"
    home = {"ada": place(ada), "ben": place(ben)}
    for seen in (ada, ben, ada, ben):  # and stay there, whatever they ask for
        seen.page.reload()
        seen.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT)
        seen.settle()
    upload(ada, tmp_path)
    assert home == {"ada": place(ada), "ben": place(ben)}

    # Ada's replica is the one that loses a visitor when she closes her page.
    before = {host: people(server) for host, server in replicas.items()}
    page, context = ada.page.url, ada.page.context
    ada.page.close()
    while sum(people(server) for server in replicas.values()) == sum(before.values()):
        ben.page.wait_for_timeout(100)
    (hers,) = [host for host, server in replicas.items() if people(server) < before[host]]
    (other,) = set(REPLICAS) - {hers}
    ada = Visit(context.new_page())
    ada.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: ada.received.append(len(frame))))
    ada.page.goto(proxy.url + ADDRESS)
    ada.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT)
    ada.settle()
    assert place(ada) == home["ada"] and "photo=upload" in page

    was, heard, still = view(ada), len(ada.received), len(ben.received)
    replicas[hers].kill()
    proxy.names.addresses = [other]  # so does Docker's name server, when a container has ended
    hears_again(ada, heard)
    assert view(ada) == was, "by her address she is back where she was"
    assert place(ada) == home["ben"], "and the proxy knows where that is"
    assert len(ben.received) == still, "Ben has seen nothing of it"
    upload(ada, tmp_path)  # signed with the secret that both have
    assert people(replicas[other]) >= 2

    replicas[hers].start()
    proxy.names.addresses = list(REPLICAS)
    ben.page.reload()
    ben.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT)
    ben.settle()
    assert place(ben) == home["ben"], "nobody is sent away from where they are"
    logs = [proxy.log, *(server.log for server in replicas.values())]
    said = "\n".join(log.read_text(errors="replace") for log in logs)
    assert not [word for word in (FILE, "photo=", "foil=", "Traceback") if word in said], "no log names what people did"
