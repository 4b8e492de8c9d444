"""The runner: resumption, killed workers, errors, and the journal."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest

from engine.errors import DataError, ImageError, ModelError
from engine.evaluation.runner import Journal, Progress, Work, run

PHOTOS = [f"photo {i}" for i in range(6)]


@dataclass(frozen=True)
class Lengths:
    """Work for tests: the length of the name; kills its process once, or fails, at chosen photos."""

    kill_at: str = ""
    marker: str = ""
    fail_at: str = ""
    unprepared: bool = False
    prepared: str = ""  # a folder that gets a file for each preparation

    def __call__(self) -> Work:
        if self.prepared:
            Path(self.prepared, uuid4().hex).touch()
        if self.unprepared:
            raise ModelError("The network is not there.")
        return self.work

    def work(self, photo: str) -> dict:
        if photo == self.kill_at and not (self.marker and Path(self.marker).exists()):
            if self.marker:
                Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if photo == self.fail_at:
            raise ImageError("The picture is damaged.")
        return {"length": len(photo), "worker": 0}


EXPECTED = {photo: {"length": 7, "worker": 0} for photo in PHOTOS}


def test_in_this_process(tmp_path: Path) -> None:
    told: list[Progress] = []
    with Journal(tmp_path / "j.jsonl", {"a": 1}) as journal:
        assert run(Lengths(), PHOTOS, journal=journal, progress=told.append) == EXPECTED
    assert [p.done for p in told] == list(range(7))
    assert told[0].seconds_left is None
    assert "6 of 6 photos" in str(told[-1])


@pytest.mark.parametrize("jobs", [0, 2])
def test_one_bad_photo_does_not_end_the_run(jobs: int) -> None:
    results = run(Lengths(fail_at="photo 3"), PHOTOS, jobs=jobs)
    assert results == {**EXPECTED, "photo 3": {"error": "The picture is damaged."}}


@pytest.mark.parametrize("jobs", [0, 1])
def test_errors_of_preparation_reach_the_person(jobs: int) -> None:
    with pytest.raises(ModelError, match="The network is not there"):
        run(Lengths(unprepared=True), PHOTOS, jobs=jobs)


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    work = Lengths(kill_at="photo 2", marker=str(tmp_path / "killed"))
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        assert run(work, PHOTOS, journal=journal, jobs=2) == EXPECTED
    assert (tmp_path / "killed").exists()


def test_a_worker_is_prepared_once_however_many_photos_there_are(tmp_path: Path) -> None:
    photos = [f"photo {i}" for i in range(20)]
    assert list(run(Lengths(prepared=str(tmp_path)), photos, jobs=2)) == photos
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_workers_that_always_die_end_the_run_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.evaluation.runner.RESTARTS", 1)
    with pytest.raises(DataError, match="end again and again"):
        run(Lengths(kill_at="photo 0"), PHOTOS[:1], jobs=1)


def test_stopping_keeps_what_is_done_and_resuming_does_the_rest(tmp_path: Path) -> None:
    stop, done = threading.Event(), []

    def after_two(progress: Progress) -> None:
        done.append(progress.done)
        if progress.done == 2:
            stop.set()

    with Journal(tmp_path / "j.jsonl", {}) as journal:
        part = run(Lengths(), PHOTOS, journal=journal, progress=after_two, stop=stop)
    assert list(part) == PHOTOS[:2]
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        # Only the rest is done again: work that would fail on the first photos is not asked.
        whole = run(Lengths(fail_at="photo 0"), PHOTOS, journal=journal)
    assert whole == EXPECTED


KILLED_RUN = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from engine.evaluation.runner import Journal, run
from tests.evaluation.test_runner import Lengths, PHOTOS
def told(progress):
    if progress.done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
with Journal(Path({path!r}), {{}}) as journal:
    run(Lengths(), PHOTOS, journal=journal, progress=told)
"""


