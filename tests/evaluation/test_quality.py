"""Evaluation of quality: measures against scipy's and by hand, readers on made-up folders, the localisation test."""

import csv
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import scipy.io
import skimage.data
import torch
from scipy import stats

from engine import quality
from engine.cli import main
from engine.distortions.plain import noise
from engine.errors import DataError, ImageError
from engine.evaluation.quality import Agreement, measure, metric_score, network_score, record, report, summary
from engine.evaluation.quality_localisation import evidence_near, localisation
from engine.evaluation.quality_sets import Judged, kodak, read_set
from engine.models.quality_networks import KINDS, Kind, PatchQualityNetwork
from engine.training.quality_export import export
from tests.hostile.case import png, sentence_problem

DATA = Path(os.environ.get("EXPECTANCY_DATA", Path(__file__).parents[3] / "shared" / "data"))


def embedded(kind: Kind) -> quality.QualityNetwork:
    """The network in assets, where its training is finished and measured."""
    card = quality.ASSETS / f"{quality.NAMES[kind]}.json"
    if not card.is_file() or not json.loads(card.read_text())["measured"]:
        pytest.skip(f"the {kind} network is not finished: its card holds no measurements")
    return quality.load(kind, "cpu")


def picture(path: Path, grey: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((40, 48, 3), grey, np.uint8)).save(path)


def test_agreement() -> None:
    rng = np.random.default_rng(0)
    opinions = rng.random(40)
    predicted = opinions**2 + 0.1 * rng.random(40)
    found = Agreement.of(list(predicted), list(opinions))
    assert found.srcc == pytest.approx(stats.spearmanr(predicted, opinions).statistic)
    assert found.plcc == pytest.approx(np.corrcoef(predicted, opinions)[0, 1])
    assert found.krcc == pytest.approx(stats.kendalltau(predicted, opinions).statistic)
    fit = np.polyval(np.polyfit(predicted, opinions, 1), predicted)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((fit - opinions) ** 2)))
    assert np.isnan(Agreement.of([1, 1, 1], [0, 0.5, 1]).srcc)


def test_tid_folder(tmp_path: Path) -> None:
    picture(tmp_path / "reference_images" / "I01.BMP")
    picture(tmp_path / "distorted_images" / "i01_08_3.bmp", 90)
    (tmp_path / "mos_with_names.txt").write_text("4.5 I01_08_3.bmp\n")
    (judged,) = read_set(tmp_path)
    assert (judged.reference, judged.distortion, judged.level, judged.opinion) == ("I01", "gaussian-blur", 3, 0.5)
    assert [int(p[0, 0, 0]) for p in judged.load()] == [90, 100]


def test_kadid_folder(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "I02.png")
    picture(tmp_path / "images" / "I02_10_05.png")
    (tmp_path / "dmos.csv").write_text("dist_img,ref_img,dmos,var\nI02_10_05.png,I02.png,2.0,0.4\n")
    (judged,) = read_set(tmp_path)
    assert (judged.reference, judged.distortion, judged.level, judged.opinion) == ("I02", "KADID 10", 5, 0.25)


def test_csiq_folder(tmp_path: Path) -> None:
    picture(tmp_path / "src_imgs" / "1600.png")
    picture(tmp_path / "dst_imgs" / "jpeg2000" / "1600.jpeg2000.2.png")
    (tmp_path / "csiq.csv").write_text("image,dst_idx,dst_type,dst_lev,dmos_std,dmos\n1600,1,jpeg 2000,2,0.1,0.25\n")
    (judged,) = read_set(tmp_path)
    assert (judged.reference, judged.distortion, judged.level, judged.opinion) == ("1600", "jpeg2000", 2, 0.75)


