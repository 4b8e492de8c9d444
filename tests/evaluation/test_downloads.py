"""Data sets fetched from a host on this computer: whole, resumed, damaged, too large, and not to be had."""

import errno
import hashlib
import importlib.util
import io
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from engine.errors import DataError
from engine.evaluation import downloads
from engine.evaluation.datasets import LAYOUTS, open_data
from engine.evaluation.downloads import PARTS, Part, get
from engine.evaluation.runner import Progress
from tests.evaluation.test_datasets import cat2000, jpeg, mit1003, osie, salicon, toronto


class Host(ThreadingHTTPServer):
    """A file host; after `breaks_after` bytes of an answer it closes the connection."""

    breaks_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Host
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.lstrip("/")
        wanted = self.headers.get("Range")
        self.server.asked.append((name, wanted))
        if name not in self.server.files:
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = self.server.files[name][start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_after])
        self.close_connection = True
        return None

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    server = Host()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(folder: Path) -> bytes:
    """A folder as one zip, not compressed, as photos are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


# What each archive of the real data sets holds, where there are several; SALICON's fixations lie in no folder of it.
ARCHIVES = {
    "mit1003": {"fixations": "ALLFIXATIONMAPS", "stimuli": "ALLSTIMULI"},
    "salicon": {"fixations": "fixations", "stimuli": "images"},
}


@pytest.fixture
def published(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, bytes]]:
    """Publish a small data set on the host in the parts of the real one; gives its files by name."""
    writers = {"mit1003": mit1003, "cat2000": cat2000, "salicon": salicon, "toronto": toronto, "osie": osie}

    def publish(name: str) -> dict[str, bytes]:
        made = tmp_path / "published" / name
        writers[name](made)
        if name == "osie":
            files = {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}
            parts = [Part(host.url(f"{to}?raw=true"), to, _md5(files[to]) if to.endswith("mat") else None)
                     for to in sorted(files)]  # fmt: skip
            host.files |= files
        else:
            parts, archives = [], ARCHIVES.get(name, {PARTS[name][0].to: ""})
            for part, (to, inside) in zip(PARTS[name], archives.items(), strict=True):
                packed = tmp_path / "packed" / name / to
                shutil.copytree(made / inside, packed if inside in ("", "fixations") else packed / inside)
                host.files[f"{to}.zip"] = zipped(packed)
                md5 = _md5(host.files[f"{to}.zip"]) if part.md5 else None
                parts.append(Part(host.url(f"{to}.zip"), to, md5, True))
        monkeypatch.setitem(PARTS, name, tuple(parts))
        return host.files

    return publish


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def sentence_of(name: str, folder: Path) -> str:
    with pytest.raises(DataError) as told:
        get(name, folder)
    assert "\n" not in str(told.value) and str(told.value).endswith(".")
    return str(told.value)


def unfinished(folder: Path) -> set[str]:
    """The files that are kept of a data set of which not all is there."""
    return {path.name for path in folder.with_name(folder.name + ".part").rglob("*") if path.is_file()}


def left(folder: Path) -> set[str]:
    """All files and folders of a data set that broke off, hidden ones too; where it is to be there is nothing."""
    assert not folder.exists()
    gathered = folder.with_name(folder.name + ".part")
    assert {path.name for path in folder.parent.iterdir() if folder.name in path.name} == {gathered.name}
    return {path.relative_to(gathered).as_posix() for path in gathered.rglob("*")}


@pytest.mark.parametrize("name", PARTS)
def test_every_data_set_is_fetched_and_read(
    name: str, published: Callable, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(name)
    told: list[Progress] = []
    folder = tmp_path / "data" / name
    get(name, folder, told.append)
    data = open_data(folder)
    assert (data.title, len(data.names)) == (next(one.title for one in LAYOUTS if one.id == name), 2)
    assert data.photo(data.names[0]).size == data.fixations[data.names[0]].size
    assert told and all(progress.done <= progress.total for progress in told)
    assert [path.name for path in folder.parent.iterdir()] == [name], "no archive, part or lock is left"
    asked = len(host.asked)
    get(name, folder)
    assert len(host.asked) == asked, "what lies there is not fetched again"


def test_a_download_that_broke_off_goes_on(published: Callable, host: Host, tmp_path: Path) -> None:
    content = published("toronto")["eyetrackingdata.zip"]
    host.breaks_after = len(content) // 2
    assert "broke off; try again, it goes on where it stopped" in sentence_of("toronto", tmp_path / "toronto")
    assert not (tmp_path / "toronto").exists()
    host.breaks_after = None
    get("toronto", tmp_path / "toronto")
    assert len(open_data(tmp_path / "toronto").names) == 2
    assert [wanted for _, wanted in host.asked] == [None, f"bytes={len(content) // 2}-"]


def test_what_was_fetched_before_is_not_fetched_again(published: Callable, host: Host, tmp_path: Path) -> None:
    files = published("mit1003")
    photos = files.pop("stimuli.zip")
    assert "could not be fetched" in sentence_of("mit1003", tmp_path / "mit")
    files["stimuli.zip"] = photos
    get("mit1003", tmp_path / "mit")
    assert [name for name, _ in host.asked] == ["fixations.zip", "stimuli.zip", "stimuli.zip"]


@pytest.mark.parametrize("name", ["cat2000", "osie"])
def test_another_file_than_the_published_one_is_deleted(
    name: str, published: Callable, host: Host, tmp_path: Path
) -> None:
    published(name)
    host.files[urlsplit(PARTS[name][0].url).path.lstrip("/")] = b"<html>Quota exceeded</html>"
    said = sentence_of(name, tmp_path / name)
    assert "is not the published file and was deleted; try again, or get it from" in said
    assert not any(path.endswith((".part", ".zip", ".mat")) for path in unfinished(tmp_path / name))


def test_a_photo_without_a_known_hash_must_be_a_picture(published: Callable, host: Host, tmp_path: Path) -> None:
    published("osie")["stimuli/b.jpg"] = b"<html>Not found</html>"
    assert "b.jpg of OSIE is not the published file" in sentence_of("osie", tmp_path / "osie")
    host.files["stimuli/b.jpg"] = jpeg(1)
    get("osie", tmp_path / "osie")


@pytest.mark.parametrize("damage", [lambda zip_: zip_[: len(zip_) // 2], lambda zip_: zip_.replace(b"JFIF", b"JFIX")])
def test_a_damaged_zip_without_a_known_hash_is_fetched_again(
    damage: Callable[[bytes], bytes], published: Callable, host: Host, tmp_path: Path
) -> None:
    files = published("mit1003")
    right = files["fixations.zip"]
    files["fixations.zip"] = damage(right)
    said = sentence_of("mit1003", tmp_path / "mit")
    assert "is damaged or no zip" in said or "is not the published file" in said
    files["fixations.zip"] = right
    get("mit1003", tmp_path / "mit")


def test_no_network_says_where_to_get_it_and_how_to_lay_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, parts in PARTS.items():
        nobody = Part("http://127.0.0.1:9/x.zip", "x", None, parts[0].zipped)  # the discard port: nothing listens
        monkeypatch.setitem(PARTS, name, (nobody,))
        layout = next(one for one in LAYOUTS if one.id == name)
        said = sentence_of(name, tmp_path / name)
        assert said == (
            f"{layout.title} could not be fetched from 127.0.0.1:9; get it from {layout.source}, "
            f"and lay it out as {layout.folder}."
        )


def test_a_full_disk_is_told(published: Callable, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published("toronto")
    real = shutil.disk_usage

    def full(path: Any) -> Any:
        return real(path)._replace(free=1000)

    with monkeypatch.context() as patch:
        patch.setattr("engine.evaluation.unpack.shutil.disk_usage", full)
        assert "The disk is full, so eyetrackingdata.zip could not be unpacked" in sentence_of(
            "toronto", tmp_path / "toronto"
        )
    assert left(tmp_path / "toronto") == {"eyetrackingdata.zip"}
    with monkeypatch.context() as patch:
        patch.setattr("engine.evaluation.unpack.shutil.copyfileobj", _disk_that_fills)
        assert "The disk is full" in sentence_of("toronto", tmp_path / "toronto")
    assert left(tmp_path / "toronto") == {"eyetrackingdata.zip"}, "the archive is kept, and no half of what is in it"
    get("toronto", tmp_path / "toronto")
    assert len(host.asked) == 1
    assert len(open_data(tmp_path / "toronto").names) == 2


def _disk_that_fills(member: IO[bytes], file: IO[bytes], _: int) -> None:
    """The first file arrives whole, and of the second one half."""
    content = member.read()
    file.write(content if member.name.endswith("1.jpg") else content[: len(content) // 2])
    file.flush()
    if not member.name.endswith("1.jpg"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_while_fetching_is_told(published: Callable, tmp_path: Path) -> None:
    published("toronto")
    (tmp_path / "toronto.part").mkdir()
    (tmp_path / "toronto.part" / "eyetrackingdata.zip.part").symlink_to("/dev/full")
    assert "The disk is full, so eyetrackingdata.zip could not be downloaded" in sentence_of(
        "toronto", tmp_path / "toronto"
    )
    assert left(tmp_path / "toronto") == set()
    get("toronto", tmp_path / "toronto")
    assert len(open_data(tmp_path / "toronto").names) == 2


def test_a_file_without_end_is_not_fetched(
    published: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published("toronto")
    monkeypatch.setattr(downloads, "MOST_BYTES", 500)
    assert "is larger than" in sentence_of("toronto", tmp_path / "toronto")
    assert unfinished(tmp_path / "toronto") == set()


def test_a_folder_with_other_things_is_left_alone(published: Callable, host: Host, tmp_path: Path) -> None:
    published("toronto")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    assert "holds other files and not Toronto" in sentence_of("toronto", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear" and not host.asked
    (tmp_path / "empty").mkdir()
    get("toronto", tmp_path / "empty")
    assert "cannot be fetched; those that can are mit1003, cat2000" in sentence_of("imagenet", tmp_path / "x")


def test_only_one_run_fetches_into_a_folder(published: Callable, tmp_path: Path) -> None:
    published("toronto")
    refused: list[str] = []

    def tell(progress: Progress) -> None:
        if not refused:
            refused.append(sentence_of("toronto", tmp_path / "toronto"))

    get("toronto", tmp_path / "toronto", tell)
    assert "Another run is writing toronto" in refused[0]


def test_an_archive_that_is_laid_out_otherwise_is_told(published: Callable, host: Host, tmp_path: Path) -> None:
    other = tmp_path / "other"
    cat2000(other)
    published("toronto")
    host.files["eyetrackingdata.zip"] = zipped(other)
    PARTS["toronto"] = (Part(host.url("eyetrackingdata.zip"), "eyetrackingdata", None, True),)
    assert "Toronto is not published as it was any more; get it from" in sentence_of("toronto", tmp_path / "toronto")


def test_the_addresses_are_those_that_pysaliency_has() -> None:
    """Every address and hash stands in pysaliency's source; the two that do not are told in the module's docstring."""
    spec = importlib.util.find_spec("pysaliency")
    if spec is None or spec.origin is None:
        pytest.skip("pysaliency is not installed (extra: test)")
    sources = Path(spec.origin).parent.glob("external_datasets/*.py")
    known = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for name, parts in PARTS.items():
        for part in parts:
            assert part.md5 is None or part.md5 in known
            address = part.url.rsplit("id=", 1)[-1] if name == "salicon" else part.url.replace(_photo_of(part), "")
            assert address in known or part.url.endswith("/ALLFIXATIONMAPS.zip")
    hashless = [part.name for parts in PARTS.values() for part in parts if part.md5 is None]
    assert hashless == ["ALLFIXATIONMAPS.zip", *(f"{number}.jpg" for number in range(1001, 1701))]


def _photo_of(part: Part) -> str:
    return part.name if part.name.endswith(".jpg") else ""
