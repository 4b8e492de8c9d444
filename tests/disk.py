"""A disk that fills while something is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def filling(most: int) -> Iterator[None]:
    """No file can grow beyond `most` bytes: what is written fails in its middle. Skips where systems cannot do that."""
    resource = pytest.importorskip("resource", reason="this system bounds no files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
