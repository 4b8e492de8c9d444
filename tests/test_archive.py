"""Single files of strangers, in a zip or in a folder: read no further than they may be large, and from nowhere else."""

import os
import zipfile
from pathlib import Path

import pytest

from engine.archive import leaves, open_zip, read_file, read_member
from engine.errors import DataError


def zipped(path: Path, content: bytes, way: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w", way) as archive:
        archive.writestr("a.png", content)
    return open_zip(path)


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/a.png", "a\\b.png", "C:a.png", "a\0.png"])
def test_names_that_leave_their_folder(name: str) -> None:
    assert leaves(name)


@pytest.mark.parametrize("name", ["a.png", "a/b.png", "a..b/..c.png", "日本語.png", ""])
def test_names_that_stay(name: str) -> None:
    assert not leaves(name)


def test_a_file_of_a_zip_is_read_up_to_its_bound(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", b"x" * 1000)
    assert read_member(archive, "a.png", 1000, "The photo") == b"x" * 1000
    with pytest.raises(DataError, match="is larger than"):
        read_member(archive, "a.png", 999, "The photo")
    with pytest.raises(DataError, match="cannot be read"):
        read_member(archive, "b.png", 1000, "The photo")


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_in_one_go_is_refused(way: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="packed in a way that is not read"):
        read_member(zipped(tmp_path / "a.zip", bytes(1000), way), "a.png", 1000, "The photo")


def test_damaged_zips_are_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    zipped(path, os.urandom(1000))
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or encrypted"):
        read_member(open_zip(path), "a.png", 1000, "The photo")
    path.write_bytes(content[:500])
    with pytest.raises(DataError, match=r"a\.zip is damaged or no zip"):
        open_zip(path)


def test_a_file_of_a_folder_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x" * 1000)
    assert read_file(tmp_path / "a.csv", 1000, "The table") == b"x" * 1000
    with pytest.raises(DataError, match="is larger than"):
        read_file(tmp_path / "a.csv", 999, "The table")
    for path in (tmp_path / "absent.csv", tmp_path / "a\0.csv"):
        with pytest.raises(DataError, match="cannot be read; check the path"):
            read_file(path, 999, "The table")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_would_never_end_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read_file(tmp_path / "pipe", 999, "The table")
    with pytest.raises(DataError, match="not a regular file"):
        read_file(tmp_path, 999, "The folder")
