"""What was computed for a photo is kept as long as a session lives that asked about it.

The engine's cache is shared, so that a class that looks at one sample computes it once. A photo of a person's own must
leave nothing there once that person has gone.
"""

import threading
from collections.abc import Callable


class Leases:
    """Photos, by digest, and the sessions that hold them. `forget` is told each photo that nobody holds any longer.

    Photos in `public` are everybody's, such as the samples, and stay.
    """

    def __init__(self, forget: Callable[[str], None]) -> None:
        self.public: set[str] = set()
        self._forget = forget
        self._sessions: list[set[str]] = []
        self._lock = threading.Lock()

    def begin(self) -> set[str]:
        """A new session: the set in which its photos are to be put down."""
        mine: set[str] = set()
        with self._lock:
            self._sessions.append(mine)
        return mine

    def end(self, mine: set[str]) -> None:
        """The session of this set is over."""
        with self._lock:
            self._sessions = [held for held in self._sessions if held is not mine]
            gone = mine.difference(self.public, *self._sessions)
        for digest in gone:
            self._forget(digest)
