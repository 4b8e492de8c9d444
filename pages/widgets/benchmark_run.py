"""A run of `expectancy evaluate saliency` that the page starts, follows and stops.

It is the same command that a person would type, in a process of its own: the app stays quick, and a run that was
stopped goes on where it was, since the command keeps a journal.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

_STOPPED, _RESULTS = "stopped", "results.json"
LAST = 4000
"""Bytes of the log's end that are looked at."""


@dataclass(frozen=True, eq=False)
class Run:
    """A started process and where it writes."""

    process: subprocess.Popen[bytes]
    folder: Path
    command: tuple[str, ...]

    @property
    def going(self) -> bool:
        """Whether it is still at work."""
        return self.process.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether a person ended it."""
        return (self.folder / _STOPPED).exists()

    @property
    def said(self) -> str:
        """The last line that it printed."""
        with (self.folder / "log.txt").open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LAST))
            lines = log.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "starting …")

    @property
    def share(self) -> float:
        """How far it is, 0 to 1, as its progress line says ("12 of 100 photos, …")."""
        words = self.said.split()
        if len(words) > 2 and words[0].isdecimal() and words[1] == "of" and words[2].isdecimal():
            return min(1.0, int(words[0]) / max(1, int(words[2])))
        return 0.0

    @property
    def results(self) -> bytes | None:
        """The finished file's content."""
        path = self.folder / _RESULTS
        return path.read_bytes() if not self.going and path.is_file() else None


def start(options: Sequence[str]) -> Run:
    """Start the command with these options; the same options go on in the same folder within a session."""
    kept: dict[tuple[str, ...], str] = st.session_state.setdefault("benchmark_folders", {})
    named = tuple(options)
    folder = Path(kept.setdefault(named, tempfile.mkdtemp(prefix="expectancy-")))
    command = ("evaluate", "saliency", *named, "--jobs", "0", "--json", str(folder / _RESULTS))
    for old in (_STOPPED, _RESULTS):
        (folder / old).unlink(missing_ok=True)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "engine.cli", *command], stdout=log, stderr=log)
    return Run(process, folder, command)


def stop(run: Run) -> None:
    """End it at once; what is done stays in its journal."""
    (run.folder / _STOPPED).touch()
    run.process.terminate()
