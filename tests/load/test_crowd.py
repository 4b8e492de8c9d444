"""What an outcome of `make load` says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.load.crowd import Outcome, crowd, troubles
from tests.load.witness import WHERE
from tests.server import Server
from tests.visitor import finished


def held(*sizes: int, caches: tuple[int, ...] = (), limit: int = 100) -> list[dict]:
    return [
        {"resident": size * 2**20 + cache, "cache": cache, "limit": limit, "worked": float(at)}
        for at, (size, cache) in enumerate(zip(sizes, caches or sizes, strict=True))
    ]


def test_growth_is_what_comes_after_the_caches_have_filled() -> None:
    flat = Outcome([("foil", 0.5)], [], held(10, 40, 60, 61, 60, 61, 60, 61))
    growing = Outcome([("foil", 0.5)], [], held(10, 40, 60, 61, 70, 80, 90, 100))
    assert flat.growth == 0 and growing.growth == 39 * 2**20
    kept = [line | {"given_out": 5 * 2**20} for line in held(10, 40, 60, 61, 70, 80, 90, 100, caches=(0,) * 8)]
    assert Outcome([], [], kept).growth == 0, "freed memory that the C library keeps is not in use"
    filling = Outcome([], [], held(10, 10, 10, 10, caches=(0, 10, 20, 90)))
    assert filling.growth == 0, "what the cache holds has a bound of its own"
    assert Outcome([], [], []).growth == 0


def test_a_cache_over_its_bound_is_seen() -> None:
    assert Outcome([], [], held(1, 99)).cache_within_bound
    assert not Outcome([], [], held(1, 101)).cache_within_bound
    assert not Outcome([], [], []).cache_within_bound, "nobody looked"


def test_the_report_names_every_kind() -> None:
    took = [("foil", 0.1), ("foil", 0.3), ("sample", 2.0)]
    found = Outcome(took, ["browser 0: something"], held(10, 20, 30, 40))
    assert found.seconds(0.5) == 0.3 and found.seconds(0.5, "foil") == pytest.approx(0.2)
    assert found.work == 1.0, "three seconds for three changes"
    for words in ("3 changes, 1 errors", "foil", "sample", "p95", "memory", "cache", "browser 0: something"):
        assert words in found.report()
    assert found.row(10, 2.5).startswith(
        "| 10 browsers for 2.5 minutes: foils, layers, photos | 3 changes; p95: foil 0.3 s"
    )


def test_what_nobody_did_is_told() -> None:
    took = [(kind, 0.1) for kind in ("first paint", "foil", "sample", "upload")]
    assert Outcome(took, [], []).missing == ["layer"]
    assert Outcome([*took, ("layer", 1.0)], [], []).missing == []


def test_two_browsers_for_a_while(tmp_path: Path) -> None:
    """The whole of `make load`, small."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium on this machine")
    notes = tmp_path / "witness.jsonl"
    server = Server(tmp_path / "log.txt", environment={WHERE: str(notes)}, launcher=("-m", "tests.load.witness"))
    try:
        found = finished(crowd(server, notes, executable, 2, 10, 0))
    finally:
        server.stop()
    assert found.errors == [] and found.cache_within_bound
    assert {"first paint", "upload", "foil"} <= {kind for kind, _ in found.took}
    assert len(found.arrived) == 2 and found.work > 0


def test_a_session_is_what_each_further_visitor_added() -> None:
    found = Outcome([("foil", 0.1)], [], held(10), [10 * 2**20, 13 * 2**20, 18 * 2**20])
    assert found.session == 4 * 2**20 and "10 MB with the first, +4.0 MB for each" in found.report()
    assert Outcome([], [], [], [10.0]).session == 0


def test_a_traceback_in_the_log_is_one_error_and_whole() -> None:
    boxed = "\x1b[31m── Traceback (most recent call last) ──\x1b[0m\n  53 │ except ExplorerError:\n"
    boxed += "\x1b[1mRuntimeError: \x1b[0mno\n"
    plain = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: yes\n'
    found = troubles(f"Hello\n{boxed}all is well\n{plain}2026 SomeError happened\nbye\n")
    assert [each.splitlines()[-1] for each in found] == [
        "RuntimeError: no",
        "ValueError: yes",
        "2026 SomeError happened",
    ]
    assert "53 │ except ExplorerError:" in found[0] and "\x1b" not in found[0] and troubles("all is well") == []
