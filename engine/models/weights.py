"""Weights: embedded and personal .safetensors files, checked before they touch a network; torchvision's downloads.

Nothing here unpickles a person's file: .safetensors holds plain arrays only.
"""

import errno
import hashlib
import http.client
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.errors import ExplorerError, WeightsError

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) while a file is downloaded."""

BLOCK = 1 << 20
WAIT = 0.5
"""Seconds between two looks at a host that is silent, or at a download that another process is at."""
SILENCE = 30.0
"""Seconds without a byte after which a host is given up."""
MOST_BYTES = 4 << 30
"""The largest file that is read; torchvision's largest networks have 2.6 GB."""
_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def sha256(path: Path) -> str:
    """The hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def outline(path: Path) -> dict[str, Tensor]:
    """The arrays of a .safetensors file without their values, as its header tells them: tensors on the meta device.

    Raises WeightsError when it is not such a file, is too large, or holds a type that is not read.
    """
    arrays = {}
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118 (not a dict)
            header = file.get_slice(name)
            kind = header.get_dtype()
            if kind not in _TYPES:
                raise WeightsError(f"{path.name} holds “{name}” as {kind}, which is not read; save it as F32 or F16.")
            arrays[name] = torch.empty(header.get_shape(), dtype=_TYPES[kind], device="meta")
    return arrays


def read(path: Path) -> dict[str, Tensor]:
    """The arrays of a .safetensors file as float32 (integers stay as they are).

    Raises WeightsError when it is not such a file or holds NaN or infinity.
    """
    with _opened(path) as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    for name, value in state.items():
        if value.is_floating_point():
            state[name] = value.float()
            if not bool(torch.isfinite(state[name]).all()):
                raise WeightsError(f"{path.name} holds NaN or infinity in “{name}”; the file is damaged.")
    return state


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path.name} is not a readable .safetensors file; convert the weights first.") from error


def check_file(path: Path) -> None:
    """Raise WeightsError unless there is a regular file of at most MOST_BYTES."""
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path.name}; check the path.")
    if path.stat().st_size > MOST_BYTES:
        raise WeightsError(f"{path.name} is larger than {MOST_BYTES >> 30} GiB; give the weights of one network.")


def match(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Raise WeightsError unless `state` has the names, shapes and kinds of `wanted`; values do not matter."""
    # Whether a file carries BatchNorm's counter of batches does not matter to an answer.
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = sorted(wanted.keys() - state.keys() - optional)
    unknown = sorted(state.keys() - wanted.keys())
    if missing or unknown:
        example = f"“{missing[0]}” is missing" if missing else f"“{unknown[0]}” is unknown"
        raise WeightsError(f"The weights in {source} belong to another architecture: {example}.")
    for name, value in state.items():
        if value.shape != wanted[name].shape:
            raise WeightsError(
                f"The weights in {source} do not fit: “{name}” is {tuple(value.shape)} "
                f"instead of {tuple(wanted[name].shape)}."
            )
        if value.is_floating_point() != wanted[name].is_floating_point():
            raise WeightsError(f"The weights in {source} do not fit: “{name}” is of type {value.dtype}.")


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put `state` into `module` after checking every name and shape; raises WeightsError before anything changes."""
    wanted = module.state_dict()
    match(wanted, state, source)
    with torch.no_grad():  # not load_state_dict, which for some networks changes names by a version the file lacks
        for name, value in state.items():
            wanted[name].copy_(value)


def fit_published(module: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Put torchvision's own weights into its own network; raises WeightsError where they do not fit."""
    for name in list(state):
        # DenseNet's were saved when a module's name could have a dot in it: "denselayer1.norm.1.weight".
        state[re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)] = state.pop(name)
    try:
        module.load_state_dict(without_auxiliary(state))
    except (RuntimeError, ValueError) as error:
        raise WeightsError(f"The weights in {source} belong to another version of torchvision.") from error