def test_a_killed_run_resumes_to_the_same_journal(tmp_path: Path) -> None:
    path, straight = tmp_path / "killed.jsonl", tmp_path / "straight.jsonl"
    root = str(Path(__file__).parents[2])
    died = subprocess.run([sys.executable, "-c", KILLED_RUN.format(root=root, path=str(path))], capture_output=True)
    assert died.returncode == -signal.SIGKILL
    with path.open("ab") as file:  # a line that the crash cut off
        file.write(b'{"photo": "photo 3", "resu')
    for name in (path, straight):
        with Journal(name, {}) as journal:
            assert run(Lengths(), PHOTOS, journal=journal) == EXPECTED
    assert path.read_bytes() == straight.read_bytes()


def test_a_journal_refuses_other_settings_files_and_writers(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path, {"methods": ["a"], "size": 1}) as journal:
        journal.append("x", {"n": 1.5})
        with pytest.raises(DataError, match="Another run is writing"), Journal(path, {}):
            pass
    with pytest.raises(DataError, match=r"other settings \(methods\)"), Journal(path, {"methods": ["b"], "size": 1}):
        pass
    with Journal(path, {"size": 1, "methods": ["a"]}) as journal:
        assert journal.results() == {"x": {"n": 1.5}}
    for content in ("a text\n", '{"photo": 1}\n', '{"settings": {}}\nrubbish\n', "[]\n"):
        path.write_text(content)
        with pytest.raises(DataError, match="no journal"), Journal(path, {}):
            pass
        assert path.read_text() == content
    with pytest.raises(DataError, match="cannot be written"), Journal(tmp_path, {}):
        pass


def test_the_journal_holds_plain_json(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        with pytest.raises(ValueError):
            journal.append("x", float("nan"))
        journal.append("é", None)
    lines = (tmp_path / "j.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"settings": {}}, {"photo": "é", "result": None}]


# --- Ray ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local_ray() -> Iterator[ModuleType]:
    """A Ray on this machine with room for two workers, started once for the tests that join one."""
    with pytest.MonkeyPatch.context() as patch:
        ray = ray_that_finds_the_tests(patch)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray
        ray.shutdown()


def ray_that_finds_the_tests(patch: pytest.MonkeyPatch) -> ModuleType:
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra cluster)")
    patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return ray  # type: ignore[no-any-return]


def test_a_ray_of_two_workers_gives_the_same_and_survives_that_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = ray_that_finds_the_tests(monkeypatch)
    work = Lengths(kill_at="photo 2", marker=str(tmp_path / "killed"))
    with Journal(tmp_path / "ray.jsonl", {}) as journal:
        assert run(work, PHOTOS, journal=journal, jobs=2, ray="") == EXPECTED
    assert (tmp_path / "killed").exists()
    assert not ray.is_initialized(), "a Ray that was started for a run ends with it"
    with Journal(tmp_path / "ray.jsonl", {}) as journal:
        assert journal.results() == EXPECTED


def test_a_ray_that_is_there_is_joined_and_left_running(local_ray: ModuleType) -> None:
    # More workers than the cluster has room for: those without a place hold no photo back.
    assert run(Lengths(), PHOTOS, jobs=4, ray="") == EXPECTED
    assert run(Lengths(fail_at="photo 3"), PHOTOS, ray="")["photo 3"] == {"error": "The picture is damaged."}
    assert local_ray.is_initialized()


def test_errors_of_workers_on_ray_reach_the_person(local_ray: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="not there"):
        run(Lengths(unprepared=True), PHOTOS, jobs=1, ray="")
    monkeypatch.setattr("engine.evaluation.runner.RESTARTS", 1)
    with pytest.raises(DataError, match="end again and again"):
        run(Lengths(kill_at="photo 0"), PHOTOS[:1], jobs=1, ray="")


def test_without_ray_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match="install the extra cluster"):
        run(Lengths(), PHOTOS, ray="")


def test_a_worker_that_runs_the_app_again_shows_no_page() -> None:
    """Where the app started the run, Python runs its file once more in every worker, under another name."""
    found = subprocess.run(
        [sys.executable, "-c", "import runpy, sys; runpy.run_path('app.py', run_name='__mp_main__'); "
         "print('streamlit' in sys.modules)"],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout.strip()) == (0, "False"), found.stderr
