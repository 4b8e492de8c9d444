"""A run of `expectancy evaluate saliency` that the page starts, follows and stops.

It is the same command that a person would type, in a process of its own: the app stays quick, and a run that was
stopped goes on where it was, since the command keeps a journal. Both go with the session.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

_STOPPED, _RESULTS = "stopped", "results.json"
_REFUSED = "expectancy: "  # begins what the command prints where it cannot go on
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
    def reached(self) -> str:
        """How far it came, in words."""
        return self.said.partition(",")[0] if self.share else "the start"

    @property
    def wrong(self) -> str:
        """The sentence with which it refused to go on; "" where there is none."""
        return self.said.removeprefix(_REFUSED) if self.said.startswith(_REFUSED) else ""

    @property
    def results(self) -> bytes | None:
        """The finished file's content."""
        path = self.folder / _RESULTS
        return path.read_bytes() if not self.going and path.is_file() else None


@dataclass(eq=False)
class Desk:
    """One session's runs: the latest, and a folder for each choice of options, so that the same choice goes on."""

    _files: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="expectancy-", ignore_cleanup_errors=True)
    )
    _folders: dict[tuple[str, ...], Path] = field(default_factory=dict)
    run: Run | None = None

    def start(self, options: Sequence[str]) -> Run:
        """Start the command with these options, or go on with it."""
        named = tuple(options)
        folder = self._folders.setdefault(named, Path(self._files.name) / str(len(self._folders)))
        folder.mkdir(exist_ok=True)
        command = ("evaluate", "saliency", *named, "--jobs", "0", "--json", str(folder / _RESULTS))
        for old in (_STOPPED, _RESULTS):
            (folder / old).unlink(missing_ok=True)
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "engine.cli", *command], stdout=log, stderr=log)
        self.run = Run(process, folder, command)
        return self.run

    def end(self) -> None:
        """The session is over: nobody could see what a run finds any more."""
        if self.run is not None:
            self.run.process.kill()
            self.run.process.wait()
        self._files.cleanup()


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda mine: mine.end())
def desk() -> Desk:
    """The runs of this session."""
    return Desk()


def stop(run: Run) -> None:
    """End it at once; what is done stays in its journal."""
    (run.folder / _STOPPED).touch()
    run.process.terminate()
