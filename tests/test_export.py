"""Exports and pictures: nothing lost, equal content gives equal bytes."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine import Engine, render
from engine.archive import pack
from engine.errors import ExplorerError
from engine.export import contents, sheets, write
from engine.images import Photo, decode
from tests.disk import filling


@pytest.fixture(scope="module")
def photo() -> Photo:
    return decode(Image.fromarray(np.random.default_rng(1).integers(0, 255, (80, 100, 3), dtype=np.uint8)))


@pytest.fixture(scope="module")
def files(photo: Photo) -> dict[str, bytes]:
    engine = Engine()
    trace = engine.trace(engine.load("resnet18", "random"), photo, 64)
    maps = [engine.explain(trace, name, foil=4) for name in ("gradcam", "contrast")]
    return contents(photo, sheets(trace, maps), trace)


def test_the_zip_holds_the_photo_bit_for_bit_and_the_raw_maps(photo: Photo, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert np.array_equal(np.asarray(Image.open(archive.open("photo.png"))), photo.pixels)
        manifest = json.loads(archive.read("manifest.json"))
        with np.load(io.BytesIO(archive.read("maps.npz"))) as maps:
            assert set(maps) == {"gradcam", "contrast"} and maps["contrast"].dtype == np.float32
    assert manifest["photo"]["digest"] == photo.digest
    assert [entry["file"] for entry in manifest["maps"]] == ["gradcam.png", "contrast.png"]
    assert manifest["maps"][1]["foil"]["index"] == 4


def test_equal_content_gives_equal_bytes(files: dict[str, bytes]) -> None:
    assert pack(files) == pack(dict(files))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplorerError, match="cannot be written"):
        write({"a": b"1"}, tmp_path / "file" / "folder")
    write({"a": b"1"}, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


@given(st.floats(0, 1), st.sampled_from(sorted(render.SCALES)))
def test_colours_lie_between_their_anchors(share: float, scale: str) -> None:
    shown = render.colour(np.full((1, 1), share), scale)[0, 0]
    anchors = np.array([tuple(bytes.fromhex(a)) for a in render.SCALES[scale]])
    assert (shown >= anchors.min(0)).all() and (shown <= anchors.max(0)).all()


@pytest.mark.parametrize("scale", ["inferno", "viridis"])
def test_sequential_scales_grow_brighter_all_the_way(scale: str) -> None:
    colours = render.colour(np.linspace(0, 1, 64)[None], scale)[0].astype(float)
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all()


def test_a_cell_stays_where_it_was_when_enlarged() -> None:
    values = np.zeros((7, 7), np.float32)
    values[2, 5] = 1
    large = render.enlarge(values, 140, 70)
    row, column = np.unravel_index(large.argmax(), large.shape)
    assert abs(row - 24.5) <= 1 and abs(column - 109.5) <= 1


def test_no_evidence_leaves_the_photo_grey_and_signs_get_their_colours() -> None:
    photo = np.full((20, 20, 3), 128, np.uint8)
    empty = render.overlay(photo, np.full((2, 2), -1, np.float32))
    assert (empty == empty[..., :1]).all()
    signed = render.overlay(photo, np.array([[-1, 1]], np.float32), signed=True)
    assert signed[10, 0, 2] > signed[10, 0, 0] and signed[10, -1, 0] > signed[10, -1, 2]


def test_on_a_disk_that_fills_every_file_is_whole_or_not_there(tmp_path: Path) -> None:
    files = {"a.bin": bytes(1000), "b.bin": bytes(50_000), "c.bin": bytes(10)}
    with filling(20_000), pytest.raises(ExplorerError, match="cannot be written to"):
        write(files, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a.bin": files["a.bin"]}
