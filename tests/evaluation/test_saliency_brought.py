"""What is brought to `expectancy evaluate saliency`: maps of other models, and data sets that are fetched first."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.evaluation import downloads
from engine.evaluation.datasets import DataSet
from engine.fixations import density
from engine.scores import nss


def arguments(folder: Path, *more: str) -> list[str]:
    network = ["--models", "resnet18", "--weights", "random", "--size", "64", "--methods", "features"]
    return ["evaluate", "saliency", "--data", str(folder), *network, "--jobs", "0", *more]


@pytest.fixture
def salgan(folder: Path, data: DataSet, tmp_path: Path) -> Path:
    """Maps of a model that knows where people looked: their density, and that of the next photo at radius 5."""
    for at, name in enumerate(data.names):
        for place, other in (("salgan", name), ("salgan5", data.names[(at + 1) % 4])):
            values = density(data.fixations[other], 4.0)
            (tmp_path / place).mkdir(exist_ok=True)
            np.save(tmp_path / place / f"{Path(name).stem}.npy", values)
    return tmp_path


def test_maps_of_another_model_stand_in_the_same_table(
    folder: Path, data: DataSet, salgan: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    own = ["--own", f"SalGAN={salgan / 'salgan'}", "--own", f"SalGAN@5={salgan / 'salgan5'}", "--blur", "0,5"]
    main(arguments(folder, *own, "--smooth", "0,1", "--json", str(tmp_path / "r.json")))
    shown = capsys.readouterr().out
    rows = {
        (row["model"], row["smooth"], row["blur"]): row
        for row in json.loads((tmp_path / "r.json").read_text())["rows"]
        if row["method"] == "own-map"
    }
    assert set(rows) == {("SalGAN", smooth, blur) for smooth in (0.0, 1.0) for blur in (0.0, 5.0)}
    clean = rows["SalGAN", 0.0, 0.0]
    own_nss = np.mean([nss(density(one, 4.0), one.x, one.y) for one in data.fixations.values()])
    assert clean["scores"]["nss"]["mean"] == pytest.approx(own_nss, rel=1e-5)
    assert rows["SalGAN", 0.0, 5.0]["drop_percent"]["nss"]["mean"] > 50, "maps of other photos are worse"
    assert re.search(r"SalGAN +own-map +- +0 +NSS +\d\.\d+ ±\d\.\d+ +−\d", shown)


def test_a_run_with_other_maps_is_not_resumed_with_changed_ones(
    folder: Path, salgan: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = arguments(folder, "--own", f"SalGAN={salgan / 'salgan'}", "--json", str(tmp_path / "r.json"))
    main([*words, "--limit", "1"])
    np.save(salgan / "salgan" / "3.npy", np.eye(9))
    with pytest.raises(SystemExit):
        main(words)
    assert "other settings (own)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (["SalGAN={}/nothing"], "There is no folder nothing"),
        (["SalGAN={}/half"], "The folder half lacks the maps of 3 of 4 photos (1.png, 2.png, 3.png)"),
        (["{}/salgan"], "write NAME=DIR"),
        (["Sal|GAN={}/salgan"], "write NAME=DIR"),
        (["SalGAN@much={}/salgan"], "write NAME=DIR"),
        (["SalGAN@5={}/salgan"], "blurred by 5; add it to --blur"),
        (["SalGAN={}/salgan", "SalGAN={}/salgan5"], "SalGAN is given twice"),
        (["resnet18={}/salgan"], "resnet18 is given twice"),
    ],
)
def test_maps_that_do_not_pair_are_told_before_anything_is_computed(
    own: list[str], words: str, folder: Path, salgan: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "0.npy").write_bytes((salgan / "salgan" / "0.npy").read_bytes())
    given = [part for text in own for part in ("--own", text.format(tmp_path))]
    with pytest.raises(SystemExit) as ended:
        main(arguments(folder, *given))
    shown = capsys.readouterr()
    assert ended.value.code == 2 and words in shown.err and "photos," not in shown.err and not shown.out


def test_a_wrong_map_costs_its_photo_alone(folder: Path, salgan: Path, capsys: pytest.CaptureFixture) -> None:
    (salgan / "salgan" / "1.npy").write_bytes(b"nothing")
    main(arguments(folder, "--own", f"SalGAN={salgan / 'salgan'}"))
    shown = capsys.readouterr()
    assert "3 photos of" in shown.out and "1.png: The map 1.npy is no picture" in shown.err


def test_a_data_set_that_is_not_there_is_fetched_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    wanted: list[str] = []

    def get(name: str, where: Path, tell: object) -> None:
        wanted.append(name)
        shutil.copytree(folder, where)

    monkeypatch.setattr("engine.evaluation.downloads.get", get)
    main(arguments(tmp_path / "toronto", "--download", "toronto", "--limit", "1"))
    assert wanted == ["toronto"] and "1 photos of" in capsys.readouterr().out


def test_without_a_network_one_sentence_says_where_to_get_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    nobody = (downloads.Part("http://127.0.0.1:9/x.zip", "x", None, True),)  # the discard port: nothing listens
    monkeypatch.setitem(downloads.PARTS, "toronto", nobody)
    with pytest.raises(SystemExit):
        main(arguments(tmp_path / "toronto", "--download", "toronto"))
    shown = capsys.readouterr().err.strip()
    assert shown.startswith("expectancy: Toronto could not be fetched from 127.0.0.1:9; get it from www-sop.inria.fr")
    assert "lay it out as Original Image Set with 1.jpg to 120.jpg" in shown and "\n" not in shown
