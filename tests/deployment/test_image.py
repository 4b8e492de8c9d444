"""The Dockerfile's steps, done here as a script: what they make is complete, answers, writes nothing, asks nobody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.deployment import asked
from tests.deployment.dockerfile import LAST, build, ignored, library, named
from tests.server import ROOT, START_LIMIT, free_port
from tests.visitor import opened, words

PAGES = {  # and what each of them surely says
    "": "**Embedded recogniser** says",
    "layers": "Each row is a layer",
    "human_saliency": "Each person looks",
    "image_quality": "How much of the photo speaks against each Q",
    "benchmark": "What was published",
    "lesson": "**A question.**",
}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The image's files. Not below pytest's own folder: whenever a pytest starts, it shuts that to other users."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "root")
        root.mkdir()
        build(root)
        yield root


def test_what_is_installed_is_what_is_locked_and_what_the_makefile_installs() -> None:
    locked, own = (step.words for step in named("RUN", 0) if " pip install " in step.words)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = re.search(r"pip install (--no-cache-dir --require-hashes .*)", makefile)
    assert line is not None
    assert locked == f"/venv/bin/python -m pip install {line[1]}".replace(" .ci/", " /app/.ci/")
    assert "--no-index" in own and "--no-deps" in own, "the second installs the project itself and nothing else"
    assert "--check-build-dependencies" in own, "else it is built by what is there, whether that fits or not"


def test_nothing_is_fetched_without_a_hash_or_when_it_runs() -> None:
    for step in named("RUN"):
        assert not re.search(r"\b(curl|wget|git|apt-get|apt|npm)\b", step.words)
        if " pip install " in step.words:
            assert "--require-hashes" in step.words or "--no-index" in step.words
    assert not named("ADD")


def test_it_runs_as_nobody_special_and_says_how_it_is() -> None:
    (user,) = named("USER", LAST)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.words), "numbers, so that a host can check them"
    (health,) = named("HEALTHCHECK", LAST)
    assert "/_stcore/health" in health.words
    (command,) = named("CMD", LAST)
    assert command.parts[:5] == ["python", "-m", "streamlit", "run", "app.py"]


def test_the_steps_of_the_last_stage_make_its_user(tmp_path: Path) -> None:
    """Done for a system of its own below a folder, which these programs can do, but for root alone."""
    programs = [step.parts[0] for step in named("RUN", LAST)]
    assert programs == ["groupadd", "useradd"], "what else is run there is to be tried here, too"
    if os.name != "posix" or os.geteuid() != 0 or not all(map(shutil.which, programs)):
        pytest.skip("only root makes users, where there are groupadd and useradd")
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).touch()
    for program, *options in (step.parts for step in named("RUN", LAST)):
        subprocess.run([program, "--prefix", tmp_path, *options], check=True)
    (user,) = named("USER", LAST)
    name, _, *ids, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert ":".join(ids) == user.words and (home, shell) == ("/tmp", "/usr/sbin/nologin")
    assert (tmp_path / "etc" / "group").read_text().strip() == f"{name}:x:{ids[1]}:", "its group has a name"


def test_the_last_stage_fits_the_one_before_it() -> None:
    """An environment of Python works at the place where it was made and with the interpreter that made it."""
    first, last = (step.words.split()[0] for step in named("FROM"))
    assert first == last
    taken = [step.parts[1:] for step in named("COPY", LAST) if step.parts[0] == "--from=built"]
    assert taken == [["/venv", "/venv"], ["/app", "/app"]]
    (path,) = (step.words for step in named("ENV", LAST) if step.words.startswith("PATH="))
    assert path.startswith("PATH=/venv/bin:")


def test_the_image_has_what_the_app_needs_and_nothing_else(image: Path) -> None:
    inside = {path.relative_to(image / "app").parts[0] for path in (image / "app").rglob("*") if path.is_file()}
    assert inside == {
        ".ci", ".streamlit", "LICENSE", "README.md", "app.py", "assets", "engine", "pages", "pyproject.toml",
    }  # fmt: skip
    for name in ("recogniser.safetensors", "quality-nr.safetensors", "recogniser.json"):
        assert (image / "app" / "assets" / name).read_bytes() == (ROOT / "assets" / name).read_bytes()
    assert not list(image.rglob("screenshots"))


def test_the_build_steps_install_and_compile_the_project(image: Path, tmp_path: Path) -> None:
    told = [str(image / "venv" / "bin" / "expectancy"), "models"]
    settings = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(told, check=True, cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert said.stdout.startswith("embedded")
    for package in ("engine", "pages"):
        assert list((image / "app" / package).rglob("*.pyc"))


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


# --- the image's own command ---------------------------------------------------------------------------------------


def contents(root: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a folder: mode, size, and when it was changed. What came and went has changed its folder."""
    stats = {str(path.relative_to(root)): path.lstat() for path in (root, *root.rglob("*"))}
    return {name: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def environment(image: Path, home: Path) -> dict[str, str]:
    """What the last stage sets, with the image's places where they are here; what is asked for is noted in `home`."""
    told = dict(step.words.split("=", 1) for step in named("ENV", LAST))
    told["PATH"] = told["PATH"].replace("/venv/", f"{image}/venv/")
    return told | {"HOME": str(home), "TMPDIR": str(home), "EXPECTANCY_WEIGHTS": str(home / "none"),
                   asked.WHERE: str(home / "asked.txt")}  # fmt: skip


@pytest.fixture(scope="module")
def home(image: Path) -> Path:
    """A home for whoever runs it; from now on the image's Python notes whom it asks."""
    packages = library(image)
    packages.chmod(0o755)
    shutil.copy(asked.__file__, packages)
    (packages / "asked.pth").write_text("import asked\n")
    packages.chmod(0o555)
    folder = image.with_name("home")
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "asked.txt").touch()
    (folder / "asked.txt").chmod(0o666)
    return folder


