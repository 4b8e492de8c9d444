"""A name server of a few lines on a loopback port: every name has the addresses that a test gives it."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Sequence

ADDRESS = 1  # the type of record that holds an IPv4 address
ANSWER = 0x8580  # authoritative, recursion as asked, no error


class Names(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1:`port` until it is closed; `addresses` may change at any time. Caddy asks over TCP."""

    daemon_threads = True

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Question)
        self.addresses = addresses
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()


class _Question(socketserver.StreamRequestHandler):
    server: Names

    def handle(self) -> None:
        while len(length := self.rfile.read(2)) == 2:
            told = answer(self.rfile.read(int.from_bytes(length, "big")), self.server.addresses)
            self.wfile.write(len(told).to_bytes(2, "big") + told)


def answer(asked: bytes, addresses: Sequence[str]) -> bytes:
    """The answer to a message with one question: `addresses` where those are what it asks for."""
    end = asked.index(b"\0", 12) + 5  # behind the name come its type and its class
    (kind,) = struct.unpack_from(">H", asked, end - 4)
    given = addresses if kind == ADDRESS else []
    head = asked[:2] + struct.pack(">HHHHH", ANSWER, 1, len(given), 0, 0)
    # The name as a pointer to the question's, type, class, seconds that it holds, four bytes of address.
    records = [struct.pack(">HHHIH", 0xC00C, ADDRESS, 1, 1, 4) + socket.inet_aton(each) for each in given]
    return head + asked[12:end] + b"".join(records)
