"""A small reader of MATLAB files, safe on files from strangers.

Reads the numbers, texts, cells and structures of MAT files of version 5 (what ``save -v7`` and ``-v6`` write),
by the format's description "MAT-File Format" (The MathWorks). scipy.io.loadmat reads more, but follows nested
cells by recursion in C without a limit, so that a file of a megabyte ends the whole process. Here every element
must lie inside its parent, nesting and unpacked size are bounded, and all that fails is a :class:`DataError`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from engine.errors import DataError

MAX_UNPACKED = 256 * 2**20
MAX_ELEMENTS = 1_000_000  # OSIE's 700 photos with 15 viewers each take a quarter of this
MAX_DEPTH = 16

Value = np.ndarray | str | list  # numbers; text; cells, or one dict for each element of a structure array

_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15
_COMPLEX = 0x0800
_NOT_READ = "holds a sparse matrix, complex numbers or an object; save full real arrays, cells and structures."


def read_mat(content: bytes, title: str = "The MATLAB file") -> dict[str, Value]:
    """The variables of a MAT file by name.

    Numbers become arrays of MATLAB's shape, texts str, cell arrays lists (column by column), structure arrays
    lists of dicts.

    Raises:
        DataError: not a MAT file of version 5, damaged, nested too deeply, too large, or with content of
            another kind.
    """
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[:19] == b"MATLAB 7.3 MAT-file":
        raise DataError(f"{title} is of version 7.3; save it with the option -v7.")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise DataError(f"{title} is not a MATLAB file of version 5; save it with the option -v7.")
    try:
        return _Reader(order, title).variables(memoryview(content)[128:])
    except (ArithmeticError, LookupError, StopIteration, ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{title} is damaged or incomplete; save it again.") from error


@dataclass
class _Reader:
    order: str
    title: str
    room: int = field(default_factory=lambda: MAX_UNPACKED)
    elements_left: int = field(default_factory=lambda: MAX_ELEMENTS)

    def variables(self, data: memoryview) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for kind, body in self._elements(data):
            if kind == _COMPRESSED:
                # One compressed element holds exactly one matrix.
                kind, body = next(self._elements(self._unpacked(body)))
            if kind == _MATRIX:
                name, value = self._matrix(body, 0)
                found[name] = value
        return found

    def _unpacked(self, body: memoryview) -> memoryview:
        plain = zlib.decompressobj().decompress(body, self.room + 1)
        self.room -= len(plain)
        if self.room < 0:
            raise DataError(f"{self.title} unpacks to more than {MAX_UNPACKED // 2**20} MB; split it.")
        return memoryview(plain)

    def _elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The kind and the body of each element, one after another."""
        at = 0
        while at + 8 <= len(data):
            self.elements_left -= 1
            if self.elements_left < 0:
                raise DataError(f"{self.title} has more than {MAX_ELEMENTS:,} elements; split it.")
            kind, size = struct.unpack_from(self.order + "II", data, at)
            if kind >> 16:  # a small element: two halves of the first word, up to four bytes in the second
                kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 8
            else:
                start, step = at + 8, 8 + size + (0 if kind == _COMPRESSED else -size % 8)
            if start + size > len(data):
                raise ValueError("an element reaches beyond its parent")
            yield kind, data[start : start + size]
            at += step

    def _matrix(self, body: memoryview, depth: int) -> tuple[str, Value]:
        if depth > MAX_DEPTH:
            raise DataError(f"{self.title} is nested more than {MAX_DEPTH} deep; give plain fixations.")
        parts = self._elements(body)
        first = next(parts, None)
        if first is None:  # MATLAB writes empty elements for [] inside of cells
            return "", np.zeros((0, 0))
        (flags,) = struct.unpack_from(self.order + "I", first[1])
        shape = tuple(int(n) for n in self._numbers(*next(parts)))
        if min(shape, default=-1) < 0:
            raise ValueError("a negative size")
        name = bytes(next(parts)[1]).decode("ascii", "replace")
        kind = flags & 0xFF
        if kind in (_CELL, _STRUCT):
            return name, self._nested(kind, list(parts), prod(shape), depth)
        if kind == _CHAR:
            return name, self._text(*next(parts))
        if not _FIRST_NUMBER <= kind <= _LAST_NUMBER or flags & _COMPLEX:
            raise DataError(f"{self.title} {_NOT_READ}")
        return name, self._numbers(*next(parts)).reshape(shape, order="F")

    def _nested(self, kind: int, parts: list, count: int, depth: int) -> list:
        """A cell's values, or a structure array's elements as dicts."""
        names: list[str] = []
        if kind == _STRUCT:
            length = int(self._numbers(*parts[0])[0])
            raw = bytes(parts[1][1])
            names = [
                raw[i : i + length].split(b"\0")[0].decode("ascii", "replace")
                for i in range(0, len(raw), max(1, length))
            ]
            parts = parts[2:]
        if len(parts) != count * (len(names) if kind == _STRUCT else 1):
            raise ValueError("as many values as the size says must be there")
        values = [self._matrix(part, depth + 1)[1] for _, part in parts]
        if kind == _CELL:
            return values
        starts = range(0, len(values), max(1, len(names)))
        return [dict(zip(names, values[start : start + len(names)], strict=True)) for start in starts]

    def _numbers(self, kind: int, body: memoryview) -> np.ndarray:
        return np.frombuffer(body, self.order + _NUMBERS[kind]) if kind in _NUMBERS else np.zeros(0)

    def _text(self, kind: int, body: memoryview) -> str:
        if kind in _TEXTS:
            suffix = {"<": "-le", ">": "-be"}[self.order] if kind != 16 else ""
            return bytes(body).decode(_TEXTS[kind] + suffix, "replace")
        return "".join(map(chr, self._numbers(kind, body).astype(np.uint16).tolist()))