def test_live_folder(tmp_path: Path) -> None:
    scores, originals = np.zeros(982), np.ones(982)
    names = np.empty(982, object)
    names[:] = "bikes.bmp"
    picture(tmp_path / "refimgs" / "bikes.bmp")
    for place, (folder, index, score) in {0: ("jp2k", 1, 30.0), 227 + 233: ("wn", 1, 80.0)}.items():
        picture(tmp_path / folder / f"img{index}.bmp")
        scores[place], originals[place] = score, 0
    scipy.io.savemat(tmp_path / "dmos.mat", {"dmos": scores, "orgs": originals})
    scipy.io.savemat(tmp_path / "refnames_all.mat", {"refnames_all": names})
    first, second = read_set(tmp_path)
    assert (first.distortion, first.opinion, first.reference) == ("jp2k", pytest.approx(0.7), "BIKES")
    assert (second.distortion, second.opinion) == ("wn", pytest.approx(0.2))


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no known data set"):
        read_set(tmp_path)
    (tmp_path / "mos_with_names.txt").write_text("4.5 I01_08_3.bmp\n")
    with pytest.raises(DataError, match="is missing; unpack"):
        read_set(tmp_path)
    picture(tmp_path / "reference_images" / "I01.bmp")
    picture(tmp_path / "distorted_images" / "I01_08_3.bmp")
    assert len(read_set(tmp_path)) == 1, "what was missing is there now"
    (tmp_path / "mos_with_names.txt").write_text("nonsense\n")
    with pytest.raises(DataError, match="not the label file"):
        read_set(tmp_path)
    (tmp_path / "mos_with_names.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no pictures"):
        read_set(tmp_path)


@pytest.mark.parametrize("named", ["../../a_1_1.png,I.png", "I_1_1.png,../../a.png"])
def test_labels_lead_nowhere_else(named: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("a_1_1.png", "a.png", "set/images/I.png", "set/images/I_1_1.png"):
        picture(tmp_path / name)
    (folder / "dmos.csv").write_text(f"dist_img,ref_img,dmos\n{named},2\n")
    with pytest.raises(DataError, match="picture outside of their folder, a"):
        read_set(folder)


def test_judged_pictures_are_read_as_others_are(tmp_path: Path) -> None:
    """By their content, with a look at the header first, and never reduced."""
    (tmp_path / "images").mkdir()
    PIL.Image.new("RGB", (2600, 16)).save(tmp_path / "images" / "I.png")
    (tmp_path / "images" / "I_1_1.png").write_bytes(png(100_000, 100_000, b"\0" * 100))
    (tmp_path / "dmos.csv").write_text("dist_img,ref_img,dmos\nI_1_1.png,I.png,2\n")
    (judged,) = read_set(tmp_path)
    with pytest.raises(ImageError, match="at most 64 megapixels can be read"):
        judged.load()
    (tmp_path / "images" / "I_1_1.png").write_bytes((tmp_path / "images" / "I.png").read_bytes())
    assert [pixels.shape for pixels in judged.load()] == [(16, 2600, 3)] * 2


@pytest.mark.parametrize(
    "labels", ["nan I_1_1.bmp", "4.5 I_0_1.bmp", "4.5 I_99_1.bmp", "4.5", "4.5 I_1_1.bmp more", "\0 \0"]
)
def test_damaged_labels_are_one_sentence(labels: str, tmp_path: Path) -> None:
    (tmp_path / "mos_with_names.txt").write_text(labels)
    with pytest.raises(DataError, match="not the label file") as told:
        read_set(tmp_path)
    assert sentence_problem(str(told.value)) is None


def test_metrics_fall_with_damage() -> None:
    reference = np.ascontiguousarray(skimage.data.chelsea()[40:232, 100:292])
    for name in ("psnr", "ssim", "ms-ssim", "gmsd", "haarpsi", "mdsi", "vsi"):
        score = metric_score(name)
        assert score(noise(reference, 5), reference) > score(noise(reference, 40), reference), name


def rows() -> list[dict]:
    made = [{"reference": "A", "distortion": "pristine", "level": 0, "opinion": 1.0, "x": 0.98}]
    for level in (1, 2, 3, 4):
        made.append(
            {"reference": "A", "distortion": "one", "level": level, "opinion": 1 - level / 5, "x": 1 - level / 6}
        )
        made.append({"reference": "B", "distortion": "two", "level": level, "opinion": 1 - level / 5, "x": 0.3})
    return made


def test_summary() -> None:
    found = summary(rows(), "x")
    assert found["overall"]["count"] == 8
    assert found["by distortion"]["one"]["srcc"] == pytest.approx(1)
    assert found["falling"] == ["one"] and found["pristine"] == {"A": 0.98}
    text = report({"no-reference": found}, {"no-reference": {"gain": 3.2}}, published=True)
    assert "WaDIQaM-FR 0.940" in text and "3.2 times its area" in text and "not for two" in text


def test_measurements_go_into_the_card(tmp_path: Path) -> None:
    export(PatchQualityNetwork("no-reference", (4, 4, 4)), tmp_path, [], {})
    record(tmp_path, "no-reference", summary(rows(), "x"), {"gain": 3.2})
    measured = quality.load("no-reference", "cpu", tmp_path).card["measured"]
    assert measured["count"] == 8 and measured["pristine"] == {"A": 0.98}
    assert measured["localisation"] == {"gain": 3.2} and measured["falling over five levels"] == 1


def test_measure_asks_every_score() -> None:
    torch.manual_seed(0)
    network = quality.wrap(PatchQualityNetwork("full-reference", (4, 4, 4)), device="cpu")
    reference = np.ascontiguousarray(skimage.data.chelsea()[:64, :64])
    judged = Judged("R", "noise", 2, 0.4, lambda: (noise(reference, 20), reference))
    (row,) = measure([judged], {"net": network_score(network, 32), "psnr": metric_score("psnr")})
    assert row["net"] == quality.assess(network, noise(reference, 20), reference, 32).score
    assert row["psnr"] == pytest.approx(22, abs=1)


def test_evidence_near_damage() -> None:
    """A result whose evidence lies in one known cell."""
    torch.manual_seed(0)
    network = quality.wrap(PatchQualityNetwork("no-reference", (4, 4, 4)), device="cpu")
    result = quality.assess(network, np.zeros((96, 96, 3), np.uint8), stride=8)
    nothing = np.zeros((12, 12), np.float32)
    result = replace(result, patch_scores=nothing + np.float32(0.5), evidence=nothing, score_evidence=nothing)
    mask = np.zeros((96, 96), bool)
    mask[:8, :8] = True
    assert evidence_near(result, mask) is None
    for cell, share in (((0, 0), 1.0), ((0, 2), 1.0), ((11, 11), 0.0)):
        evidence = nothing.copy()
        evidence[cell] = 1
        assert evidence_near(replace(result, score_evidence=evidence), mask) == pytest.approx(share)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "kodak").is_dir(), reason="the Kodak photos are not here")
