"""Imports run one way: app -> pages -> pages/widgets -> engine, and inside the engine from plain to composed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each may import of the engine; the order is the design's.
PLAIN = {"errors", "images", "layers", "memory"}
ENGINE = {
    "errors": set(),
    "memory": {"errors"},
    "images": {"errors", "memory"},
    "layers": {"errors"},
    "cache": set(),
    "maps": set(),
    "questions": {"errors"},
    "capture": PLAIN,
    "geometry": {*PLAIN, "capture", "maps"},
    "models.model": {*PLAIN, "capture", "geometry", "maps"},
    "models.weights": {"errors"},
    "trace": {*PLAIN, "cache", "capture", "models.model", "questions"},
    "readings": {"layers", "questions", "render", "trace"},
    "surprisal": {*PLAIN, "capture", "trace"},
    "methods": {"errors", "questions", "readings"},
}
LIGHT = {"render", "scores"}  # these need no torch


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module
            package = ROOT.joinpath(*node.module.split("."))
            for name in node.names:
                inner = (package / f"{name.name}.py").exists() or (package / name.name).is_dir()
                yield f"{node.module}.{name.name}" if inner else node.module


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", files("engine"), ids=name_of)
def test_the_engine_knows_nothing_of_the_browser(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"streamlit", "pages", "app", "tests"}


@pytest.mark.parametrize("name", ENGINE)
def test_the_engine_is_built_from_plain_to_composed(name: str) -> None:
    path = ROOT.joinpath("engine", *name.split(".")).with_suffix(".py")
    inside = {used.removeprefix("engine.") for used in imports(path) if used.split(".")[0] == "engine"}
    assert inside <= ENGINE[name]


@pytest.mark.parametrize("name", sorted(LIGHT))
def test_light_parts_need_numpy_alone(name: str) -> None:
    path = ROOT / "engine" / f"{name}.py"
    assert not {used.split(".")[0] for used in imports(path)} & {"torch", "torchvision", "captum"}


def test_one_file_alone_registers_hooks() -> None:
    with_hooks = {
        name_of(path)
        for path in files("engine")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("register_") and node.attr.endswith("_hook")
    }
    assert with_hooks == {"engine.capture"}


UNPICKLING = {
    *("torch.load", "torch.serialization.load", "torch.jit.load", "torch.export.load", "torch.package.PackageImporter"),
    *("torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url"),
}
MAY_UNPICKLE = {"engine.models.weights"}
"""torchvision's own files, whose hash is known, and of them plain arrays alone: never a person's file."""


def unpickling(tree: ast.AST) -> list[ast.AST]:
    """Where the code names one of UNPICKLING, however it was imported."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            if known.get(first, first) + dot + rest in UNPICKLING:
                found.append(node)
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import torch; torch.load(p)",
        "import torch as t; t.load(p)",
        "import torch; read = torch.load",
        "from torch import load; load(p)",
        "from torch import load as read; read(p)",
        "from torch import hub; hub.load_state_dict_from_url(p)",
    ],
)
def test_every_way_to_unpickle_is_seen(code: str) -> None:
    assert len(unpickling(ast.parse(code))) == 1
    assert unpickling(ast.parse("from safetensors.torch import load; load(p)")) == []


@pytest.mark.parametrize("path", [*files("engine"), *files("pages"), ROOT / "app.py"], ids=name_of)
def test_nothing_is_unpickled(path: Path) -> None:
    """torch.load runs what a file says; .safetensors holds numbers alone."""
    used = {name.split(".")[0] for name in imports(path)}
    assert not used & {"pickle", "dill", "joblib", "shelve", "marshal"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = unpickling(tree)
    assert not named or name_of(path) in MAY_UNPICKLE
    plain = [call.func for call in calls if "weights_only=True" in map(ast.unparse, call.keywords)]
    assert all(node in plain for node in named)
    for call in calls:
        if "allow_pickle" in {keyword.arg for keyword in call.keywords}:
            assert "allow_pickle=False" in map(ast.unparse, call.keywords)


@pytest.mark.parametrize("path", files("pages"), ids=name_of)
def test_pages_hold_no_mathematics(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    assert not used & {"torch", "torchvision", "scipy", "skimage", "sklearn", "captum", "app", "tests"}


@pytest.mark.parametrize("path", files("pages/widgets"), ids=name_of)
def test_widgets_know_no_page(path: Path) -> None:
    pages = {name for name in imports(path) if name.startswith("pages.")}
    assert all(name.startswith("pages.widgets") for name in pages)


def test_the_app_only_wires() -> None:
    path = ROOT / "app.py"
    assert {name.split(".")[0] for name in imports(path)} <= {"streamlit", "pages", "engine"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.For | ast.While)]
