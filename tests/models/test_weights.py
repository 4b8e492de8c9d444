import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import save_file
from torch import nn

from engine.errors import WeightsError
from engine.models import weights
from engine.models.weights import download, fit, fit_published, published, read, write_atomically
from tests.disk import filling
from tests.networks import seeded, small

CONTENT = bytes(range(256)) * 4096  # 1 MiB
NAME = f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Host(ThreadingHTTPServer):
    """A file host on this computer; `breaks_after` bytes it closes the connection.

    `silent_after` bytes, −1 for before it answers at all, it waits until it may `speak`.
    """

    content = CONTENT
    breaks_after: int | None = None
    chunked = False
    ranges = True
    silent_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.speak, self.silent = threading.Event(), threading.Event()
        self.asked: list[str | None] = []

    def url(self, name: str = NAME) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        host = self.server
        wanted = self.headers.get("Range")
        host.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and host.ranges else 0
        if self.path.endswith("missing.pth"):
            return self.send_error(404)
        if start and start >= len(host.content):
            return self.send_error(416)
        body = host.content[start:]
        if host.silent_after == -1:
            host.silent.set()
            host.speak.wait()
        self.send_response(206 if start else 200)
        if host.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        before = max(host.silent_after or 0, 0)
        self.wfile.write(body[:before])
        if host.silent_after is not None:
            host.silent.set()
            host.speak.wait()
        self.wfile.write(body[before : host.breaks_after])
        self.close_connection = True
        return None

    protocol_version = "HTTP/1.1"

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


def left_in(folder: Path, pattern: str = "*") -> list[str]:
    return [path.name for path in folder.glob(pattern)]