@pytest.mark.parametrize(("kind", "least"), zip(KINDS, (2.5, 5.0), strict=True))
def test_evidence_lies_where_the_damage_is(kind: Kind, least: float) -> None:
    """Local damage in photos never seen in training; the whole measurement takes 50 cases, here a few of each."""
    from engine.training.quality_data import TEST_REFERENCES, tid_reference

    photos = [tid_reference(DATA / "kodak", number) for number in TEST_REFERENCES[:3]]
    found = localisation(embedded(kind), photos, cases=12, stride=32)
    assert found["gain"] >= least


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "tid2013" / "mos.csv").is_file(), reason="TID2013's opinion scores are not here")
def test_networks_agree_with_opinions(tmp_path: Path) -> None:
    """One test reference made again; the command's whole table covers five."""
    pictures = [p for p in kodak(DATA, tmp_path, (3,)) if p.level in (0, 1, 3, 5)]
    networks = {kind: embedded(kind) for kind in KINDS}
    found = measure(pictures, {kind: network_score(network, 32) for kind, network in networks.items()})
    assert summary(found, "full-reference")["overall"]["srcc"] > 0.8
    assert summary(found, "no-reference")["overall"]["srcc"] > 0.5


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "tid2013" / "I21.png").is_file(), reason="the lighthouse is not here")
def test_lighthouse() -> None:
    """The tutorial's own picture: within 0.1 of its opinion score, and all four questions say something."""
    damaged, reference = (
        np.asarray(PIL.Image.open(DATA / "tid2013" / name).convert("RGB")) for name in ("i21_21_5.png", "I21.png")
    )
    result = quality.assess(embedded("full-reference"), damaged, reference, stride=16)
    opinions = (DATA / "tid2013" / "mos.csv").read_text().splitlines()
    opinion = next(float(line.split(",")[5]) for line in opinions if line.startswith("21,21,5,"))
    assert abs(result.score - opinion) < 0.1
    for foil in quality.FOILS:
        assert (result.map(foil) > 0.05 * result.scale).mean() > 0.02


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "quality", "--set", str(tmp_path), "--metrics", "none"])
    assert "no known data set" in capsys.readouterr().err


