"""The Dockerfile's steps, done here as a script: the tree that it makes starts, answers, and writes nothing."""

from __future__ import annotations

import os
import re
import site
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.deployment.dockerfile import Step, copy, ignored, steps
from tests.server import ROOT

STEPS = steps()
LAST = STEPS[-1].stage
NOBODY = 65534


def named(name: str, stage: int | None = None) -> list[Step]:
    return [step for step in STEPS if step.name == name and stage in (None, step.stage)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /app, by its COPY steps alone; nobody may write to it."""
    root = tmp_path_factory.mktemp("image")
    for step in named("COPY"):
        if not step.words.startswith("--from"):
            copy(step, root)
    for folder, _, files in os.walk(root, topdown=False):
        for file in files:
            Path(folder, file).chmod(0o444)
        Path(folder).chmod(0o555)
    for above in [root, *root.parents]:
        if above.stat().st_uid == os.geteuid() and "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o055)  # so that another user finds the way to it
    return root


def test_what_is_installed_is_what_is_locked_and_what_the_makefile_installs() -> None:
    locked, own = (step.words for step in named("RUN", 0) if " pip install " in step.words)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = re.search(r"pip install (--no-cache-dir --require-hashes .*)", makefile)
    assert line is not None
    assert locked == f"/venv/bin/python -m pip install {line[1]}".replace(" .ci/", " /app/.ci/")
    assert "--no-index" in own and "--no-deps" in own, "the second installs the project itself and nothing else"


def test_nothing_is_fetched_without_a_hash_or_when_it_runs() -> None:
    for step in named("RUN"):
        assert not re.search(r"\b(curl|wget|git|apt-get|apt|npm)\b", step.words)
        if " pip install " in step.words:
            assert "--require-hashes" in step.words or "--no-index" in step.words
    assert not named("ADD")


def test_it_runs_as_nobody_special_and_says_how_it_is() -> None:
    (user,) = named("USER", LAST)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.words), "numbers, so that a host can check them"
    assert any(f"--uid {user.words.split(':')[0]} " in step.words for step in named("RUN", LAST))
    (health,) = named("HEALTHCHECK", LAST)
    assert "/_stcore/health" in health.words
    (command,) = named("CMD", LAST)
    assert command.parts[:5] == ["python", "-m", "streamlit", "run", "app.py"]


def test_the_image_has_what_the_app_needs_and_nothing_else(tree: Path) -> None:
    inside = {path.relative_to(tree / "app").parts[0] for path in (tree / "app").rglob("*") if path.is_file()}
    assert inside == {
        ".ci", ".streamlit", "LICENSE", "README.md", "app.py", "assets", "engine", "pages", "pyproject.toml",
    }  # fmt: skip
    for name in ("recogniser.safetensors", "quality-nr.safetensors", "recogniser.json"):
        assert (tree / "app" / "assets" / name).read_bytes() == (ROOT / "assets" / name).read_bytes()
    assert not list(tree.rglob("__pycache__")) and not list(tree.rglob("screenshots"))


def test_the_build_steps_install_the_project(tmp_path: Path) -> None:
    """Each RUN of the first stage, done here; what is installed stands for what is locked, which is not fetched."""
    for step in named("COPY", 0):
        copy(step, tmp_path)
    done = []
    for step in named("RUN", 0):
        words = re.sub(r"(?<= )/(app|venv)\b", rf"{tmp_path}/\1", " " + step.words).replace("/venv/lib", "/app/pages")
        if "--require-hashes" in words:
            (library,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
            (library / "locked.pth").write_text(f"import sys; sys.path[:0] = {site.getsitepackages()}")
            continue
        words = words.replace(" python ", f" {sys.executable} ", 1) if words.startswith(" python ") else words
        subprocess.run(words.split(), check=True, cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        done.append(words)
    assert len(done) == 3
    told = [tmp_path / "venv" / "bin" / "expectancy", "models"]
    said = subprocess.run(told, check=True, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
    assert said.stdout.startswith("embedded")
    assert list((tmp_path / "app" / "pages").rglob("*.pyc"))


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("app.py", False),
        ("engine/images.py", False),
        ("assets/recogniser.json", False),
        (".streamlit/config.toml", False),
        (".ci/requirements.lock", False),
        ("engine/__pycache__/images.pyc", True),
        ("assets/screenshots/a.png", True),
        (".git/config", True),
        (".venv/bin/python", True),
        ("tests/conftest.py", True),
        (".ci/run", True),
        (".env", True),
    ],
)
def test_the_build_sees_only_what_it_needs(path: str, out: bool) -> None:
    assert ignored(path, (ROOT / ".dockerignore").read_text(encoding="utf-8").split()) == out


@pytest.fixture
def started(tree: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The image's own command, on a free port, as another user where that is allowed, with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    (command,) = named("CMD", LAST)
    words = [part.replace("8501", port).replace("0.0.0.0", "127.0.0.1") for part in command.parts]
    settings = dict(step.words.split("=", 1) for step in named("ENV", LAST))
    settings |= {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(tree / "app")}
    settings["EXPECTANCY_WEIGHTS"] = str(home / "none")
    other = os.name == "posix" and os.geteuid() == 0 and _may_run()
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *words[1:]], cwd=tree / "app", env=settings, stdout=log, stderr=subprocess.STDOUT,
            user=NOBODY if other else None, group=NOBODY if other else None, extra_groups=[] if other else None,
        )  # fmt: skip
    yield port, tmp_path / "log.txt"
    process.terminate()
    process.wait(20)


def _may_run() -> bool:
    """Whether another user can read the interpreter and its packages."""
    probe = [sys.executable, "-c", "import torch, streamlit"]
    try:
        return subprocess.run(probe, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/").returncode == 0
    except (OSError, PermissionError):
        return False


def test_the_tree_starts_is_healthy_and_writes_nothing(started: tuple[str, Path], tree: Path) -> None:
    port, log = started
    (health,) = named("HEALTHCHECK", LAST)
    check = [sys.executable, *(part.replace("8501", port) for part in health.parts[1:])]
    end = time.monotonic() + 120
    while subprocess.run(check, capture_output=True).returncode and time.monotonic() < end:
        time.sleep(0.5)
    assert subprocess.run(check).returncode == 0, log.read_text(errors="replace")[-2000:]
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        assert answer.status == 200 and b"<html" in answer.read()
    said = log.read_text(errors="replace")
    assert "Traceback" not in said and "Permission" not in said
    assert not [path for path in tree.rglob("*") if path.suffix == ".pyc" or path.name == "__pycache__"]


def test_the_trees_command_line_works(tree: Path, tmp_path: Path) -> None:
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tree / "app")}
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "models"], cwd=tree / "app", env=settings, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("embedded")