def test_a_download_is_whole_and_tells_how_far_it_is(host: Host, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    download(host.url(), tmp_path / "deep" / NAME, lambda done, total: told.append((done, total)))
    assert (tmp_path / "deep" / NAME).read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert left_in(tmp_path / "deep") == [NAME]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(host: Host, tmp_path: Path, chunked: bool, ranges: bool) -> None:
    host.breaks_after, host.chunked, host.ranges = 300_000, chunked, ranges
    with pytest.raises(WeightsError, match="broke off"):
        download(host.url(), tmp_path / NAME)
    assert not (tmp_path / NAME).exists()
    host.breaks_after = None
    download(host.url(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path) == [NAME]
    assert host.asked[0] is None
    if not chunked:
        assert host.asked[1] == "bytes=300000-"


def test_a_wrong_hash_leaves_nothing(host: Host, tmp_path: Path) -> None:
    host.content = CONTENT[:-1] + b"x"
    with pytest.raises(WeightsError, match="did not have the hash"):
        download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == []


def test_a_broken_part_of_another_file_is_thrown_away(host: Host, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"other" * 1000)
    with pytest.raises(WeightsError, match="did not have the hash"):
        download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == []
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT + b"more")
    with pytest.raises(WeightsError, match="did not have the hash"):
        download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == []


def test_a_part_that_is_whole_already_is_taken(host: Host, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    download(host.url(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_an_unreachable_host_is_a_sentence(host: Host, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/"  # the discard port: nothing listens there
    for url, name in ((nobody + NAME, NAME), (host.url("missing.pth"), "missing.pth")):
        with pytest.raises(WeightsError, match=f"{name} are not on this computer and could not be downloaded") as told:
            download(url, tmp_path / name)
        assert str(tmp_path) in str(told.value)
    assert left_in(tmp_path) == []


def test_many_that_want_one_file_fetch_it_once(host: Host, tmp_path: Path) -> None:
    """Threads with locks of their own stand for processes: the lock is the system's, on a file."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: download(host.url(), tmp_path / NAME), range(6)))
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path) == [NAME] and host.asked == [None]


def test_two_processes_that_want_one_file_fetch_it_once(host: Host, tmp_path: Path) -> None:
    host.breaks_after = 300_000
    with pytest.raises(WeightsError, match="broke off"):
        download(host.url(), tmp_path / NAME)
    host.breaks_after = None
    program = "import sys; from pathlib import Path; from engine.models.weights import download; download(sys.argv[1], Path(sys.argv[2]))"  # noqa: E501
    command = [sys.executable, "-c", program, host.url(), str(tmp_path / NAME)]
    both = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path) == [NAME] and host.asked == [None, "bytes=300000-"]


class StoppedError(Exception):
    """As when a person leaves the page."""


def test_who_waits_for_another_may_stop(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(done: int, total: int) -> None:
        raise StoppedError

    monkeypatch.setattr(weights, "WAIT", 0.01)
    with FileLock(tmp_path / f".{NAME}.lock"), pytest.raises(StoppedError):
        download(host.url(), tmp_path / NAME, told)
    assert host.asked == []


@pytest.mark.parametrize("sent", [-1, 0, 300_000], ids=["no answer", "no byte", "part of it"])
def test_who_waits_for_a_silent_host_may_stop(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    """A host that holds its tongue for long keeps nobody, and what it sent is there to go on from."""
    monkeypatch.setattr(weights, "WAIT", 0.01)
    host.silent_after = sent
    silences: list[int] = []

    def told(done: int, total: int) -> None:
        if host.silent.is_set() and (sent == -1 or left_in(tmp_path, "*.part")):
            silences.append(done)
        if silences.count(max(sent, 0)) > 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        download(host.url(), tmp_path / NAME, told)
    host.speak.set()
    assert left_in(tmp_path) == ([] if sent == -1 else [f"{NAME}.part"])
    download(host.url(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert host.asked == [None, f"bytes={sent}-" if sent > 0 else None]


def test_a_lock_that_a_crash_left_is_none(host: Host, tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.lock").touch()
    download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == [NAME]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_leaves_nothing(host: Host, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match="disk is full"):
        download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == []


def test_a_disk_that_fills_in_the_middle_leaves_nothing(host: Host, tmp_path: Path) -> None:
    with filling(300_000), pytest.raises(WeightsError):
        download(host.url(), tmp_path / NAME)
    assert left_in(tmp_path) == []
    download(host.url(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("before", [None, b"the one before"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "own.safetensors"
    if before is not None:
        path.write_bytes(before)
    with filling(300_000), pytest.raises(OSError):
        write_atomically(path, CONTENT)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == ({path.name: before} if before else {})


def published_file(folder: Path, state: dict[str, torch.Tensor]) -> str:
    """A file such as torchvision publishes, with its hash in its name, in the folder for downloads."""
    torch.save(state, folder / "net.pth")
    name = f"net-{weights.sha256(folder / 'net.pth')[:8]}.pth"
    (folder / "net.pth").rename(folder / name)
    return name


def test_published_weights_are_read_once_they_lie_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_WEIGHTS", str(tmp_path))
    state = seeded(small).state_dict()
    name = published_file(tmp_path, state)
    found = published(f"http://127.0.0.1:9/{name}")
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_a_damaged_published_file_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTANCY_WEIGHTS", str(tmp_path))
    name = published_file(tmp_path, seeded(small).state_dict())
    with (tmp_path / name).open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(WeightsError, match="did not have the hash"):
        published(f"http://127.0.0.1:9/{name}")
    assert left_in(tmp_path) == []


def test_a_published_file_that_is_no_weights_is_a_sentence(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPECTANCY_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="cannot be read"):
        published(host.url())


# --- a person's own files ---------------------------------------------------------------------------------


def saved(path: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def test_read_gives_what_was_saved(tmp_path: Path) -> None:
    state = seeded(small).state_dict()
    found = read(saved(tmp_path / "w.safetensors", state))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_read_gives_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    found = read(saved(tmp_path / "w.safetensors", {"a": torch.ones(2, dtype=dtype), "n": torch.tensor(3)}))
    assert (found["a"].dtype, found["n"].dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(tmp_path: Path, bad: float) -> None:
    path = saved(tmp_path / "w.safetensors", {"a": torch.ones(3), "b": torch.tensor([1.0, bad])})
    with pytest.raises(WeightsError, match="NaN or infinity in “b”"):
        read(path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", {"a": torch.ones(50), "b": torch.ones(2, 2)})
    content = path.read_bytes()
    for length in [*range(0, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match="not a readable"):
            read(path)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 a zip", b"{}", b"\xff" * 64, b"\x02" + bytes(7) + b"[]", (2**62).to_bytes(8, "little") + b"{}"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable"):
        read(path)


def test_a_pickled_file_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(seeded(small).state_dict(), path)
    with pytest.raises(WeightsError, match="convert the weights"):
        read(path)


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        read(tmp_path / "w.safetensors")
    with (tmp_path / "huge.safetensors").open("wb") as file:
        file.truncate(weights.MOST_BYTES + 1)  # sparse: takes no room
    with pytest.raises(WeightsError, match="larger than 4 GiB"):
        read(tmp_path / "huge.safetensors")


def damaged(state: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    state = dict(state)
    if how == "missing":
        del state["middle.0.weight"]
    elif how == "unknown":
        state["extra"] = torch.ones(1)
    elif how == "shape":
        state["head.weight"] = torch.ones(8, 16)
    elif how == "type":
        state["head.bias"] = torch.ones(7, dtype=torch.int32)
    return state


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "another architecture: “middle.0.weight” is missing"),
        ("unknown", "another architecture: “extra” is unknown"),
        ("shape", r"“head.weight” is \(8, 16\) instead of \(7, 16\)"),
        ("type", "“head.bias” is of type torch.int32"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(how: str, words: str) -> None:
    module, other = seeded(small), seeded(small, seed=1)
    with pytest.raises(WeightsError, match=words):
        fit(module, damaged(other.state_dict(), how), "w.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), seeded(small).parameters(), strict=True))


def test_weights_that_fit_are_taken_whole() -> None:
    module, other = seeded(small), seeded(small, seed=1)
    state = {name: value for name, value in other.state_dict().items() if not name.endswith("num_batches_tracked")}
    fit(module, state, "w.safetensors")
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(module(x), other(x))


def test_densenets_published_names_have_a_dot_more() -> None:
    import torchvision

    module = torchvision.models.densenet121(num_classes=3)
    wanted = {name: torch.randn_like(value) if value.is_floating_point() else value
              for name, value in module.state_dict().items()}  # fmt: skip
    old = {re.sub(r"(denselayer\d+\.[a-z]+)([12]\.)", r"\1.\2", name): value for name, value in wanted.items()}
    assert old.keys() != wanted.keys()
    fit_published(module, old, "densenet121")
    assert all(torch.equal(value, wanted[name]) for name, value in module.state_dict().items())


def test_published_weights_of_another_version_are_told() -> None:
    with pytest.raises(WeightsError, match="another version of torchvision"):
        fit_published(nn.Linear(2, 2), {"weight": torch.ones(3, 3)}, "net-123.pth")
