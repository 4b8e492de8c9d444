"""Notes which other hosts a process asks for. `import asked` in a `.pth` file brings it into every Python there.

It sees what Python's own sockets do, also those of libraries written in Python, in every thread, before it is done: so
what fails without a network is noted too. A library in C that opens sockets of its own would not be seen.
"""

from __future__ import annotations

import os
import sys

WHERE = "EXPECTANCY_ASKED"
"""The variable of the environment that names the file of notes; without it nothing is noted."""
AT = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}  # which argument holds the address
OF = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}  # the first argument is a host
NEAR = ("", "localhost", "0.0.0.0", "::", "::1")


def note(notes: int, event: str, told: tuple) -> None:
    """Write a line where an event reaches beyond this machine."""
    if event in AT:
        address = told[AT[event]]
        host = address[0] if isinstance(address, tuple) else ""  # else it is a file: a Unix socket
    elif event in OF:
        host = told[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if isinstance(host, str) and host not in NEAR and not host.startswith("127."):
        os.write(notes, f"{event} {host}\n".encode())


if WHERE in os.environ:
    file = os.open(os.environ[WHERE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(file, f"watched: {os.getpid()}\n".encode())
    sys.addaudithook(lambda event, told: note(file, event, told))
