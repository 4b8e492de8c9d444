"""Work over many photos that survives interruption: local processes, or Ray when asked.

Results are kept in a journal, one line of JSON for each photo, appended in one write: a run that was killed
resumes where it stopped and ends in the same results. Workers compute with one thread each, so that results do
not depend on how many there are.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import torch

from engine import memory
from engine.errors import DataError, ExplorerError

Result = Any
"""What the work on one photo gives: anything that JSON holds."""
Work = Callable[[str], Result]
Prepare = Callable[[], Work]
"""Picklable; called once in each worker (it loads networks), gives the work on one photo."""
Stream = Generator[tuple[str, Result], None, None]
"""Photos with their results, as they come."""

RESTARTS = 3
"""How often in a row workers may die without finishing anything."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: photos done of all (0: not known), and the seconds spent on those done in this session."""

    done: int
    total: int
    done_now: int
    seconds: float
    unit: str = "photos"

    @property
    def seconds_left(self) -> float | None:
        """An estimate by the rate so far; None before the first photo."""
        known = self.done_now and self.total
        return (self.total - self.done) * self.seconds / self.done_now if known else None

    def __str__(self) -> str:
        counted = f"{self.done} of {self.total} {self.unit}" if self.total else f"{self.done} {self.unit}"
        if self.seconds_left is None:
            return counted
        rate = self.done_now / max(self.seconds, 1e-9)
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{counted}, {rate:.2g} a second, {minutes} min {seconds:02d} s left"


class Journal:
    """Results by photo in a file; the first line holds the settings, which must agree to resume.

    A last line that was cut off by a crash is dropped. Only one run at a time may write.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings))
        self._file: int | None = None

    def __enter__(self) -> Journal:
        """Open for appending. Raises DataError for other settings, a file of another kind, or a second run."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise DataError(f"The file {self.path.name} cannot be written; choose another place.") from error
        try:
            lock(self._file, self.path)
            self._check()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def results(self) -> dict[str, Result]:
        """What the journal holds so far."""
        lines = self.path.read_bytes().split(b"\n")[1:-1]
        entries = [json.loads(line) for line in lines]
        return {entry["photo"]: entry["result"] for entry in entries}

    def append(self, photo: str, result: Result) -> None:
        """Add one result; it is on the disk when this returns."""
        self._write({"photo": photo, "result": result})

    def _write(self, entry: Mapping[str, Any]) -> None:
        assert self._file is not None, "open the journal with `with` first"
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            os.write(self._file, line.encode())
            os.fsync(self._file)
        except OSError as error:
            raise DataError(f"The file {self.path.name} cannot be written; is the disk full?") from error

    def _check(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        if not whole:
            self._write({"settings": self._settings})
            return
        try:
            found = json.loads(whole.split(b"\n", 1)[0])["settings"]
            self.results()
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"The file {self.path.name} is no journal of results; choose another name.") from error
        if found != self._settings:
            different = sorted(k for k in {*found, *self._settings} if found.get(k) != self._settings.get(k))
            raise DataError(
                f"The file {self.path.name} holds results for other settings ({', '.join(different)}); "
                "choose another name or delete it."
            )