def small_networks(folder: Path) -> Path:
    """Both networks, of random weights and few channels; their scores lie between 0 and 1, where none is cut off."""
    torch.manual_seed(0)
    for kind in KINDS:
        network = PatchQualityNetwork(kind, (4, 4, 4))
        torch.nn.init.constant_(network.score.bias, 0.5)
        export(network, folder, [], {})
    return folder


def test_command_on_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure that is printed is that of the table that is written."""
    data, photo = tmp_path / "tid2008", np.ascontiguousarray(skimage.data.chelsea()[40:136, 100:196])
    for folder in ("reference_images", "distorted_images"):
        (data / folder).mkdir(parents=True)
    PIL.Image.fromarray(photo).save(data / "reference_images" / "I01.BMP")
    lines = []
    for level in range(1, 5):
        PIL.Image.fromarray(noise(photo, 8 * level)).save(data / "distorted_images" / f"I01_01_{level}.bmp")
        lines.append(f"{7 - level}.0 I01_01_{level}.bmp")
    (data / "mos_with_names.txt").write_text("\n".join(lines))
    words = ["evaluate", "quality", "--set", str(data), "--weights", str(small_networks(tmp_path / "weights"))]
    main([*words, "--metrics", "psnr,gmsd", "--out", str(tmp_path / "out"), "--device", "cpu"])
    told = capsys.readouterr().out
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["level"] for row in rows] == list("1234")
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    for name in ("full-reference", "no-reference", "psnr", "gmsd"):
        found = Agreement.of([float(row[name]) for row in rows], [float(row["opinion"]) for row in rows])
        assert written[name]["overall"]["srcc"] == pytest.approx(found.srcc)
        line = next(line for line in told.splitlines() if line.startswith(f"{name} "))
        assert line.split()[1:4] == [f"{value:.3f}" for value in (found.srcc, found.plcc, found.krcc)]
    assert written["psnr"]["overall"]["srcc"] == pytest.approx(1)
    assert "SRCC by distortion" in told and rows[0]["distortion"] in told
    assert "WaDIQaM" not in told, "published figures belong to TID2013 alone"


def test_command_records_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.ascontiguousarray(skimage.data.chelsea()[40:200, 100:292])

    def made(*_: object) -> list[Judged]:
        steps = [("pristine", 0, 1.0), *(("noise", level, 1 - level / 5) for level in (1, 3, 5))]
        return [Judged("I03", name, level, opinion, partial(lambda at: (noise(photo, 9 * at), photo), level))
                for name, level, opinion in steps]  # fmt: skip

    monkeypatch.setattr("engine.evaluation.quality.kodak", made)
    monkeypatch.setattr("engine.evaluation.quality.localisation", partial(localisation, cases=2, stride=32))
    weights = small_networks(tmp_path)
    main(["evaluate", "quality", "--weights", str(weights), "--metrics", "none", "--record", "--device", "cpu"])
    told = capsys.readouterr().out
    assert "WaDIQaM-FR 0.940" in told and told.count("times its area") == 2 and "pristine: I03" in told
    for kind in KINDS:
        measured = quality.load(kind, "cpu", weights).card["measured"]
        assert measured["count"] == 3 and measured["localisation"]["cases"] == 2
        assert set(measured["pristine"]) == {"I03"}
