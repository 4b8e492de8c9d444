"""The recipe: the pool and the run can stop and go on, the export is what the card says, errors are sentences."""

import argparse
import csv
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from engine.errors import DataError, WeightsError
from engine.training import checkpoint, recogniser
from engine.training.distil import Distillation, Recipe
from engine.training.export import cross_entropy, fit_temperature
from engine.training.pool import Pool, build_pool, square
from engine.training.pool import photos as listed
from engine.training.teacher import Teacher, load_teacher
from engine.training.vocabulary import Vocabulary, load_vocabulary
from tests.hostile.case import png

RECIPE = Recipe(samples=24, batch=4, phases=((0.0, 32), (0.5, 64)), held_out=3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(12):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        coarse.resize((80, 60), Image.Resampling.BICUBIC).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def teacher_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    teacher = Teacher()
    for module in teacher.modules():
        if isinstance(module, nn.Conv2d):  # so that the signal lives through fifty layers
            nn.init.kaiming_normal_(module.weight, mode="fan_in")
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    ends = {"features.0.0": "features.0", "features.18.0": "features.18"}
    state = {}
    for name, tensor in teacher.state_dict().items():
        stem, _, kind = name.rpartition(".")
        state[f"{ends.get(stem, stem)}.{kind}"] = tensor.half().contiguous()
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "few.csv"
    path.write_text("group,imagenet\nfirst,0-299\nsecond,300-599\nsomething else,*\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pool(photos: Path, teacher_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return build_pool([photos], teacher_path, tmp_path_factory.mktemp("pool"), side=48)


def distillation(pool: Pool, vocabulary: Path, teacher_path: Path, recipe: Recipe = RECIPE) -> Distillation:
    return Distillation(recipe, pool, load_vocabulary(vocabulary), load_teacher(teacher_path), torch.device("cpu"))


def arguments(work: Path, photos: Path, teacher: Path, vocabulary: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    recogniser.configure(parser)
    words = f"--teacher {teacher} --images {photos} --vocabulary {vocabulary} --out {work / 'out'} --work {work}"
    rest = ("--phases", "0:32", "--batch", "4", "--size", "128", "--side", "48", "--device", "cpu", *more)
    return parser.parse_args([*words.split(), *rest])


def test_the_teacher_pads_as_tensorflow_does(teacher_path: Path) -> None:
    teacher = load_teacher(teacher_path)
    assert teacher.features(torch.zeros(1, 3, 224, 224)).shape == (1, 1280, 7, 7)
    first = teacher.features[0][0]
    image = torch.randn(1, 3, 8, 8)
    padded = nn.functional.pad(image, (0, 1, 0, 1))  # all of it to the right and to the bottom
    torch.testing.assert_close(first(image), nn.functional.conv2d(padded, first.weight, first.bias, 2))


def test_a_pool_that_was_interrupted_goes_on(
    photos: Path, teacher_path: Path, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.pool._BATCH", 3)
    monkeypatch.setattr("engine.training.pool.FLUSH", 1)
    told = []

    def stop_after_two(done: int, total: int) -> None:
        told.append(done)
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pool([photos], teacher_path, tmp_path, side=48, progress=stop_after_two)
    again = build_pool([photos], teacher_path, tmp_path, side=48, progress=lambda done, _: told.append(done))
    assert told == [3, 6, 9, 12]
    assert np.array_equal(again.pixels, pool.pixels)
    np.testing.assert_allclose(again.features, pool.features, atol=2e-3, rtol=2e-3)


def test_a_zip_file_holds_the_same_pool_as_a_folder(
    photos: Path, teacher_path: Path, pool: Pool, tmp_path: Path
) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for photo in photos.iterdir():
            file.write(photo, photo.name)
    again = build_pool([archive], teacher_path, tmp_path / "pool", side=48)
    assert np.array_equal(again.pixels, pool.pixels)


def test_unusable_photos_and_teachers_are_errors(photos: Path, teacher_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a folder nor a zip file"):
        build_pool([tmp_path / "absent"], teacher_path, tmp_path / "pool")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no photo"):
        build_pool([empty], teacher_path, tmp_path / "pool")
    (empty / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.jpg is not a picture that can be read"):
        build_pool([empty], teacher_path, tmp_path / "pool")
    with pytest.raises(WeightsError, match="cannot be read"):
        build_pool([photos], tmp_path / "absent.safetensors", tmp_path / "pool")
    save_file({"classifier.weight": torch.zeros(10, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="does not hold the weights"):
        load_teacher(tmp_path / "other.safetensors")


def test_photos_of_strangers_are_bounded(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of too many pixels, files that are too large, and one that unpacks in one go."""
    with pytest.raises(DataError, match="at most 64 megapixels can be read"):
        square(png(100_000, 100_000, b"\0" * 100), "bomb.png", 32)
    monkeypatch.setattr("engine.training.pool.MAX_BYTES", 10_000)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "a.png").write_bytes(bytes(10_001))
    for way in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(tmp_path / f"{way}.zip", "w", way) as file:
            file.writestr("a.png", bytes(20_000_000))
    sources = (tmp_path / "large", tmp_path / f"{zipfile.ZIP_DEFLATED}.zip", tmp_path / f"{zipfile.ZIP_BZIP2}.zip")
    for source, words in zip(sources, ("is larger than", "is larger than", "packed in a way"), strict=True):
        ((_, read),) = listed([source])
        with pytest.raises(DataError, match=words):
            read()
    assert len([read() for _, read in listed([photos])]) == 12


def test_a_resumed_run_equals_an_uninterrupted_one(
    pool: Pool, vocabulary: Path, teacher_path: Path, tmp_path: Path
) -> None:
    whole = distillation(pool, vocabulary, teacher_path)
    losses = [step.losses for step in whole.steps()]
    first = distillation(pool, vocabulary, teacher_path)
    for step in first.steps():
        if step.seen == 12:
            break
    first.save(tmp_path / "checkpoint.safetensors")
    second = distillation(pool, vocabulary, teacher_path)
    second.restore(checkpoint.load(tmp_path / "checkpoint.safetensors"))
    assert second.progress == 0.5
    assert [step.losses for step in second.steps()] == losses[3:]
    for name, tensor in whole.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name


def test_training_lowers_every_loss(pool: Pool, vocabulary: Path, teacher_path: Path) -> None:
    recipe = replace(RECIPE, samples=128, batch=4, phases=((0.0, 32),), rate=3e-3)
    steps = [step.losses for step in distillation(pool, vocabulary, teacher_path, recipe).steps()]
    for name in ("groups", "classes", "dense"):
        first, last = (np.mean([losses[name] for losses in part]) for part in (steps[:4], steps[-4:]))
        assert last < first, name


def test_the_schedules() -> None:
    recipe = Recipe(rate=1.0, warm_up=0.1, phases=((0.0, 64), (0.3, 96), (0.7, 128)))
    assert recipe.rate_at(0.05) == pytest.approx(0.5)
    assert recipe.rate_at(0.1) == pytest.approx(1)
    assert recipe.rate_at(0.55) == pytest.approx(0.5)
    assert recipe.rate_at(1) == pytest.approx(0, abs=1e-12)
    assert [recipe.size_at(share) for share in (0, 0.29, 0.3, 0.69, 0.7, 1)] == [64, 64, 96, 96, 128, 128]


def test_the_held_out_photos_are_not_trained_on(pool: Pool, vocabulary: Path, teacher_path: Path) -> None:
    run = distillation(pool, vocabulary, teacher_path)
    assert len(run.held_out) == 3
    assert sorted([*run.held_out.tolist(), *run.train.tolist()]) == list(range(12))
    logits, wanted = run.held_out_logits(run.finished(), 64)
    assert logits.shape == wanted.shape == (3, 3)
    torch.testing.assert_close(wanted.sum(1), torch.ones(3))


def test_the_finished_network_expects_fewer_photos_of_the_rest(
    pool: Pool, vocabulary: Path, teacher_path: Path
) -> None:
    run = distillation(pool, vocabulary, teacher_path)
    assert float(run.shares.sum()) == pytest.approx(1, abs=1e-5)
    before, after = run.average.module.fc.bias, run.finished().fc.bias
    shift = (after - before).tolist()
    assert shift[:2] == pytest.approx([0, 0], abs=1e-3)
    assert shift[2] == pytest.approx(np.log(RECIPE.rest_share / float(run.shares[2])), abs=1e-3)
    assert all(torch.equal(t, t.half().float()) for t in run.finished().parameters())
    assert torch.equal(run.average.module.fc.bias, before)  # a copy: training goes on with its own weights


def test_the_temperature_undoes_overconfidence() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 6, generator=generator) * 2
    drawn = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    truth = nn.functional.one_hot(drawn, 6).float()
    temperature = fit_temperature(logits * 3, truth)
    assert temperature == pytest.approx(3, rel=0.08)
    assert cross_entropy(logits * 3, truth, temperature) < cross_entropy(logits * 3, truth, 1)
    for near in (0.98, 1.02):
        assert cross_entropy(logits * 3, truth, temperature) <= cross_entropy(logits * 3, truth, temperature * near)


def test_the_command_writes_weights_a_card_and_a_log(
    photos: Path, teacher_path: Path, vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser.run(arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "8", "--every", "0"))
    card = json.loads((tmp_path / "out.json").read_text())
    weights = tmp_path / "out.safetensors"
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["classes"] == ["first", "second", "something else"]
    assert [len(indices) for indices in card["imagenet"]] == [300, 300, 400]
    assert card["size"] in card["sizes"]
    assert card["temperature"] > 0
    state = load_file(weights)
    assert {t.dtype for n, t in state.items() if not n.endswith("num_batches_tracked")} == {torch.float16}
    network = torchvision.models.resnet18(num_classes=3)
    network.load_state_dict(state)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["samples"] for row in rows] == ["4", "8", "8"]
    assert all(0 <= float(row["agreement"]) <= float(row["agreement_top3"]) <= 1 for row in rows)
    assert "min left" in capsys.readouterr().err


def test_the_command_goes_on_from_its_checkpoint(
    photos: Path, teacher_path: Path, vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recogniser.run(arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "4"))
    recogniser.run(arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "12"))
    assert "going on after 4 samples" in capsys.readouterr().err
    saved = tmp_path / "checkpoint.safetensors"
    assert checkpoint.load(saved)["seen"] == 12
    few = tmp_path / "two.csv"
    few.write_text("group,imagenet\nfirst,0-299\nsomething else,*\n", encoding="utf-8")
    with pytest.raises(DataError, match="belongs to another recipe"):
        recogniser.run(arguments(tmp_path, photos, teacher_path, few, "--samples", "16"))
    saved.write_bytes(saved.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read: delete it"):
        recogniser.run(arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "16"))


def test_favoured_photos_are_drawn_more_often(photos: Path, pool: Pool, vocabulary: Path, teacher_path: Path) -> None:
    few = Pool(pool.pixels, pool.features, favoured=4)
    usual, favouring = (distillation(each, vocabulary, teacher_path) for each in (pool, few))
    last = usual.train >= 8
    assert favouring.favoured == int(last.sum()) > 0
    ratio = favouring.chances / usual.chances
    torch.testing.assert_close(ratio[last], torch.full_like(ratio[last], RECIPE.favour))
    torch.testing.assert_close(ratio[~last], torch.ones_like(ratio[~last]))


def test_the_command_goes_on_from_finished_weights(
    photos: Path, teacher_path: Path, vocabulary: Path, tmp_path: Path
) -> None:
    recogniser.run(arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "16"))
    first, again = load_file(tmp_path / "out.safetensors"), tmp_path / "again"
    more = ("--samples", "4", "--start", str(tmp_path / "out.safetensors"), "--rate", "0", "--favour", str(photos))
    recogniser.run(arguments(again, photos, teacher_path, vocabulary, *more))
    state = load_file(again / "out.safetensors")
    assert torch.equal(state["conv1.weight"], first["conv1.weight"]), "without a rate nothing moves"
    training = json.loads((again / "out.json").read_text())["training"]
    assert training[0].startswith("Trained from scratch")
    assert any("on, from earlier weights" in line and "3 times as often" in line for line in training)
    two = tmp_path / "two.csv"
    two.write_text("group,imagenet\nfirst,0-299\nsomething else,*\n", encoding="utf-8")
    with pytest.raises(DataError, match="another vocabulary"):
        recogniser.run(arguments(tmp_path / "third", photos, teacher_path, two, *more))
    with pytest.raises(DataError, match="cannot be read"):
        more = (*more[:3], str(tmp_path / "absent.safetensors"), *more[4:])
        recogniser.run(arguments(tmp_path / "fourth", photos, teacher_path, vocabulary, *more))


@pytest.mark.parametrize("phases", [["96"], ["0.5:96"], ["0:96", "0.8:160", "0.3:128"], ["0:large"]])
def test_phases_that_make_no_sense_are_errors(
    phases: list[str], photos: Path, teacher_path: Path, vocabulary: Path, tmp_path: Path
) -> None:
    args = arguments(tmp_path, photos, teacher_path, vocabulary, "--samples", "4")
    args.phases = phases
    with pytest.raises(DataError, match="--phases"):
        recogniser.run(args)


def test_an_exported_card_keeps_the_layers_that_were_measured(tmp_path: Path) -> None:
    from engine.training.export import export

    out = tmp_path / "recogniser"
    out.with_suffix(".json").write_text(json.dumps({"default_layers": {"gradcam": "layer4"}, "measured": {"osie": 1}}))
    vocabulary = Vocabulary(("a", "b"), ((0,), tuple(range(1, 1000))))
    export(
        nn.Linear(2, 2), vocabulary, out,
        temperature=1.25, size=128, sizes=(128, 160), training=["once"], measured={"nips": 2},
    )  # fmt: skip
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["default_layers"] == {"gradcam": "layer4"}
    assert card["measured"] == {"osie": 1, "nips": 2}
