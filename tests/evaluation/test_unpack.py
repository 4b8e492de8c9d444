"""Archives from strangers: what is in them stays in its folder, or nothing of it is unpacked."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from engine.errors import DataError
from engine.evaluation import unpack as module
from engine.evaluation.unpack import unpack

WANTED = (".jpg", ".mat")


def packed(path: Path, *names: str, content: bytes = b"content", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def tried(archive: Path) -> str:
    """What is said when `archive` is refused, after a look that nothing was written."""
    folder = archive.parent / "out" / "data"
    folder.parent.mkdir(exist_ok=True)
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(DataError) as told:
        unpack(archive, folder, WANTED, lambda done, total: None)
    assert sorted(archive.parent.rglob("*")) == before
    assert str(told.value).startswith("all.zip ") and str(told.value).endswith(".")
    return str(told.value)


def test_what_is_wanted_is_unpacked_and_counted(tmp_path: Path) -> None:
    names = ("a.jpg", "deep/er/b.JPG", "c.mat", "notes.exe", "__MACOSX/a.jpg", ".git/x.jpg", "Output/d.jpg", "._a.jpg")
    told: list[tuple[int, int]] = []
    archive = packed(tmp_path / "all.zip", "empty/", *names)
    unpack(archive, tmp_path / "data", WANTED, lambda *counts: told.append(counts))
    found = sorted(p.relative_to(tmp_path / "data").as_posix() for p in (tmp_path / "data").rglob("*") if p.is_file())
    assert found == ["a.jpg", "c.mat", "deep/er/b.JPG"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "data" / "a.jpg").read_bytes() == b"content"


@pytest.mark.parametrize(
    "name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:/x.jpg", "..\\x.jpg", "a\\..\\..\\x.jpg", "../../x.exe"]
)
def test_a_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    assert "would leave its folder" in tried(packed(tmp_path / "all.zip", "good.jpg", name))


def test_a_link_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "all.zip", "good.jpg")
    with zipfile.ZipFile(archive, "a") as opened:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    assert "would leave its folder" in tried(archive)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = packed(tmp_path / "all.zip", "a.jpg", "a.jpg")
    assert "two files of one name" in tried(twice)
    assert "two files of one name" in tried(packed(tmp_path / "all.zip", "a.jpg", "A.JPG"))


def test_what_swells_is_refused_before_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(tmp_path / "all.zip", "a.jpg", "b.jpg", content=bytes(300_000))
    assert archive.stat().st_size < 3000
    monkeypatch.setattr(module, "MOST_UNPACKED", 500_000)
    assert "unpacks to more than" in tried(archive)
    monkeypatch.setattr(module, "MOST_FILES", 1)
    assert "holds more than 1 files" in tried(archive)


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    """It says 10 bytes and holds a million: no more than it says is read, and what is read is not right."""
    archive = packed(tmp_path / "all.zip", "a.jpg", content=bytes(1_000_000))
    content = archive.read_bytes().replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(content)
    assert "damaged" in tried(archive)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "all.zip", "a.jpg")
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    assert "encrypted" in tried(archive)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_in_one_go_is_refused(method: int, tmp_path: Path) -> None:
    """Whatever size the table of contents tells: a kilobyte of bzip2 can be a gigabyte, and is unpacked as a whole."""
    assert "packed in a way that is not read" in tried(packed(tmp_path / "all.zip", "a.jpg", method=method))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "all.zip", "a.jpg", "b/c.mat")
    whole = archive.read_bytes()
    for length in range(0, len(whole), 11):
        archive.write_bytes(whole[:length])
        assert "damaged or no zip" in tried(archive)


def test_every_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    archive = packed(tmp_path / "all.zip", "a.jpg", content=b"some content " * 20)
    whole = archive.read_bytes()
    for at in range(0, len(whole), 3):
        folder = tmp_path / f"out{at}" / "data"
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            unpack(archive, folder, WANTED, lambda done, total: None)
        except DataError:
            assert not folder.exists()
        else:  # a byte that does not matter, such as of the time: then the content is right
            assert [path.read_bytes() for path in folder.rglob("*") if path.is_file()] == [b"some content " * 20]


def test_an_archive_of_other_things_is_told(tmp_path: Path) -> None:
    assert "no pictures and tables" in tried(packed(tmp_path / "all.zip", "readme.html"))
    (tmp_path / "all.zip").write_bytes(io.BytesIO(b"<html>").getvalue())
    assert "damaged or no zip" in tried(tmp_path / "all.zip")


def test_half_of_an_earlier_try_is_thrown_away(tmp_path: Path) -> None:
    half = tmp_path / ".data.unpacking"
    half.mkdir()
    (half / "old.jpg").touch()
    unpack(packed(tmp_path / "all.zip", "a.jpg"), tmp_path / "data", WANTED, lambda done, total: None)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a.jpg"] and not half.exists()
