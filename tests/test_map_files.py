"""Maps that people bring: the right numbers, or one sentence."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import DataError
from engine.map_files import MAX_SIDE, check_all, maps_in, read_map, read_map_file

SIZE = (200, 100)
RAMP = np.linspace(0, 4, 20 * 10, dtype=np.float32).reshape(10, 20)


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def packed(way: int) -> bytes:
    """As numpy has it, but packed in a way that unpacks in one go, whatever size was told."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        archive.writestr("map.npy", npy(RAMP))
    return buffer.getvalue()


def picture(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [npy(RAMP), npy(RAMP.astype(np.float64)), npy(RAMP[None, :, :, None]), npz(map=RAMP), npz(a=RAMP, b=np.ones(3))],
)
def test_arrays_are_scaled_to_their_maximum(content: bytes) -> None:
    found = read_map(content, SIZE, "map.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, RAMP / 4, atol=1e-6)


def test_a_picture_counts_by_its_brightness() -> None:
    found = read_map(picture(RAMP * 50), SIZE)
    assert found.shape == (10, 20) and found[0, 0] == 0 and found[-1, -1] == 1


def test_a_log_density_is_raised_to_zero_and_a_square_map_fits_any_photo() -> None:
    assert read_map(npy(RAMP - 9), SIZE).min() == 0
    assert read_map(npy(np.eye(7)), SIZE).shape == (7, 7)


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("map.npy", npy(np.zeros((4000, 4000), np.float64))[: 120 * 2**20])
    return buffer.getvalue()


def lying() -> bytes:
    """A header that promises far more than the file holds."""
    return npy(RAMP).replace(b"(10, 20)", b"(99999, 99999)").replace(b"      \n", b"\n", 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no picture"),
        (b"hello", "no picture"),
        (npy(RAMP)[:90], "damaged"),
        (lying(), "damaged"),
        (npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), "Python objects"),
        (npy(np.ones(9)), "shape"),
        (npy(np.ones((3, 10, 20))), "shape"),
        (npy(RAMP.astype(complex)), "real numbers"),
        (npy(np.full((10, 20), np.nan)), "NaN"),
        (npy(np.ones((10, 20))), "same everywhere"),
        (npy(RAMP.T), "proportions"),
        (npy(np.ones((2, MAX_SIDE + 1))), "at most"),
        (npz(a=RAMP, b=RAMP), "holds 2"),
        (npz(a=np.ones(3)), "holds 0"),
        (npz(a=RAMP)[:200], "damaged"),
        (bomb(), "unpacked"),
        (packed(zipfile.ZIP_BZIP2), "a way that is not read"),
        (packed(zipfile.ZIP_LZMA), "a way that is not read"),
        (picture(np.zeros((10, 20))), "same everywhere"),
    ],
)
def test_what_is_no_map_gets_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as told:
        read_map(content, SIZE, "salgan.npy")
    assert str(told.value).startswith("The map salgan.npy") and str(told.value).endswith(".")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_of_two_entries_of_one_name_each_is_read_once() -> None:
    """By name a zip gives the last one, again and again: a small file could ask for hours of reading."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("map.npy", npy(RAMP))
        archive.writestr("map.npy", npy(np.ones(3)))
    assert read_map(buffer.getvalue(), SIZE, "twice.npz").shape == RAMP.shape


# --- a folder of maps ---------------------------------------------------------------------------------------


def folder_of(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(npy(RAMP))
    return path


def found(path: Path, *photos: str) -> dict[str, str]:
    return {photo: map_.relative_to(path).as_posix() for photo, map_ in maps_in(path, photos).items()}


def test_maps_belong_to_the_photos_of_their_names(tmp_path: Path) -> None:
    maps = folder_of(tmp_path, "1001.png", "1002.jpg.npy", "deep/1003.NPZ", "1004.txt", "other.png")
    assert found(maps, "1001.jpg", "1002.jpg", "1003.jpg", "1004.jpg") == {
        "1001.jpg": "1001.png", "1002.jpg": "1002.jpg.npy", "1003.jpg": "deep/1003.NPZ",
    }  # fmt: skip


def test_photos_in_folders_have_their_maps_in_folders(tmp_path: Path) -> None:
    maps = folder_of(tmp_path, "Action/001.png", "Art/001.png", "002.png")
    assert found(maps, "Action/001.jpg", "Art/001.jpg", "Art/002.jpg") == {
        "Action/001.jpg": "Action/001.png", "Art/001.jpg": "Art/001.png", "Art/002.jpg": "002.png",
    }  # fmt: skip
    flat = folder_of(tmp_path / "flat", "001.png", "002.png")
    assert found(flat, "Action/001.jpg", "Art/001.jpg", "Art/002.jpg") == {"Art/002.jpg": "002.png"}, "001 is not clear"


def test_what_does_not_pair_is_told_with_the_first_names(tmp_path: Path) -> None:
    maps = folder_of(tmp_path / "salgan", "1.png", "2.png")
    photos = [f"{n}.jpg" for n in range(1, 8)]
    with pytest.raises(DataError) as told:
        check_all(maps_in(maps, photos), photos, maps)
    assert str(told.value) == (
        "The folder salgan lacks the maps of 5 of 7 photos (3.jpg, 4.jpg, 5.jpg, ...); name each map as its photo."
    )
    check_all(maps_in(maps, photos), photos[:2], maps)
    with pytest.raises(DataError, match=r"The folder salgan lacks a map of 3\.jpg; name each map as its photo\."):
        check_all(maps_in(maps, photos), ["3.jpg"], maps)
    with pytest.raises(DataError, match=r"lacks the maps of 1 of 3 photos \(3.jpg\);"):
        check_all(maps_in(maps, photos), photos[:3], maps)


def test_folders_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder nothing; give the folder of the maps"):
        maps_in(tmp_path / "nothing", ["a.jpg"])
    with pytest.raises(DataError, match=r"No map in the folder .* is named as a photo; .* for instance a.png"):
        maps_in(folder_of(tmp_path / "other", "b.png"), ["a.jpg"])
    with pytest.raises(DataError, match=r"has two maps of a.jpg, a.npy and a.png; keep one"):
        maps_in(folder_of(tmp_path / "twice", "a.npy", "a.png"), ["a.jpg"])


def test_a_map_is_read_from_its_file(tmp_path: Path) -> None:
    path = folder_of(tmp_path, "a.npy") / "a.npy"
    np.testing.assert_array_equal(read_map_file(path, SIZE), read_map(npy(RAMP), SIZE))
    with pytest.raises(DataError, match=r"The map b\.npy cannot be read"):
        read_map_file(tmp_path / "b.npy", SIZE)
