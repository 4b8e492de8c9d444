"""Scores of recognition against what can be counted by hand, and the command on a network of two answers."""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.errors import DataError, ModelError
from engine.evaluation import recognition
from engine.evaluation.recognition import calibration_error, read_labels, report, scores, true_answers

CLASSES = ("cat", "dog", "something else")
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.4, 0.25, 0.35]])
TRUTH = np.array([0, 0, 2, 1, 2])


def test_top_k_shares_count_the_photos() -> None:
    found = scores(PROBABILITIES, TRUTH)
    assert found.photos == 5
    assert found.top1 == pytest.approx(2 / 5)
    assert found.top3 == found.top5 == 1
    assert found.agreement is None
    wide = np.tile(np.arange(10, 0, -1) / 55, (4, 1))
    assert scores(wide, np.array([0, 2, 4, 5])) == recognition.Scores(
        4, 0.25, 0.5, 0.75, pytest.approx(abs(10 / 55 - 0.25))
    )


def test_ties_are_never_counted_twice() -> None:
    assert scores(np.full((4, 4), 0.25), np.arange(4)).top1 == pytest.approx(0.25)


def test_agreement_is_with_the_first_answer() -> None:
    assert scores(PROBABILITIES, TRUTH, np.array([0, 1, 0, 1, 0])).agreement == pytest.approx(4 / 5)


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # Two bins of ten: 0.95 sure and half right; 0.55 sure and always right.
    confidence, right = [0.95, 0.95, 0.55], [True, False, True]
    assert calibration_error(confidence, right, bins=10) == pytest.approx((2 * 0.45 + 1 * 0.45) / 3)


def test_calibration_error_of_honest_answers_is_small() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 20_000)
    right = rng.uniform(size=20_000) < confidence
    assert calibration_error(confidence, right) < 0.02
    assert calibration_error(np.sqrt(confidence), right) > 0.1


def test_edges_of_bins_have_one_place() -> None:
    assert calibration_error([0.0, 1.0], [False, True]) == 0


@pytest.mark.parametrize("p", [np.zeros((0, 3)), np.zeros((2, 3)), np.zeros(5)])
def test_shapes_that_do_not_fit_are_an_error(p: np.ndarray) -> None:
    with pytest.raises(DataError, match="Scores need"):
        scores(p, np.zeros(len(p) if p.ndim == 2 and not len(p) else 3, int))


def test_the_report_keeps_named_answers_and_the_rest_apart() -> None:
    found = report(128, PROBABILITIES, TRUTH, CLASSES, None)
    assert found.named is not None
    assert found.something_else is not None
    assert (found.named.photos, found.named.top1) == (3, pytest.approx(2 / 3))
    assert (found.something_else.photos, found.something_else.top1) == (2, 0)
    by_name = {score.answer: score for score in found.classes}
    assert by_name["cat"].top1 == 0.5
    assert by_name["cat"].mistaken_for == "dog"
    assert by_name["dog"].mistaken_for == ""


def test_the_worst_answers_have_enough_photos_to_say_so() -> None:
    truth = np.array([0] * 6 + [1] * 6 + [2])
    answers = np.array([0] * 6 + [0] * 4 + [1] * 2 + [0])
    found = report(128, np.eye(3)[answers], truth, CLASSES, None)
    assert [score.answer for score in found.worst(1)] == ["dog"]


def test_without_an_answer_for_the_rest_all_are_named() -> None:
    found = report(128, PROBABILITIES, TRUTH, ("a", "b", "c"), None)
    assert found.something_else is None
    assert found.named == found.overall


def test_labels_belong_to_the_answer_that_stands_for_them() -> None:
    assert true_answers([5, 281, 7], [[281, 282], [5]]).tolist() == [1, 0, -1]


def test_labels_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("name,class_index\na.jpg,3\nb.jpg,999\n")
    assert read_labels(path) == {"a.jpg": 3, "b.jpg": 999}


@pytest.mark.parametrize(
    ("text", "message"),
    [("photo,class_index\na,1\n", "need the columns"), ("name,label\na,1\n", "need the columns"),
     ("", "need the columns"), ("name,class_index\na,cat\n", "not a whole number"),
     ("name,class_index\na\n", "not a whole number"), ("name,class_index\n" + "a" * 200_000, "not a table")],
)  # fmt: skip
def test_unusable_labels_are_errors(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(path)


class Redness(nn.Module):
    """Says "red" (0), "blue" (1) or "something else" (2) by the mean colour."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red, _, blue = x.mean((2, 3)).unbind(1)
        return torch.stack([red, blue, torch.full_like(red, 0.5)], 1) * 10


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four photos, one of them labelled wrongly, and an engine whose only network is Redness."""
    for name, colour in {"a": (255, 0, 0), "b": (0, 0, 255), "c": (0, 255, 0), "d": (250, 0, 10)}.items():
        Image.new("RGB", (60, 40), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("name,class_index\na.png,1\nb.png,2\nc.png,3\nd.png,2\nabsent.png,1\n")

    def prepare(image: Image.Image, size: int) -> torch.Tensor:
        pixels = np.array(image.resize((size, size)), np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)[None]

    model = SimpleNamespace(
        title="Redness", module=Redness(), classes=("red", "blue", "something else"), sizes=(32, 64),
        imagenet=((1,), (2,), (0, *range(3, 1000))), prepare=prepare,
    )  # fmt: skip
    monkeypatch.setattr(recognition, "Engine", lambda: SimpleNamespace(load=lambda name, weights: model))
    return tmp_path


def arguments(folder: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    recognition.configure(parser)
    return parser.parse_args(["--data", str(folder), "--labels", str(folder / "labels.csv"), *more])


def test_the_command_prints_a_table_and_writes_the_figures(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = labelled / "figures.json"
    recognition.run(arguments(labelled, "--out", str(out)))
    figures = json.loads(out.read_text())
    assert [part["size"] for part in figures] == [32, 64]
    assert figures[0]["overall"]["top1"] == 0.75
    assert figures[0]["named"]["top1"] == pytest.approx(2 / 3)
    assert figures[0]["something_else"]["top1"] == 1
    told = capsys.readouterr()
    assert "named answers" in told.out
    assert "1 of 5 labelled photos are not in" in told.err


def test_labels_that_no_answer_stands_for_are_an_error(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (labelled / "labels.csv").write_text("name,class_index\na.png,1000\n")
    with pytest.raises(DataError, match="stands for class 1000"):
        recognition.run(arguments(labelled))
    (labelled / "labels.csv").write_text("name,class_index\nz.png,1\n")
    with pytest.raises(DataError, match="has a label"):
        recognition.run(arguments(labelled))
    nameless = SimpleNamespace(title="Redness", imagenet=())
    monkeypatch.setattr(recognition, "Engine", lambda: SimpleNamespace(load=lambda name, weights: nameless))
    with pytest.raises(ModelError, match="which ImageNet classes"):
        recognition.run(arguments(labelled))
