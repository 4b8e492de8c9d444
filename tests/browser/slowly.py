"""The app where long work takes long on any machine: `python -m tests.browser.slowly run app.py …`.

Each telling of progress rests for a while, and the host of torchvision's weights sends a trickle that does not end.
"""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any, ClassVar

import engine  # noqa: F401  (before torch: it sets how threads wait)
from engine.quality import Judgement
from pages.widgets import work

from streamlit.web import cli  # isort: skip

REST = 0.5
_going, _finish = work.going, Judgement.finish


class Trickle:
    """An answer of 100 MB that comes a kilobyte at a time."""

    status = 200
    headers: ClassVar = {"Content-Length": str(100 << 20)}

    def __enter__(self) -> Trickle:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def read1(self, _: int) -> bytes:
        time.sleep(REST / 10)
        return bytes(1024)


def going(*args: Any) -> work.Tell:
    tell = _going(*args)

    def rest(share: float, said: str = "") -> None:
        tell(share, said)
        time.sleep(REST)

    return rest


def finish(judgement: Judgement, progress: Callable[[float], None] | None) -> Any:
    def rest(share: float) -> None:
        if progress is not None:
            progress(share)
        time.sleep(REST)

    return _finish(judgement, rest)


if __name__ == "__main__":
    work.going, work.PATIENCE = going, 0.0
    setattr(Judgement, "finish", finish)  # noqa: B010 - mypy takes no assignment to a method
    urllib.request.urlopen = lambda *_, **__: Trickle()
    sys.exit(cli.main(sys.argv[1:], prog_name="streamlit"))
