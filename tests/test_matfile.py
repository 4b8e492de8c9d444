"""The MATLAB reader: equal to scipy's on sound files, one sentence on all others."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import savemat

from engine.errors import DataError
from engine.matfile import MAX_DEPTH, read_mat
from tests.hostile.corpus import sentence_problem

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def saved(variables: dict, compress: bool = True) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compress)
    return buffer.getvalue()


names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
numbers = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=4),
    elements=st.integers(0, 200),
)


@given(
    st.dictionaries(names, numbers | st.text("abc XYZ", min_size=1, max_size=9), min_size=1, max_size=4), st.booleans()
)
def test_what_scipy_writes_is_read(variables: dict, compress: bool) -> None:
    found = read_mat(saved(variables, compress))
    assert found.keys() == variables.keys()
    for name, value in variables.items():
        if isinstance(value, str):
            assert found[name] == value
        else:
            assert np.array_equal(np.asarray(found[name]), value)


def test_cells_and_structures() -> None:
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.eye(2), "text"
    viewers = np.array([(np.arange(3.0), "a"), (np.arange(2.0), "b")], dtype=[("fix", object), ("who", object)])
    found: dict[str, Any] = read_mat(
        saved({"cells": cells, "one": {"x": 1.5, "inner": {"y": "z"}}, "viewers": viewers})
    )
    assert isinstance(found["cells"], list)
    assert np.array_equal(found["cells"][0], np.eye(2))
    assert found["cells"][1] == "text"
    assert found["one"][0]["inner"] == [{"y": "z"}]
    assert [viewer["who"] for viewer in found["viewers"]] == ["a", "b"]
    assert found["viewers"][1]["fix"].ravel().tolist() == [0, 1]


def test_big_endian_and_empty_arrays() -> None:
    body = (
        struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 1, 2) + struct.pack(">II", 0x00010001, 0x61000000)
    )
    body += struct.pack(">IIdd", 9, 16, 1.5, -2.0)
    header = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    assert np.array_equal(read_mat(header + struct.pack(">II", 14, len(body)) + body)["a"], [[1.5, -2.0]])
    assert np.asarray(read_mat(saved({"nothing": np.zeros((0, 0))}))["nothing"]).size == 0


def test_nesting_that_ends_scipy_is_refused() -> None:
    """Twenty thousand cells in each other overflow the C stack of scipy.io.loadmat."""
    shell = struct.pack("<IIII", 6, 8, 1, 0) + struct.pack("<IIii", 5, 8, 1, 1) + struct.pack("<II", 1, 0)
    step, count = len(shell) + 8, 20_000
    sizes = [(count - depth) * step - 8 for depth in range(count)]
    with pytest.raises(DataError, match=f"more than {MAX_DEPTH} deep"):
        read_mat(HEADER + b"".join(struct.pack("<II", 14, size) + shell for size in sizes))
    # scipy reads on beyond a parent that claims to be empty; here nothing lies in it.
    assert list(read_mat(HEADER + (struct.pack("<II", 14, 0) + shell) * count)) == [""]


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved({"zeros": np.zeros((1000, 1000))})
    assert len(content) < 20_000
    monkeypatch.setattr("engine.matfile.MAX_UNPACKED", 2**20)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_mat(content)
    monkeypatch.setattr("engine.matfile.MAX_ELEMENTS", 50)
    many = np.empty((1, 100), object)
    many[0, :] = 1.0
    with pytest.raises(DataError, match="elements"):
        read_mat(saved({"cells": many}))


def test_a_size_that_does_not_fit_its_content_is_refused() -> None:
    cell = struct.pack("<IIII", 6, 8, 1, 0) + struct.pack("<IIii", 5, 8, 2**30, 2**30) + struct.pack("<II", 1, 0)
    with pytest.raises(DataError, match="damaged"):
        read_mat(HEADER + struct.pack("<II", 14, len(cell)) + cell)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<IIII", 6, 8, 6, 0),  # flags alone
        struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 2, 2),  # no name
        struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIdd", 9, 16, 1, np.inf) + struct.pack("<II", 1, 0),
        struct.pack("<IIII", 6, 8, 2, 0) + struct.pack("<IIii", 5, 8, 1, 1) + struct.pack("<II", 1, 0),  # no fields
    ],
)
def test_matrices_that_end_early_are_refused(body: bytes) -> None:
    """Found by flipping bytes."""
    with pytest.raises(DataError, match="damaged"):
        read_mat(HEADER + struct.pack("<II", 14, len(body)) + body)
    with pytest.raises(DataError, match="damaged"):
        read_mat(HEADER + struct.pack("<II", 15, 8) + zlib.compress(b"")[:8])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a MATLAB file"),
        (b"text", "not a MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(200), "version 7.3"),
        (b"\x89HDF\r\n\x1a\n", "version 7.3"),
        (saved({"c": np.array([1 + 2j])}), "complex"),
    ],
)
def test_other_files(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_mat(content)
    assert sentence_problem(str(caught.value)) is None


@given(st.data())
@settings(max_examples=400)
def test_damaged_files_give_a_sentence(data: st.DataObject) -> None:
    variables = {"gaze": {"fixations": np.eye(2), "who": "me"}, "fixLocs": np.eye(3, dtype=np.uint8)}
    content = bytearray(saved(variables, compress=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(100, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        assert isinstance(read_mat(bytes(content[:cut])), dict)
    except DataError as error:
        assert sentence_problem(str(error)) is None