def without_auxiliary(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` itself, less the heads that GoogLeNet and Inception have in training alone."""
    for name in [name for name in state if name.startswith(("aux1.", "aux2.", "AuxLogits."))]:
        del state[name]
    return state


def folder() -> Path:
    """Where downloaded weights lie: $EXPECTANCY_WEIGHTS, or torch's own folder for checkpoints."""
    named = os.environ.get("EXPECTANCY_WEIGHTS")
    return Path(named) if named else Path(torch.hub.get_dir()) / "checkpoints"


def published(url: str, progress: Progress | None = None) -> dict[str, Tensor]:
    """The state dict at one of torchvision's addresses, downloaded once; its name carries the hash it must have."""
    path = folder() / url.rsplit("/", 1)[-1]
    if not path.is_file():
        download(url, path, progress)
    _check(path, path)
    try:
        return torch.hub.load_state_dict_from_url(url, model_dir=str(path.parent), progress=False, weights_only=True)
    except Exception as error:
        raise WeightsError(f"{path.name} cannot be read as torchvision's weights; delete it and try again.") from error


def download(url: str, path: Path, progress: Progress | None = None) -> None:
    """Fetch `url` to `path`: whole and with the right hash, or not at all. A broken download goes on where it broke."""
    fetch(url, path, lambda partial: _check(partial, path), _unreachable(path), WeightsError, progress)


def fetch(
    url: str,
    path: Path,
    check: Callable[[Path], None],
    unreachable: str,
    error: type[ExplorerError],
    progress: Progress | None = None,
    most: int = MOST_BYTES,
) -> None:
    """Fetch `url` to `path`: whole and as `check` wants it, or not at all. A broken download goes on where it broke.

    `check` looks at the whole file, and raises after deleting one that is wrong. `unreachable` is the sentence for a
    host that does not give it. Raises `error`, also for a full disk and for a file of more than `most` bytes. Of
    several processes that want one file, one fetches it and the others wait for it.
    """
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path, progress):
            if path.is_file():  # another process has fetched it meanwhile
                return
            done, total = _fetch(url, partial, progress, most)
            if done < total:
                raise error(_broken(path))
            check(partial)
            partial.replace(path)
    except (http.client.HTTPException, ConnectionError, TimeoutError) as broken:
        raise error(_broken(path)) from broken
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            partial.unlink(missing_ok=True)
            raise error(f"The disk is full, so {path.name} could not be downloaded; make room there.") from wrong
        if wrong.errno == errno.EFBIG:
            partial.unlink(missing_ok=True)
            raise error(f"{path.name} is larger than {most >> 30} GiB, so it was not downloaded.") from wrong
        raise error(unreachable) from wrong


@contextmanager
def _alone(path: Path, progress: Progress | None) -> Iterator[None]:
    """Wait until no other process or thread fetches `path`; a lock that a crash left behind is none."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while not lock.is_locked:
        with suppress(Timeout):
            lock.acquire(timeout=WAIT)
        if progress and not lock.is_locked:
            progress(0, 0)  # which may raise to stop
    try:
        yield
    finally:
        with suppress(OSError):  # Windows lets no open file go
            Path(lock.lock_file).unlink()  # while it is held: who waits looks for the file anew
        lock.release()


def _fetch(url: str, partial: Path, progress: Progress | None, most: int) -> tuple[int, int]:
    """Append to `partial` what it lacks of `url`: (bytes there now, bytes in all or 0 where that is not known)."""
    done, total, file = partial.stat().st_size if partial.exists() else 0, 0, None
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with ExitStack() as open_here:
            for answer, block in open_here.enter_context(closing(_arriving(request))):
                if answer is not None and file is None:
                    done = done if answer.status == 206 else 0
                    length = int(answer.headers.get("Content-Length", 0))
                    total = done + length if length else 0
                    file = open_here.enter_context(partial.open("ab" if done else "wb"))
                if max(done, total) > most:
                    raise OSError(errno.EFBIG, "larger than what is fetched")
                if file is not None:
                    file.write(block)
                    done += len(block)
                if progress:
                    progress(done, total)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing comes after what lies there: the hash tells whether it is whole
            return done, done
        raise
    return done, total


def _arriving(request: urllib.request.Request) -> Generator[tuple[Any, bytes]]:
    """A host's answer, None as long as it has not begun, with each block of bytes; b"" where it is silent.

    A thread of its own listens, so that whoever waits for a slow host can stop at once. Raises what urllib raises.
    """
    came: queue.Queue[tuple[Any, bytes] | Exception | None] = queue.Queue(maxsize=8)
    over = threading.Event()

    def hand(what: tuple[Any, bytes] | Exception | None) -> None:
        while not over.is_set():
            with suppress(queue.Full):
                came.put(what, timeout=WAIT)
                return

    def listen() -> None:
        try:
            with urllib.request.urlopen(request, timeout=SILENCE) as answer:
                hand((answer, b""))
                while not over.is_set() and (block := answer.read1(BLOCK)):
                    hand((answer, block))
            hand(None)
        except Exception as error:
            hand(error)

    threading.Thread(target=listen, daemon=True).start()
    known = None
    try:
        while True:
            try:
                what = came.get(timeout=WAIT)
            except queue.Empty:
                what = known, b""
            if what is None:
                return
            if isinstance(what, Exception):
                raise what
            known = what[0]
            yield what
    finally:
        over.set()


def _check(partial: Path, path: Path) -> None:
    """torchvision names its files by the first digits of their sha-256."""
    wanted = path.stem.rsplit("-", 1)[-1]
    if not sha256(partial).startswith(wanted):
        partial.unlink()
        raise WeightsError(f"{path.name} did not have the hash in its name and was deleted; try again.")


def _broken(path: Path) -> str:
    return f"The download of {path.name} broke off; try again, it goes on where it stopped."


def _unreachable(path: Path) -> str:
    return (
        f"The weights {path.name} are not on this computer and could not be downloaded; "
        f"put the file into {path.parent}, or choose the embedded network."
    )


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends well: written whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path) as file:
        file.write(content)
