"""The command line: files of what was seen, and one sentence for what cannot be used."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import METHODS, Engine
from engine.cli import main
from tests.hostile.corpus import cases, sentence_problem


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(path)
    return path


def explain(photo: Path, out: Path, *more: str) -> dict:
    main(
        ["explain", str(photo), "--model", "resnet18", "--weights", "random", "--size", "64", "--out", str(out), *more]
    )
    content: dict = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_explain_writes_overlays_maps_and_a_manifest(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    manifest = explain(photo, out, "--methods", "all", "--foil", "tench", "--layer", "layer3")
    names = {method.id for method in METHODS}
    assert {path.name for path in out.iterdir()} == {f"{n}.png" for n in names} | {
        "photo.png",
        "maps.npz",
        "manifest.json",
    }
    assert {entry["method"] for entry in manifest["maps"]} == names
    assert manifest["model"]["weights"].startswith("random")
    assert all(entry["foil"] == {"index": 0, "name": "tench"} for entry in manifest["maps"])
    assert "9 maps" in capsys.readouterr().out
    assert Image.open(out / "gradcam.png").size == (120, 90 + 34)


def test_the_numbers_in_the_file_are_the_engines(photo: Path, tmp_path: Path) -> None:
    explain(photo, tmp_path / "out", "--methods", "contrast")
    engine = Engine()
    trace = engine.trace(engine.load("resnet18", "random"), photo, 64)
    with np.load(tmp_path / "out" / "maps.npz") as maps:
        np.testing.assert_allclose(maps["contrast"], engine.explain(trace, "contrast").values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "missing.png", "--out", "out"],
        ["explain", "{photo}", "--model", "nothing", "--out", "out"],
        ["explain", "{photo}", "--weights", "missing.safetensors", "--out", "out"],
        ["explain", "{photo}", "--weights", "weights.pth", "--out", "out"],
        ["explain", "{photo}", "--methods", "magic", "--out", "out"],
        ["explain", "{photo}", "--layer", "layer9", "--out", "out"],
        ["explain", "{photo}", "--foil", "no such thing", "--out", "out"],
        ["explain", "{photo}", "--foil", "e", "--out", "out"],
        ["explain", "{photo}", "--fact", "5000", "--out", "out"],
        ["explain", "{photo}", "--size", "5", "--out", "out"],
        ["explain", "{photo}", "--size", "99999", "--out", "out"],
        ["explain", "{photo}", "--out", "{photo}/out"],
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    words: list[str], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([word.replace("{photo}", str(photo)) for word in words])
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert told.startswith("expectancy: ") and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_hostile_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [case for case in cases() if case.outcome == "error"][::8]
    assert len(hostile) >= 10
    for case in hostile:
        path = tmp_path / "file"
        path.write_bytes(case.content)
        with pytest.raises(SystemExit) as stopped:
            main(["explain", str(path), "--out", str(tmp_path / "out")])
        told = capsys.readouterr().err
        assert stopped.value.code == 2, case
        assert sentence_problem(told.removeprefix("expectancy: ").strip()) is None, (case, told)


def test_models_lists_the_networks(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "embedded" and lines[0].endswith("here")
    assert {"resnet18", "resnet34", "resnet50", "resnet101", "vgg16"} < {line.split()[0] for line in lines}
