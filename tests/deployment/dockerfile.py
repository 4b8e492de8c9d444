"""The steps of the Dockerfile, read, and the image's file tree made of them without a container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.server import ROOT


@dataclass(frozen=True)
class Step:
    """One instruction: `stage` counts from 0."""

    stage: int
    name: str
    words: str

    @property
    def parts(self) -> list[str]:
        """Its words; of HEALTHCHECK those of its command."""
        text = self.words.partition(" CMD ")[2] if self.name == "HEALTHCHECK" else self.words
        parts: list[str] = json.loads(text) if text.startswith("[") else shlex.split(text)
        return parts


def steps(path: Path = ROOT / "Dockerfile") -> list[Step]:
    """All instructions in their order. Every instruction stands on one line."""
    found: list[Step] = []
    stage = -1
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, words = line.partition(" ")
        stage += name == "FROM"
        found.append(Step(stage, name, words))
    return found


STEPS = steps()
LAST = STEPS[-1].stage


def named(name: str, stage: int | None = None) -> list[Step]:
    """All instructions of that name, or those of one stage."""
    return [step for step in STEPS if step.name == name and stage in (None, step.stage)]


def ignored(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore keeps a path (relative, with /) out: its last rule that fits decides."""
    out = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        parts = path.split("/")
        heads = ["/".join(parts[: at + 1]) for at in range(len(parts))]
        deep = pattern.removeprefix("**/")
        if any(fnmatch(head, pattern) for head in heads) or (deep != pattern and deep in parts):
            out = not rule.startswith("!")
    return out


def copy(step: Step, target: Path) -> None:
    """Do a COPY from the project into the tree below `target`, as .dockerignore lets it through."""
    *sources, to = step.parts
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for source in sources:
        path = ROOT / source
        goal = target / to.lstrip("/")
        if path.is_file():
            assert not ignored(source, rules), f"{source} is kept out by .dockerignore"
            goal = goal / path.name if to.endswith("/") else goal
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, goal)
            continue
        assert path.is_dir(), f"there is no {source}"
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(ROOT).as_posix()
            if file.is_file() and not ignored(inside, rules):
                (goal / file.relative_to(path)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, goal / file.relative_to(path))


def library(root: Path) -> Path:
    """Where the packages of the image's Python lie."""
    (found,) = (root / "venv" / "lib").glob("python*/site-packages")
    return found


def run(step: Step, root: Path) -> None:
    """Do a RUN of the first stage. What is installed here stands for what is locked, which is not fetched."""
    if "--require-hashes" in step.words:
        (library(root) / "locked.pth").write_text(f"import sys; sys.path[:0] = {site.getsitepackages()}")
        return
    program, *words = re.sub(r"(?<![^ ])/(app|venv)\b", rf"{root}/\1", step.words).split()
    program = sys.executable if program == "python" else program
    subprocess.run([program, *words], check=True, cwd=root, env={"PATH": os.environ["PATH"], "HOME": str(root.parent)})


def build(root: Path) -> None:
    """Make the image's files below `root`: by all steps before the last stage, and what that copies from the project.

    What it copies from the stage before is there already, and its RUNs change the system around the app, not the app.
    """
    for step in STEPS:
        if step.name == "COPY" and not step.words.startswith("--from"):
            copy(step, root)
        elif step.name == "RUN" and step.stage < LAST:
            run(step, root)
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():  # the interpreter is one, to what is not ours
            mode = path.stat().st_mode & 0o111
            path.chmod(0o555 if path.is_dir() else 0o444 | mode)
