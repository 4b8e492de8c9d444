"""An evaluation over a folder against the loop that a person would write with torchcam, at equal results.

The folder holds photos with fixations. Both sides give Grad-CAM of the network's answer at three stages for every
photo and score it. What torchcam lacks (reading the data, placing cells, scores) the loop takes from the engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage import data
from torch import nn

from engine.engine import Engine
from engine.evaluation.datasets import DataSet, open_data
from engine.evaluation.runner import Progress, run
from engine.evaluation.saliency_work import Case, Preparation, SaliencyWork, Settings, Values
from engine.images import Photo
from engine.maps import Extent
from tests.benchmarks.engine import SIDE, ordinary
from tests.benchmarks.harness import AbsentError, Row, Spread, duration, faster, paired, seconds

NETWORK, TITLE = "resnet50", "ResNet-50"
LAYERS = ("layer2", "layer3", "layer4")
SETTINGS = Settings((NETWORK,), ("gradcam",), LAYERS, size=SIDE, weights="random")
WIDTH, HEIGHT = 320, 240
FIXATIONS = 50
PHOTOS_A_ROUND = 24
Scores = dict[str, dict[str, dict[str, float | None]]]


def rows(rounds: int) -> Iterator[Row]:
    """The one row of this family. Worker processes are started anew in each round, as each evaluation starts them."""
    with TemporaryDirectory() as folder:
        known = data_set(Path(folder), PHOTOS_A_ROUND * min(rounds, 4))
        names, jobs = list(known.names), os.cpu_count() or 1
        ours, theirs = Preparation(known, SETTINGS), plain_loop(known)
        results: list[Scores] = [{}, {}]
        firsts: list[float] = []

        def evaluation() -> None:
            told: list[Progress] = []
            results[0] = run(ours, names, jobs=jobs, progress=told.append)
            firsts.append(next(step.seconds for step in told if step.done_now))

        def loop() -> None:
            results[1] = {name: theirs(name) for name in names}

        pairs = [(seconds(evaluation), seconds(loop)) for _ in range(max(2, rounds // 3))]
        work = f"evaluation over {len(names)} photos, Grad-CAM of {TITLE} at {len(LAYERS)} layers, {jobs} jobs"
        difference = largest_difference(*results)
        row = faster(f"{work} (scores differ by {difference:.0e})", "a plain loop with torchcam", paired(pairs), 2.0)
        # What grows with the folder, and what does not: the row can be judged for any number of photos.
        first = duration(Spread.of(firsts).middle)
        row = replace(row, detail=f"{row.detail}; the first result after {first}")
    yield row


def data_set(folder: Path, count: int) -> DataSet:
    """Crops of photos that scikit-image carries, with random fixations, in the layout "plain"."""
    sources = [data.chelsea(), data.coffee(), data.astronaut(), data.rocket()]
    chance = np.random.default_rng(0)
    lines = ["image,x,y"]
    for index in range(count):
        source = sources[index % len(sources)]
        top, left = (int(chance.integers(0, n)) for n in (source.shape[0] - HEIGHT, source.shape[1] - WIDTH))
        name = f"{index:03d}.png"
        Image.fromarray(source[top : top + HEIGHT, left : left + WIDTH]).save(folder / name)
        points = chance.uniform(0, (WIDTH - 1, HEIGHT - 1), (FIXATIONS, 2))
        lines += [f"{name},{x:.1f},{y:.1f}" for x, y in points]
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n")
    return open_data(folder, "plain")


@dataclass(frozen=True)
class TorchcamWork(SaliencyWork):
    """The same scores of the maps that torchcam gives."""

    module: nn.Module = field(default_factory=nn.Identity)

    def _maps(self, photo: Photo, radius: float) -> Iterator[tuple[Case, Values, Extent]]:
        from torchcam.methods import GradCAM

        model = self.models[NETWORK]
        inputs = model.prepare(photo.pil(), SIDE)
        with GradCAM(self.module, target_layer=list(LAYERS)) as extractor:
            logits = self.module(inputs)
            maps = extractor(int(logits.argmax()), logits, normalized=False)
        places = {layer.name: layer for layer in model.layers(SIDE)}
        for layer, values in zip(LAYERS, maps, strict=True):
            extent = model.extent(places[layer], inputs)
            yield Case(NETWORK, "gradcam", layer, 0.0, radius), values[0].detach().numpy(), extent


def plain_loop(known: DataSet) -> TorchcamWork:
    """The work of the loop, its network loaded."""
    try:
        import torchcam  # noqa: F401
    except ImportError:
        raise AbsentError("torchcam is not installed (extra: bench)") from None
    model = Engine().load(NETWORK, SETTINGS.weights)
    return TorchcamWork(known, SETTINGS, Engine(), {NETWORK: model}, module=ordinary(model))


def largest_difference(ours: Scores, theirs: Scores) -> float:
    """Over all photos, cases and scores; both must have the same of each."""
    assert ours.keys() == theirs.keys() and ours
    gaps = [0.0]
    for name, cases in ours.items():
        assert cases.keys() == theirs[name].keys()
        for case, scores in cases.items():
            for score, value in scores.items():
                other = theirs[name][case][score]
                assert (value is None) == (other is None)
                gaps.append(abs(value - other) if value is not None and other is not None else 0.0)
    return max(gaps)
