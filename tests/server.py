"""The app on a loopback port, as a process of its own that a test may end and start again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).parents[1]
START_LIMIT = 120  # seconds for an app to answer: importing torch on a busy machine takes its time
OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
}


def free_port() -> int:
    """A loopback port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A started app; `url` is its address, on a free port of `host`. What it prints goes to the file `log`.

    `launcher` are the words after `python` that take Streamlit's own: `-m streamlit` or a module that starts it.
    Raises RuntimeError with the log's end where it does not come up.
    """

    def __init__(
        self,
        log: Path,
        script: str = "app.py",
        environment: Mapping[str, str] | None = None,
        launcher: Sequence[str] = ("-m", "streamlit"),
        host: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://{host}:{self.port}"
        self.log = log
        self._command = [sys.executable, *launcher, "run", script, "--server.port", str(self.port)]
        self._command += ["--server.address", host]
        self._command += [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
        self._environment = environment or {}
        self.start()

    def start(self) -> None:
        """Start it, also again on the same port after its end, and wait until it answers."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": path, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        direct = build_opener(ProxyHandler({}))
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                direct.open(f"{self.url}/_stcore/health", timeout=2).close()
                return
            except (URLError, OSError):
                time.sleep(0.1)
        self.process.kill()
        raise RuntimeError(f"{self._command[-1]} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """End it as a crash does: at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
