"""Caddy with compose.yaml's own file before replicas of the app, all on loopback addresses."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.names import Names
from tests.server import ROOT, free_port

LIMIT = 30.0  # seconds for Caddy to listen
TRUSTING = ssl._create_unverified_context()  # Caddy's certificate for localhost is one of its own making


def program() -> str:
    """Where Caddy is; skips where it is not."""
    return shutil.which("caddy") or pytest.skip("no Caddy on this machine (apt-get install caddy)")


def caddyfile() -> str:
    """The text that compose.yaml gives Caddy."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    text: str = composed["configs"]["caddy"]["content"].replace("$$", "$")
    return text


class Caddy:
    """A started Caddy, at `url`, before replicas that listen on `port` of each of `addresses`.

    Of compose.yaml's text nothing changes but where things are: ports that need no rights, the replicas' port, and who
    is asked for their addresses.
    """

    def __init__(self, folder: Path, addresses: list[str], port: int) -> None:
        self.names = Names(addresses)
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.log = folder / "caddy.txt"
        path = folder / "Caddyfile"
        path.write_text(self._text(folder, port), encoding="utf-8")
        words = [program(), "run", "--adapter", "caddyfile", "--config", str(path)]
        settings = {"DOMAIN": "localhost", "HOME": str(folder), "PATH": os.environ["PATH"]}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, env=settings, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        self._await()

    def _text(self, folder: Path, port: int) -> str:
        """compose.yaml's text with these places in it."""
        here = (
            f"{{\n http_port {self.plain_port}\n https_port {self.port}\n default_bind 127.0.0.1\n admin off\n"
            f" skip_install_trust\n storage file_system {folder}/storage\n"
        )
        replicas = f"dynamic a app {port} {{\n resolvers 127.0.0.1:{self.names.port}\n"
        text = caddyfile()
        assert text.startswith("{\n") and text.count("dynamic a app 8501 {\n") == 1
        return here + text.removeprefix("{\n").replace("dynamic a app 8501 {\n", replicas)

    def _await(self) -> None:
        """Wait until it has a certificate, too."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as plain:
                    TRUSTING.wrap_socket(plain, server_hostname="localhost").close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"Caddy did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """End it and its name server."""
        self.process.terminate()
        self.process.wait(20)
        self.names.close()
