"""Files in one zip: packed so that equal content gives equal bytes, read so that nothing escapes and nothing swells.

What is read comes from strangers. Nothing is written to disk, and a name is only ever a key: no path is followed. Sizes
are checked as the zip tells them before anything is unpacked, and again while it is. Single files, in a zip of photos
or in a folder, are read no further than they may be large.
"""

import io
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from engine.errors import BundleError, DataError
from engine.images import plain_name

MAX_BYTES = 200 * 2**20
MAX_UNPACKED = 400 * 2**20
MAX_FILES = 64
MAX_RATIO = 200
"""How many times its packed size a file of more than a megabyte may have; pictures and numbers stay far below it."""

_PACKED_ALREADY = (".png", ".npz")
WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How a file may be packed. Of the others zipfile unpacks in one go whatever there is, whatever size was asked for."""
_ENTRY = b"PK\x01\x02"  # begins an entry of a zip's table of contents
_ENCRYPTED = 1


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files as one zip, in the order of their names and with fixed times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED_ALREADY) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def unpack(content: bytes, most: Callable[[str], int], title: str) -> dict[str, bytes]:
    """The files in a zip, by name.

    Args:
        content: the zip.
        most: how many bytes a file of that name may have; 0 for a name that does not belong in it.
        title: how to speak of it in messages.

    Raises:
        BundleError: one sentence on why it cannot be read: damaged, encrypted, too large, too many files, a name that
            does not belong in it or that is there twice.
    """
    if len(content) > MAX_BYTES:
        raise BundleError(f"{title} is larger than {MAX_BYTES // 2**20} MB, which is more than is read here.")
    if content.count(_ENTRY) > 4 * MAX_FILES:  # before a list of them is made
        raise BundleError(_too_many(title))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check(entries, most, title)
            return {entry.filename: _read(archive, entry, title) for entry in entries}
    except BundleError:
        raise
    except MemoryError as error:
        raise BundleError(f"{title} needs more memory than there is.") from error
    except Exception as error:  # on damaged files zipfile raises nearly anything
        raise BundleError(f"{title} is damaged or incomplete and cannot be read; save it again.") from error


def leaves(name: str) -> bool:
    """Whether a file's name could lead out of the folder that it is meant for, on any system."""
    inside = PurePosixPath(name)
    return inside.is_absolute() or ".." in inside.parts or any(sign in name for sign in "\\:\0")


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip of photos. Raises DataError where its table of contents cannot be read."""
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # on damaged files zipfile raises nearly anything
        raise DataError(f"The file {plain_name(path.name)} is damaged or no zip; fetch it again.") from error


def read_member(archive: zipfile.ZipFile, member: str | zipfile.ZipInfo, most: int, title: str) -> bytes:
    """One file of a zip of photos.

    Args:
        archive: the zip, open.
        member: the file's path in it, or its entry: several may have one path.
        most: how many bytes it may have.
        title: how to speak of it in messages.

    Raises:
        DataError: one sentence on why it cannot be read: damaged, encrypted, packed in another way, too large.
    """
    try:
        entry = member if isinstance(member, zipfile.ZipInfo) else archive.getinfo(member)
        if entry.compress_type not in WAYS:
            raise DataError(f"{title} is packed in a way that is not read here; pack its zip anew.")
        with archive.open(entry) as file:
            content = file.read(most + 1)
    except DataError:
        raise
    except Exception as error:  # on damaged files zipfile raises nearly anything
        raise DataError(f"{title} cannot be read: its zip is damaged or encrypted; fetch it again.") from error
    return _at_most(content, most, title)


def read_file(path: Path, most: int, title: str) -> bytes:
    """A file of a folder; arguments as in :func:`read_member`. Raises DataError where it is missing, or no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device would never end
            raise DataError(f"{title} is not a regular file; give a file.")
        with path.open("rb") as file:
            return _at_most(file.read(most + 1), most, title)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise DataError(f"{title} cannot be read; check the path and its permissions.") from error


def _at_most(content: bytes, most: int, title: str) -> bytes:
    if len(content) > most:
        raise DataError(f"{title} is larger than {most / 2**20:.0f} MB, which is more than is read here.")
    return content


def _check(entries: list[zipfile.ZipInfo], most: Callable[[str], int], title: str) -> None:
    """Refuse by the table of contents alone what must not be unpacked."""
    if len(entries) > MAX_FILES:
        raise BundleError(_too_many(title))
    if len({entry.filename for entry in entries}) < len(entries):
        raise BundleError(f"{title} holds two files of one name, so it is not clear which is meant.")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise BundleError(f"{title} unpacks to more than {MAX_UNPACKED // 2**20} MB, which is more than is read here.")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise BundleError(f"{title} is encrypted; save it without a password.")
        if entry.compress_type not in WAYS:
            raise BundleError(f"{title} is packed in a way that is not read here; save it from the app.")
        allowed = most(entry.filename)
        if not allowed:
            raise BundleError(f"{title} holds a file that does not belong in it; open it as it was saved.")
        swollen = entry.file_size > 2**20 and entry.file_size > MAX_RATIO * entry.compress_size
        if entry.file_size > allowed or swollen:
            raise BundleError(f"{title} holds a file that unpacks to far more than it should.")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, title: str) -> bytes:
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise BundleError(f"{title} is damaged or incomplete and cannot be read; save it again.")
    return content


def _too_many(title: str) -> str:
    return f"{title} holds more than {MAX_FILES} files, which is more than a bundle has."