def user(image: Path) -> dict[str, Any]:
    """Who is to run it: whom the image names, where that is allowed and can read this machine's Python.

    Else it is who runs the tests. Should that be root, no mode of a file stops it, but what it writes is seen.
    """
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    (step,) = named("USER", LAST)
    uid, gid = map(int, step.words.split(":"))
    other: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []}
    try:
        probe = [
            str(image / "venv" / "bin" / "python"),
            "-c",
            "import importlib.util as u; u.find_spec('torch').origin",
        ]
        return other if subprocess.run(probe, cwd="/", capture_output=True, **other).returncode == 0 else {}
    except OSError:
        return {}


@dataclass(frozen=True)
class Served:
    """The app, started as the image does, and what the image was before that."""

    url: str
    pid: int
    before: dict[str, tuple[int, int, int]]


@pytest.fixture
def served(image: Path, home: Path) -> Iterator[Served]:
    before, told, port = contents(image), environment(image, home), str(free_port())
    (command,), (health,) = named("CMD", LAST), named("HEALTHCHECK", LAST)
    start, check = ([part.replace("8501", port) for part in step.parts] for step in (command, health))
    with (home / "log.txt").open("wb") as log:
        # At all of this machine's addresses: at one alone Streamlit has no reason to look up which there are.
        process = subprocess.Popen(
            start, cwd=image / "app", env=told, stdout=log, stderr=subprocess.STDOUT, **user(image)
        )
    try:
        end = time.monotonic() + START_LIMIT
        while subprocess.run(check, env=told, capture_output=True).returncode:
            assert time.monotonic() < end and process.poll() is None, (home / "log.txt").read_text(errors="replace")
            time.sleep(0.5)
        yield Served(f"http://127.0.0.1:{port}", process.pid, before)
    finally:
        process.terminate()
        process.wait(20)


def test_it_shows_every_page_writes_nothing_and_asks_nobody(served: Served, image: Path, home: Path) -> None:
    for page, sentence in PAGES.items():
        said = opened(served.url, page)
        assert words(said, "exception") == []
        assert sentence in "\n".join(words(said)), (page, words(said, "alert"))
    log = (home / "log.txt").read_text(errors="replace")
    assert "Traceback" not in log and "Permission" not in log
    after = contents(image)
    assert not {name for name in served.before.keys() | after if served.before.get(name) != after.get(name)}
    notes = (home / "asked.txt").read_text().splitlines()
    assert f"watched: {served.pid}" in notes
    assert not [note for note in notes if not note.startswith("watched: ")]


CONNECTS = """
import socket, threading
def ask(host):
    with socket.socket(type=socket.SOCK_DGRAM) as out:
        out.connect((host, 9))
        socket.getaddrinfo(host, 9, flags=socket.AI_NUMERICHOST)
for host in ("127.0.0.1", "192.0.2.1"):  # the second one is for documentation: nobody has it
    thread = threading.Thread(target=ask, args=(host,))
    thread.start()
    thread.join()
"""


def test_it_would_be_seen_if_somebody_was_asked(image: Path, home: Path, tmp_path: Path) -> None:
    told = environment(image, home) | {asked.WHERE: str(tmp_path / "asked.txt")}
    subprocess.run(["python", "-c", CONNECTS], check=False, env=told, capture_output=True)
    _, *notes = (tmp_path / "asked.txt").read_text().splitlines()
    assert notes and set(notes) <= {"socket.connect 192.0.2.1", "socket.getaddrinfo 192.0.2.1"}