def run(
    prepare: Prepare,
    photos: Sequence[str],
    *,
    journal: Journal | None = None,
    jobs: int = 0,
    ray: str | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> dict[str, Result]:
    """Do the work on every photo that the journal does not hold yet.

    Args:
        prepare: makes the work in each worker.
        photos: names; their order is that of the results.
        journal: an open journal to resume from and append to; without one, nothing is kept.
        jobs: worker processes; 0 works in this process.
        ray: use Ray: "" starts it on this machine, an address joins a cluster; ``jobs`` is the number of its
            workers then (0: one for each CPU).
        progress: told after each photo.
        stop: when set, no new photo is begun and the results so far are returned.

    Returns:
        Results by photo. A photo that cannot be used has the result ``{"error": sentence}``.

    Raises:
        DataError: workers die again and again, or Ray is not installed.
        ExplorerError: what ``prepare`` raises.
    """
    results = journal.results() if journal else {}
    pending = [photo for photo in photos if photo not in results]
    before, start = len(photos) - len(pending), time.monotonic()
    progress(Progress(before, len(photos), 0, 0.0))
    if ray is not None and pending:
        stream = _on_ray(prepare, pending, jobs, ray)
    else:
        stream = _in_processes(prepare, pending, jobs) if jobs else _here(prepare, pending)
    with contextlib.closing(stream):
        for done_now, (photo, result) in enumerate(stream, start=1):
            results[photo] = result
            if journal:
                journal.append(photo, result)
            progress(Progress(before + done_now, len(photos), done_now, time.monotonic() - start))
            if stop is not None and stop.is_set():
                break
    return {photo: results[photo] for photo in photos if photo in results}


def _attempt(work: Work, photo: str) -> Result:
    try:
        return work(photo)
    except ExplorerError as error:  # one unusable photo must not end a run of thousands
        return {"error": str(error)}


def _here(prepare: Prepare, photos: Sequence[str]) -> Stream:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        work = prepare() if photos else None
        for photo in photos:
            assert work is not None
            yield photo, _attempt(work, photo)
    finally:
        torch.set_num_threads(threads)


# --- local processes ----------------------------------------------------------------------------------------

_prepare: Prepare | None = None
_work: Work | None = None


def _start_worker(prepare: Prepare) -> None:
    """In a worker: one thread, deaf to Ctrl-C (the parent ends it), and gone when the parent is gone."""
    global _prepare
    _prepare = prepare
    memory.keep()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _do(photo: str) -> Result:
    """In a worker: the work on one photo; networks are loaded with the first, so that errors reach the parent."""
    global _work
    if _work is None:
        assert _prepare is not None
        _work = _prepare()
    return _attempt(_work, photo)


def _in_processes(prepare: Prepare, photos: Sequence[str], jobs: int) -> Stream:
    """Results as they come. Workers that die (memory, a signal) are replaced and their photos done again."""
    pending = list(photos)
    deaths = 0
    while pending:
        try:
            for photo, result in _with_pool(prepare, tuple(pending), min(jobs, len(pending))):
                pending.remove(photo)
                deaths = 0
                yield photo, result
        except BrokenProcessPool as error:
            deaths += 1
            if deaths > RESTARTS:
                raise _dying(pending[0]) from error


def _dying(photo: str) -> DataError:
    return DataError(
        f"Worker processes end again and again, the last near {photo}; is there enough memory for so many jobs?"
    )


def _with_pool(prepare: Prepare, photos: Sequence[str], jobs: int) -> Stream:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy reads it when a worker imports it
    context = multiprocessing.get_context("spawn")  # a forked copy of torch may hang
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (prepare,))
    try:
        waiting = iter(photos)
        running: dict[Future, str] = {}
        while True:
            # Few at a time: memory stays bounded, and a stop is quick.
            for photo in waiting:
                running[pool.submit(_do, photo)] = photo
                if len(running) >= 2 * jobs:
                    break
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                result = future.result()
                yield running.pop(future), result
    finally:
        workers = list((pool._processes or {}).values())  # no public way to end a worker at once
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()


# --- Ray ----------------------------------------------------------------------------------------------------


class _RayWorker:
    """An actor: networks are loaded once, with its first photo, and again if it is restarted."""

    def __init__(self, prepare: Prepare) -> None:
        memory.keep()
        torch.set_num_threads(1)
        self._prepare = prepare
        self._work: Work | None = None

    def ready(self) -> None:
        """Answers once the cluster has found a place for this worker."""

    def do(self, photo: str) -> Result:
        if self._work is None:
            self._work = self._prepare()
        return _attempt(self._work, photo)


def _on_ray(prepare: Prepare, photos: Sequence[str], jobs: int, address: str) -> Stream:
    """Results as they come from actors. Ray restarts an actor that dies and tries its photos again."""
    try:
        import ray
    except ImportError as error:
        raise DataError("Ray is not installed; install the extra cluster, or leave --ray out.") from error
    own = not ray.is_initialized()
    if own:
        # A Ray of its own has room for as many workers as were asked for; a cluster tells how many it has room for.
        room = None if address else jobs or None
        quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        try:
            ray.init(address or None, num_cpus=room, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise DataError("Ray cannot be reached at this address; start it or leave the address out.") from error
    workers: list[Any] = []
    try:
        resources = ray.cluster_resources()
        count = min(jobs or max(1, int(resources.get("CPU", 1))), len(photos))
        gpus = min(1.0, resources.get("GPU", 0) / count)
        actor = ray.remote(_RayWorker).options(num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=RESTARTS)
        workers = [actor.remote(prepare) for _ in range(count)]
        yield from _from_actors(ray, workers, photos)
    finally:
        for worker in workers:
            ray.kill(worker)
        if own:
            ray.shutdown()


def _from_actors(ray: Any, workers: Sequence[Any], photos: Sequence[str]) -> Stream:
    """Photos go only to workers that are up: on a busy cluster those that wait for a place hold no photo back."""
    waiting = iter(photos)
    running: dict[Any, tuple[str, Any]] = {}
    starting = {worker.ready.remote(): worker for worker in workers}
    missing = len(photos)

    def give(worker: Any) -> None:
        photo = next(waiting, None)
        if photo is not None:
            running[worker.do.remote(photo)] = photo, worker

    while missing:
        (reference, *_), _ = ray.wait([*running, *starting], num_returns=1)
        if reference in starting:
            worker = starting.pop(reference)
            give(worker)
            give(worker)  # one ahead, so that no worker waits for its next photo
            continue
        photo, worker = running.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, ExplorerError) else error from None
        except ray.exceptions.RayActorError as error:
            raise _dying(photo) from error
        give(worker)
        missing -= 1
        yield photo, result


def lock(file: int, path: Path) -> None:
    """Keep a second run from the same open file until it is closed, where the system offers locks; else DataError."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DataError(f"Another run is writing {path.name}; wait for it or choose another name.") from error
