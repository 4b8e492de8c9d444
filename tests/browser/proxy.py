"""A proxy of a few lines between a browser and the app, which adds headers to every answer as the real one does."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import suppress


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a free loopback port, at `url`, until it is closed; the app listens on `port`."""

    daemon_threads = True

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = port
        self.added = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One request, or one websocket."""

    server: Proxy

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as app, suppress(OSError):
            asked = _head(self.request)
            if b"upgrade: websocket" not in asked.lower():  # another request is to come by another connection
                asked = re.sub(rb"(?im)^connection:[^\r\n]*", b"Connection: close", asked)
            app.sendall(asked)
            threading.Thread(target=_pour, args=(self.request, app), daemon=True).start()
            status, _, rest = _head(app).partition(b"\r\n")
            if rest:
                self.request.sendall(status + b"\r\n" + self.server.added + rest)
                _pour(app, self.request)


def _head(source: socket.socket) -> bytes:
    """What comes until the headers are whole, and perhaps a little more."""
    came = b""
    while b"\r\n\r\n" not in came and (more := source.recv(65536)):
        came += more
    return came


def _pour(source: socket.socket, target: socket.socket) -> None:
    """Pass everything on until one of the two ends."""
    with suppress(OSError):
        while more := source.recv(65536):
            target.sendall(more)
