"""The evaluation over a data set: cases, scores, intervals, resumption, command line."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import engine.engine
from engine import METHODS
from engine.capture import Capture
from engine.cli import main
from engine.errors import DataError, LayerError, ModelError, QuestionError
from engine.evaluation.datasets import DataSet, open_data
from engine.evaluation.published import PUBLISHED
from engine.evaluation.runner import run
from engine.evaluation.saliency_work import Asked, Case, Preparation, Settings, photo_of, smoothed
from engine.evaluation.summary import as_csv, as_json, as_text, by_blur, lost, summarise
from engine.fixations import Pool, density
from engine.render import enlarge
from engine.scores import SCORES, auc_shuffled, nss

METHOD_NAMES = ("contrastive-saliency", "gradcam", "guided-backprop")
SMALL = Settings(("resnet18",), METHOD_NAMES, size=64, weights="random", smooth=(0.0, 1.0), blur=(0.0, 5.0))


@pytest.fixture(scope="module")
def results(data: DataSet) -> dict:
    return run(Preparation(data, SMALL), data.names)


def arguments(folder: Path, *more: str) -> list[str]:
    options = ["--models", "resnet18", "--weights", "random", "--size", "64", "--methods", ",".join(METHOD_NAMES)]
    return ["evaluate", "saliency", "--data", str(folder), *options, "--jobs", "0", *more]


def test_every_case_is_scored(results: dict) -> None:
    first = [Case.of(key) for key in results["0.png"]]
    assert first[0] == Case("", "centre-bias", "")
    found = {(c.method, c.smooth, c.blur) for c in first[1:]}
    assert found == {(m, s, b) for m in METHOD_NAMES for s in (0.0, 1.0) for b in (0.0, 5.0)}
    assert {c.layer for c in first if c.method == "guided-backprop"} == {"input"}
    assert all(list(scores) == [s.id for s in SCORES] for scores in results["0.png"].values())


def test_the_numbers_are_those_of_the_parts(data: DataSet, results: dict) -> None:
    work = Preparation(data, SMALL)()
    name = data.names[2]
    own = data.fixations[name]
    trace = work.engine.trace(work.models["resnet18"], data.photo(name), 64)
    found = work.engine.explain(trace, "gradcam")
    map_ = enlarge(found.positive, *own.size, found.extent)
    layer = work.engine.default_layer(work.models["resnet18"], "gradcam", 64)
    scores = results[name][Case("resnet18", "gradcam", layer).key]
    others = Pool.of([data.fixations[n] for n in data.names if n != name]).without(None, own.size)
    assert scores["nss"] == pytest.approx(nss(map_, own.x, own.y), abs=1e-6)
    assert scores["auc_shuffled"] == pytest.approx(auc_shuffled(map_, own.x, own.y, others.x, others.y), abs=1e-6)
    # The centre bias knows nothing of its own photo.
    bias = density(others, data.degree(name))
    assert results[name]["|centre-bias||0|0"]["nss"] == pytest.approx(nss(bias, own.x, own.y), abs=1e-6)
    assert results[name]["|centre-bias||0|0"]["information_gain"] == 0


def test_one_photo_has_no_others(data: DataSet) -> None:
    alone = DataSet(data.title, data.stimuli, {"0.png": data.fixations["0.png"]})
    found = run(Preparation(alone, SMALL), alone.names)["0.png"]
    assert all(scores["auc_shuffled"] is None and scores["information_gain"] is None for scores in found.values())
    assert not any("centre-bias" in key for key in found)
    assert summarise({"0.png": found})[0].scores["auc_shuffled"].n == 0


def test_layers_by_name_all_and_averaged(data: DataSet) -> None:
    def layers(*wanted: str) -> list[str]:
        work = Preparation(data, Settings(("resnet18",), ("gradcam",), wanted, size=64, weights="random"))()
        return work.layers(work.models["resnet18"], work.asked[0])

    assert layers("default") == ["layer4"]
    assert layers("principal")[-4:] == ["layer1", "layer2", "layer3", "layer4"]
    assert layers("layer2+layer3", "layer4", "default") == ["layer2+layer3", "layer4"]
    with pytest.raises(LayerError, match="layer9"):
        layers("layer3+layer9")
    settings = Settings(("resnet18",), ("features",), ("layer2+layer3", "layer2", "layer3"), size=64, weights="random")
    work = Preparation(data, settings)()
    found = {case.layer: (values, extent) for case, values, extent in work._maps(data.photo("0.png"), 0.0)}
    both = [enlarge(values / values.mean(), 8, 8, extent) for values, extent in (found["layer2"], found["layer3"])]
    assert np.allclose(found["layer2+layer3"][0], np.mean(both, axis=0), rtol=1e-5)


def test_a_photo_costs_one_pass_from_the_shallowest_layer_and_one_run_backwards(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes, runs = [], []
    capture, grad = engine.engine.capture, torch.autograd.grad

    def passing(module: nn.Module, inputs: Tensor, names: list[str]) -> Capture:
        passes.append(list(names))
        return capture(module, inputs, names)

    def running(*args: Any, **kwargs: Any) -> Any:
        runs.append(args)
        return grad(*args, **kwargs)

    wanted = ("layer2", "layer3", "layer3+layer4")
    work = Preparation(data, Settings(("resnet18",), ("gradcam",), wanted, size=64, weights="random"))()
    work(data.names[0])  # cells are placed once, with gradients of their own
    monkeypatch.setattr("engine.engine.capture", passing)
    monkeypatch.setattr("torch.autograd.grad", running)
    work(data.names[1])
    assert passes == [["layer2", "layer3", "layer4"]]
    assert len(runs) == 1


def test_a_method_on_the_input_alone_needs_no_layer(data: DataSet) -> None:
    work = Preparation(data, Settings(("resnet18",), ("guided-backprop",), size=64, weights="random"))()
    assert any("guided-backprop" in key for key in work(data.names[0]))


def test_methods_with_options() -> None:
    asked = Asked.parse("contrastive-saliency:activation=no:vectors=16")
    assert (asked.options["activation"], asked.options["vectors"], asked.options["conflict"]) == (False, 16, "all")
    assert Asked.parse("contrastive-saliency:activation=True").options["activation"] is True
    for wrong in ("gradcam:vectors=8", "contrastive-saliency:vectors=7", "contrastive-saliency:activation", "nothing"):
        with pytest.raises(QuestionError):
            Asked.parse(wrong)


def test_smoothing_on_a_coarse_grid_is_close_to_the_fine_one() -> None:
    from scipy.ndimage import gaussian_filter

    values = np.random.default_rng(0).random((56, 56)).astype(np.float32)
    fine = gaussian_filter(enlarge(values, 800, 600), 24, mode="nearest")
    assert np.abs(smoothed(values, (800, 600), 24) - fine).max() < 0.03 * np.ptp(fine)
    assert np.array_equal(smoothed(values, (800, 600), 0), enlarge(values, 800, 600))
    assert smoothed(values, (81, 61), 5).shape == (61, 81)


def test_a_photo_of_pixels_keeps_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 3000, 3), dtype=np.uint8)
    assert np.array_equal(photo_of(pixels).pixels, pixels)


def test_means_intervals_and_drops() -> None:
    rng = np.random.default_rng(1)
    clean, blurred = rng.normal(1, 0.3, 60), rng.normal(0.4, 0.3, 60)
    keys = Case("net", "gradcam", "l").key, Case("net", "gradcam", "l", blur=5).key
    photos = {}
    for i in range(60):
        rest = dict.fromkeys([s.id for s in SCORES[1:]])
        worse = {**rest, "kl": 2.0 + blurred[i]}
        photos[str(i)] = {
            keys[0]: {"nss": clean[i], **rest, "kl": 1.0},
            keys[1]: {"nss": blurred[i] if i else None, **worse},
        }
    rows = summarise(photos)
    at_0, at_5 = rows
    assert at_0.scores["nss"].mean == pytest.approx(clean.mean())
    half = 1.96 * clean.std() / np.sqrt(60)
    assert at_0.scores["nss"].low == pytest.approx(clean.mean() - half, abs=0.02)
    assert at_0.scores["nss"].high == pytest.approx(clean.mean() + half, abs=0.02)
    assert at_0.drop == {}
    assert at_5.scores["nss"].n == 59
    assert at_5.drop["nss"].mean == pytest.approx((clean - blurred)[1:].mean())
    assert at_5.drop["kl"].mean == pytest.approx((1 + blurred).mean())  # lower is better: a rise is a drop
    assert at_5.scores["cc"].n == 0
    backwards = summarise(dict(reversed(photos.items())))
    assert backwards[0].scores["nss"].mean == pytest.approx(at_0.scores["nss"].mean)
    assert json.loads(json.dumps(as_json(rows), allow_nan=False))[1]["scores"]["cc"]["mean"] is None
    table = list(csv.DictReader(as_csv(photos).splitlines()))
    assert len(table) == 120
    assert float(table[0]["nss"]) == clean[0]
    assert table[1]["nss"] == ""
    assert "gradcam" in as_text(rows)


def test_the_drop_in_percent_is_that_of_the_means_with_its_interval() -> None:
    rng = np.random.default_rng(2)
    clean, loss = rng.normal(1, 0.2, 80), rng.uniform(0.3, 0.4, 80)
    keys = Case("net", "gradcam", "l").key, Case("net", "gradcam", "l", blur=15).key
    nothing = dict.fromkeys([score.id for score in SCORES])
    photos = {
        str(i): {
            keys[0]: nothing | {"nss": clean[i], "auc_judd": 0.5 + clean[i] / 5, "kl": 1.0, "cc": (-1) ** i * 0.1},
            keys[1]: nothing | {"nss": clean[i] * (1 - loss[i]), "auc_judd": 0.5 + clean[i] / 10, "kl": 1.3, "cc": 0.0},
        }
        for i in range(80)
    }
    photos["79"][keys[1]]["nss"] = None  # a photo counts only where both are defined
    at_0, at_15 = summarise(photos)
    lost_nss = at_15.drop_percent["nss"]
    assert lost_nss.mean == pytest.approx(100 * (clean * loss)[:79].sum() / clean[:79].sum())
    assert 30 < lost_nss.low < lost_nss.mean < lost_nss.high < 40 and lost_nss.n == 79
    # The exact interval of a ratio of means, by the delta method.
    residual = clean[:79] * (loss[:79] - lost_nss.mean / 100)
    half = 100 * 1.96 * residual.std() / clean[:79].mean() / np.sqrt(79)
    assert (lost_nss.high - lost_nss.low) / 2 == pytest.approx(half, rel=0.1)
    assert at_15.drop_percent["auc_judd"].mean == pytest.approx(50), "what is above chance is halved"
    assert not {"kl", "cc", "sim"} & set(at_15.drop_percent), "no percent of what is not surely above chance"
    assert at_0.drop_percent == {}
    assert [(clean.case, list(levels)) for clean, levels in by_blur([at_0, at_15])] == [(at_0.case, [15.0])]
    assert by_blur([at_0]) == [] and by_blur([at_15]) == []
    titles = {score.id: score for score in SCORES}
    assert lost(at_15, titles["nss"]) == f"−{lost_nss.mean:.0f} % (−{lost_nss.high:.0f} to −{lost_nss.low:.0f})"
    assert lost(at_15, titles["kl"]) == "+0.30 (+0.30 to +0.30)"
    assert lost(at_15, titles["cc"]) == lost(at_0, titles["nss"]) == "–"
    text = as_text([at_0, at_15])
    assert re.search(r"NSS +1\.0\d\d ±0\.\d+ +−3\d % \(−\d\d to −\d\d\)", text)
    assert "Lost to blur" not in as_text([at_0])


def test_resumed_and_parallel_runs_write_the_same_files(folder: Path, tmp_path: Path) -> None:
    def files(name: str) -> list[bytes]:
        return [(tmp_path / f"{name}{suffix}").read_bytes() for suffix in (".json", ".csv")]

    def out(name: str) -> list[str]:
        return ["--json", str(tmp_path / f"{name}.json"), "--csv", str(tmp_path / f"{name}.csv")]

    main(arguments(folder, *out("straight")))
    main(arguments(folder, *out("resumed"), "--limit", "2"))
    assert files("resumed") != files("straight")
    journal = tmp_path / "resumed.json.journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"photo": "2.p')  # as a crash leaves it
    main(arguments(folder, *out("resumed")))
    main([*arguments(folder, *out("parallel")), "--jobs", "2"])
    assert files("resumed") == files("straight") == files("parallel")


def test_a_run_that_is_killed_goes_on_to_the_same_files(folder: Path, tmp_path: Path) -> None:
    def words(name: str) -> list[str]:
        return arguments(folder, "--json", str(tmp_path / f"{name}.json"), "--csv", str(tmp_path / f"{name}.csv"))

    journal = tmp_path / "killed.json.journal.jsonl"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-m", "engine.cli", *words("killed")], env=environment) as process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
            time.sleep(0.01)
        process.kill()  # no warning: as when the power fails
    done = journal.read_bytes()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed.json").exists()
    main(words("killed"))
    main(words("straight"))
    assert journal.read_bytes().startswith(done[: done.rfind(b"\n") + 1]), "what was done is not done again"
    for suffix in (".json", ".csv", ".json.journal.jsonl"):
        assert (tmp_path / f"killed{suffix}").read_bytes() == (tmp_path / f"straight{suffix}").read_bytes()


def test_ray_writes_the_same_files(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra cluster)")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]) + os.pathsep + os.environ.get("PYTHONPATH", ""))

    def files(*how: str) -> list[bytes]:
        out = [tmp_path / f"{how[0]}{suffix}" for suffix in (".json", ".csv")]
        main([*arguments(folder, "--json", str(out[0]), "--csv", str(out[1])), *how])
        return [path.read_bytes() for path in out]

    assert files("--ray", "--jobs", "2") == files("--jobs", "0")


def test_the_command_tells_what_it_did(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(arguments(folder, "--photos", "2-3", "--json", str(tmp_path / "r.json"), "--maps", str(tmp_path / "maps")))
    shown = capsys.readouterr()
    assert "2 of 2 photos" in shown.err
    assert "2 photos of" in shown.out
    assert "contrastive-saliency" in shown.out
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["data"]["photos"] == 2
    assert content["errors"] == {}
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["1.png.npz", "2.png.npz"]
    with np.load(tmp_path / "maps" / "1.png.npz") as maps:
        assert maps["resnet18|gradcam|layer4|0|0"].shape == (2, 2)


def test_a_broken_photo_is_told_and_the_rest_is_scored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (folder / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    main(arguments(tmp_path))
    shown = capsys.readouterr()
    assert "3 photos of" in shown.out
    assert "1.png: The picture 1.png is damaged" in shown.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "nothing"], "no method"),
        (["--layers", "layer9"], "no explainable layer"),
        (["--blur", "much"], "takes numbers"),
        (["--blur", "-5"], "from 0 to 1000"),
        (["--photos", "3"], "no span"),
        (["--photos", "9-12"], "No photo is left"),
        (["--models", "nothing"], "nothing"),
        (["--size", "5000"], "32 to 1024"),
        (["--jobs", "-1"], "number of jobs"),
        (["--format", "osie"], "not laid out as OSIE"),
    ],
)
def test_wrong_options_are_one_sentence(
    folder: Path, options: list[str], words: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments(folder), *options])
    shown = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert words in shown
    assert shown.startswith("expectancy: ")
    assert "\n" not in shown


def test_other_settings_are_not_mixed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = ["--json", str(tmp_path / "r.json")]
    main(arguments(folder, *out, "--limit", "1"))
    with pytest.raises(SystemExit):
        main(arguments(folder, *out, "--limit", "1", "--blur", "0,5"))
    assert "other settings (blur)" in capsys.readouterr().err


def test_errors_of_networks_reach_the_person(data: DataSet) -> None:
    with pytest.raises(ModelError):
        run(Preparation(data, Settings(("no-such-network",))), data.names)
    with pytest.raises(DataError):
        open_data(Path("no such folder"))


def test_published_tables_fit_their_columns() -> None:
    known = {m.id for m in METHODS}
    for table in PUBLISHED:
        assert table.score in {score.id for score in SCORES}
        assert all(len(row) == len(table.columns) for row in table.rows.values())
        assert "contrastive-saliency" in known & set(table.rows)
    by_id = {table.id: table for table in PUBLISHED}
    for score in ("nss", "cc"):
        # The comparison with learned models is the ResNet-101 of the table by network.
        assert (
            by_id[f"{score}-robustness"].rows["contrastive-saliency"][0] == by_id[score].rows["contrastive-saliency"][3]
        )
