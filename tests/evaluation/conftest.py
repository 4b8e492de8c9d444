"""A small data set that several tests share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.evaluation.datasets import DataSet, open_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos of a bright square; people look at the square, and it lies elsewhere in each."""
    path = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    lines = ["image,subject,x,y"]
    for i in range(4):
        pixels = rng.integers(60, 90, (120, 160, 3), dtype=np.uint8)
        left, top = 20 + 30 * i, 15 + 20 * i
        pixels[top : top + 30, left : left + 30] = rng.integers(0, 255, (30, 30, 3))
        Image.fromarray(pixels).save(path / f"{i}.png")
        for x, y in rng.uniform(0, 30, (25, 2)):
            lines.append(f"{i}.png,s,{left + x:.1f},{top + y:.1f}")
    (path / "fixations.csv").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def data(folder: Path) -> DataSet:
    return open_data(folder)
