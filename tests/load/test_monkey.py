"""2,000 random actions on all pages without an exception (`make soak`); 60 of them in `make test`."""

from __future__ import annotations

import gc
import math
import os
from pathlib import Path
from urllib.error import URLError

import pytest

from engine import Engine
from engine.models import catalogue
from pages.widgets import session
from tests.hostile.watch import resident
from tests.load.monkey import PAGES, Monkey

ACTIONS = int(os.environ.get("EXPECTANCY_ACTIONS", "60"))
SEED = int(os.environ.get("EXPECTANCY_SEED", "8"))
SMALL = ("embedded", "squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small")
CACHE = 48 * 2**20

pytestmark = [
    pytest.mark.timeout(600 + 60 * ACTIONS),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning"),
]


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    """Small networks and a small cache; no network, no data, and nothing is written outside the temporary folder."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("there is no network in this test")

    engine = Engine(memory_limit=CACHE, device="cpu")
    monkeypatch.setattr(session, "_engine", lambda: engine)
    monkeypatch.setattr(catalogue, "names", lambda: SMALL)
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("EXPECTANCY_WEIGHTS", str(tmp_path / "weights"))
    for name in ("EXPECTANCY_DATA", "EXPECTANCY_ALLOW_PATHS"):
        monkeypatch.delenv(name, raising=False)
    return engine


@pytest.mark.parametrize("page", PAGES)
def test_random_actions(page: str, bounded: Engine) -> None:
    actions = math.ceil(ACTIONS / len(PAGES))
    monkey = Monkey(page, SEED)
    settled = 0
    for number in range(actions):
        monkey.act()
        assert bounded.cache_bytes <= CACHE
        if number == actions // 2:
            gc.collect()
            settled = resident()
    if actions >= 200:  # fewer do not settle
        gc.collect()
        grown = (resident() - settled) / 2**20
        print(f"{page}: {actions} actions, {grown:+.0f} MB over the second half")
        assert grown < 150
    assert len(monkey.did) == actions
