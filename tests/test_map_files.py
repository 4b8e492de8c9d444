"""Maps that people bring: the right numbers, or one sentence."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import DataError
from engine.map_files import MAX_SIDE, read_map

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
        (picture(np.zeros((10, 20))), "same everywhere"),
    ],
)
def test_what_is_no_map_gets_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as told:
        read_map(content, SIZE, "salgan.npy")
    assert str(told.value).startswith("The map salgan.npy") and str(told.value).endswith(".")
