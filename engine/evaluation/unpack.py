"""A published zip of pictures and tables, unpacked into a folder: nothing leaves it, and nothing swells without end."""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import Path, PurePosixPath

from engine.archive import WAYS, leaves
from engine.errors import DataError

MOST_FILES = 200_000
MOST_UNPACKED = 64 << 30
"""Bytes that one archive may unpack to; of the usual data sets none comes near."""
_SKIPPED = ("__MACOSX", "Output")  # another system's notes, and maps that were made of the data
_ENCRYPTED = 1
_BLOCK = 1 << 20
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ArithmeticError, LookupError, ValueError),
)
"""What zipfile raises on damaged files, found by fuzzing: an entry without a name is an IndexError, for instance."""
_IMPOSSIBLE = (errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Places and names that no sound archive has: before its beginning, too long, or a file that is a folder as well."""


def unpack(archive: Path, folder: Path, wanted: Container[str], progress: Callable[[int, int], None]) -> None:
    """Unpack the files that have one of the `wanted` suffixes (lower case) into `folder`: all of them, or none.

    An archive is refused as a whole before anything is written where a name in it would leave the folder, where it
    holds a link, an encrypted file or two files of one name, or where it unpacks to more than there is room for.

    Args:
        archive: a zip.
        folder: must not be there yet.
        wanted: suffixes; other files, hidden ones and those in folders of no use are left out.
        progress: told (files done, files in all).

    Raises:
        DataError: one sentence on what is wrong with the archive; or with the disk, its cause being an OSError then.
    """
    making = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(making, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _checked(opened.infolist(), wanted, archive)
            making.mkdir(parents=True)
            for done, (entry, inside) in enumerate(entries, start=1):
                path = making / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as member, path.open("wb") as file:
                    shutil.copyfileobj(member, file, _BLOCK)  # never more than the table of contents says
                progress(done, len(entries))
        making.replace(folder)
    except _DAMAGED as error:
        raise DataError(_damaged(archive)) from error
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            raise DataError(_damaged(archive)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"The disk is full, so {archive.name} could not be unpacked; make room there.") from error
        raise DataError(f"{archive.name} cannot be unpacked into {folder.parent}; check its permissions.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _damaged(archive: Path) -> str:
    return f"{archive.name} is damaged or no zip; fetch it again."


def _checked(
    entries: list[zipfile.ZipInfo], wanted: Container[str], archive: Path
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """What is to be unpacked, and to where; refuse by the table of contents alone what must not be."""
    if len(entries) > MOST_FILES:
        raise DataError(f"{archive.name} holds more than {MOST_FILES} files, which is more than is unpacked here.")
    chosen: list[tuple[zipfile.ZipInfo, PurePosixPath]] = []
    taken: set[str] = set()
    for entry in entries:
        inside = PurePosixPath(entry.filename)
        if leaves(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{archive.name} holds a file that would leave its folder, so nothing was unpacked.")
        unwanted = any(part.startswith(".") or part in _SKIPPED for part in inside.parts)
        if entry.is_dir() or unwanted or inside.suffix.lower() not in wanted:
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise DataError(f"{archive.name} is encrypted, so nothing was unpacked.")
        if entry.compress_type not in WAYS:
            raise DataError(f"{archive.name} is packed in a way that is not read here, so nothing was unpacked.")
        if str(inside).casefold() in taken:
            raise DataError(f"{archive.name} holds two files of one name, so nothing was unpacked.")
        taken.add(str(inside).casefold())
        chosen.append((entry, inside))
    if not chosen:
        raise DataError(f"{archive.name} holds no pictures and tables of a data set; fetch it again.")
    size = sum(entry.file_size for entry, _ in chosen)
    if size > MOST_UNPACKED:
        raise DataError(f"{archive.name} unpacks to more than {MOST_UNPACKED >> 30} GiB, so nothing was unpacked.")
    if size > shutil.disk_usage(archive.parent).free:
        raise OSError(errno.ENOSPC, "less room than the archive unpacks to")
    return chosen
