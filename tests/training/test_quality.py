"""The training of the quality networks, on tiny made-up data: it learns, resumes exactly, and writes what loads."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from engine import quality
from engine.cli import main
from engine.distortions import distort
from engine.errors import DataError
from engine.models.quality_networks import KINDS, Kind, PatchQualityNetwork
from engine.training import quality_data
from engine.training.quality_context import ContextRecipe, Seen, look, set_in_context
from engine.training.quality_data import read_opinions, tid_reference, typical_opinions, variant
from engine.training.quality_export import export
from engine.training.quality_loop import Labelled, Recipe, draw_batch, loss_of, train

SMALL = (4, 8, 8)


def photo(seed: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Smooth colours with an edge."""
    rng = np.random.default_rng(seed)
    small = PIL.Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    pixels = np.array(small.resize(size, PIL.Image.Resampling.BICUBIC))
    pixels[size[1] // 2 :, : size[0] // 3] //= 2
    return pixels


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    levels = (1, 3, 5)
    stacks, labels, kinds = [], [], []
    for seed in range(4):
        pristine = photo(seed)
        stacks.append(np.stack([pristine, *(distort(pristine, "gaussian-noise", level, seed) for level in levels)]))
        labels.append([1.0, 0.6, 0.4, 0.1])
        kinds.append([0, 1, 1, 1])
    return Labelled(stacks, np.array(labels), np.array(kinds))


def recipe(kind: Kind, steps: int) -> Recipe:
    return Recipe(kind, steps, widths=SMALL, pictures=4, patches=2)


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_training_ends_where_an_uninterrupted_one_does(
    kind: Kind, labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.quality_loop._SAVE_EVERY", 0.0)
    whole = train(recipe(kind, 5), [labelled], tmp_path / "whole.pt", lambda *_: None)
    told: list[int] = []

    def stop(step: int, _: float) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(kind, 5), [labelled], tmp_path / "parts.pt", stop)
    resumed = train(recipe(kind, 5), [labelled], tmp_path / "parts.pt", lambda step, _: told.append(step))
    assert told == [4, 5]
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name


def test_another_recipe_does_not_take_a_checkpoint(labelled: Labelled, tmp_path: Path) -> None:
    first = recipe("no-reference", 2)
    train(first, [labelled], tmp_path / "c.pt", lambda *_: None)
    told: list[int] = []
    train(replace(first, seed=1), [labelled], tmp_path / "c.pt", lambda step, _: told.append(step))
    assert told == [1, 2]


def test_it_learns(labelled: Labelled, tmp_path: Path) -> None:
    """Noise is easy: after a few steps the full-reference network tells slight from severe."""
    network = quality.wrap(
        train(replace(recipe("full-reference", 150), rate=5e-3), [labelled], tmp_path / "c.pt", lambda *_: None),
        None,
        "cpu",
    )
    stack = labelled.pictures[0]
    scores = [quality.assess(network, picture, stack[0], 32).score for picture in stack]
    assert scores[0] > scores[1] > scores[3]


def test_batches_are_what_the_labels_say(labelled: Labelled) -> None:
    distorted, reference, labels, kinds = draw_batch([labelled], recipe("no-reference", 1), np.random.default_rng(0))
    assert distorted.shape == reference.shape == (8, 3, 32, 32)
    intact = (distorted == reference).flatten(1).all(1).view(4, 2).all(1)
    assert torch.equal(intact, kinds == 0) and torch.equal(labels == 1, kinds == 0)
    again = draw_batch([labelled], recipe("no-reference", 1), np.random.default_rng(0))
    assert torch.equal(distorted, again[0])


def test_a_teacher_takes_the_place_of_the_labels(labelled: Labelled) -> None:
    torch.manual_seed(0)
    plan = replace(recipe("no-reference", 1), naming=0.0)
    student, teacher = PatchQualityNetwork("no-reference", SMALL), PatchQualityNetwork("full-reference", SMALL)
    distorted, reference, labels, kinds = draw_batch([labelled], plan, np.random.default_rng(1))
    first = loss_of(student, (distorted, reference, labels, kinds), plan, teacher)
    assert torch.equal(first, loss_of(student, (distorted, reference, labels * 0, kinds), plan, teacher))
    assert not torch.equal(first, loss_of(student, (distorted, reference, labels, kinds), plan))


def test_what_the_features_see_is_worked_out_once(labelled: Labelled, tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, teacher = (PatchQualityNetwork(kind, SMALL).eval().requires_grad_(False) for kind in KINDS)
    path, told = tmp_path / "seen.npz", list[float]()
    seen = look(student, labelled, 3, 0, path, told.append, teacher)
    assert seen.means.shape == (4, 4, 3, SMALL[-1]) and seen.tones.shape == (4, 4, 11)
    assert told == [0.25, 0.5, 0.75, 1]
    # The one patch of the left upper quarter, by hand.
    every = look(student, labelled, 4, 0, tmp_path / "every.npz", told.append, teacher)
    stack = torch.from_numpy(labelled.pictures[1][:, :32, :32].copy()).permute(0, 3, 1, 2).float()
    means, known = student(stack).activations.mean((2, 3)), teacher(stack, stack[:1].expand_as(stack)).scores
    place = int(np.abs(every.patches[1] - known.numpy()[:, None]).sum(0).argmin())
    np.testing.assert_allclose(every.patches[1, :, place], known, atol=1e-5)
    np.testing.assert_allclose(every.means[1, :, place], means, atol=1e-3)
    again = look(student, labelled, 3, 0, path, lambda _: pytest.fail("worked out again"), teacher)
    np.testing.assert_array_equal(again.means, seen.means)
    other = look(student, labelled, 3, 0, path, told.append)
    assert (other.labels == labelled.labels.astype(np.float32)).all(), "another teacher, another answer"


def in_context(seed: int) -> Seen:
    """In one sort of photo a channel is good, in another the same is bad: no linear head can tell by a patch."""
    rng = np.random.default_rng(seed)
    means = rng.random((40, 4, 6, 8))
    sort = means[..., 0] = (rng.random((40, 4, 1)) < 0.5) * np.ones(6)
    labels = np.where(sort, means[..., 1], 1 - means[..., 1])
    tones = np.zeros((40, 4, 11), np.float32)
    return Seen(means.astype(np.float16), tones, labels.mean(2).astype(np.float32), labels.astype(np.float32))


def test_a_context_learns_what_no_patch_shows() -> None:
    torch.manual_seed(0)
    network = PatchQualityNetwork("no-reference", SMALL)
    plan = ContextRecipe(steps=300, hidden=16, pictures=32, rate=0.02, dropout=0.0)
    made = set_in_context(network, (in_context(0), in_context(1)), plan, lambda *_: None)
    found = in_context(2)
    scores = []
    for means in found.means.reshape(-1, 6, 8):
        patches = torch.from_numpy(means).float()
        heads = made.for_photo(made.summary(patches, torch.zeros(11)))
        scores.append(heads.score(patches)[:, 0].numpy())
    assert np.corrcoef(np.ravel(scores), found.patches.ravel())[0, 1] > 0.8
    again = set_in_context(network, (in_context(0), in_context(1)), plan, lambda *_: None)
    for name, value in made.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    for name, value in network.features.state_dict().items():
        assert torch.equal(made.features.state_dict()[name], value), "features stay"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_loads(kind: Kind, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = PatchQualityNetwork(kind, SMALL).eval()
    export(network, tmp_path, ["made up"], {"SRCC": 0.5})
    loaded = quality.load(kind, "cpu", tmp_path)
    picture = photo(9)
    reference = photo(8) if kind == "full-reference" else None
    before = quality.assess(quality.wrap(network, None, "cpu"), picture, reference).patches.scores
    assert np.allclose(before, quality.assess(loaded, picture, reference).patches.scores, atol=5e-3)
    assert loaded.card["measured"] == {"SRCC": 0.5} and loaded.card["task"] == "quality"


def made_up_data(folder: Path) -> None:
    for name in ("kodak", "tid2013", "val"):
        (folder / name).mkdir(parents=True)
    for number in quality_data.REFERENCES:
        PIL.Image.fromarray(photo(number, (768, 512))).save(folder / "kodak" / f"kodim{number:02d}.png")
    rows = ["ref,distortion,level,mos"]
    rows += [f"{r},{k},{level},{7 - level}" for r in range(1, 26) for k in range(1, 25) for level in range(1, 6)]
    (folder / "tid2013" / "mos.csv").write_text("\n".join(rows))
    with zipfile.ZipFile(folder / "val" / "val_few.zip", "w") as archive:
        for number in range(3):
            content = io.BytesIO()
            PIL.Image.fromarray(photo(50 + number, (260, 220))).save(content, "PNG")
            archive.writestr(f"{number}.png", content.getvalue())


def test_command_trains_both_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole recipe on made-up photos, two references in place of 24."""
    made_up_data(tmp_path / "data")
    monkeypatch.setattr("engine.training.quality.REFERENCES", (1, 3))
    monkeypatch.setattr(quality_data, "_CROP", (48, 64))
    words = ["train", "quality", "--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")]
    words += ["--out", str(tmp_path / "out"), "--contents", "3", "--steps", "2", "--device", "cpu"]
    main(words)
    for kind in KINDS:
        assert quality.load(kind, "cpu", tmp_path / "out").module.widths == Recipe(kind, 1).widths
    whole = quality.load("no-reference", "cpu", tmp_path / "out")
    assert whole.module.context is not None and whole.card["context"] == whole.module.context.hidden
    assert any("context" in sentence for sentence in whole.card["training"])
    assert not quality.load("full-reference", "cpu", tmp_path / "out").card["context"]
    assert not (tmp_path / "work" / "kodak" / "03.npy").exists(), "a test reference was made for training"


def test_missing_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="opinion scores"):
        read_opinions(tmp_path / "mos.csv")
    (tmp_path / "mos.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no table of ref"):
        read_opinions(tmp_path / "mos.csv")
    with pytest.raises(DataError, match=r"kodim03\.png is missing"):
        tid_reference(tmp_path, 3)
    with pytest.raises(SystemExit):
        main(["train", "quality", "--data", str(tmp_path / "none"), "--out", str(tmp_path)])
    assert "opinion scores" in capsys.readouterr().err


def test_typical_opinions_leave_the_test_references_out() -> None:
    opinions = {(r, k, level): 0.5 for r in range(1, 26) for k in range(1, 25) for level in range(1, 6)}
    for r, k, level in opinions:
        if r in quality_data.TEST_REFERENCES or r == 25:
            opinions[r, k, level] = 9.0
    table = typical_opinions(opinions)
    assert table[0] == 1 and np.allclose(table[1:], 0.5) and len(table) == 121
    assert variant(1, 1) == 1 and variant(24, 5) == 120
