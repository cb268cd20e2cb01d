"""Sends interim answers (1xx) at full speed: `python -m tests.faults.flood`.

In a process of its own, since it takes all of a core. The port is printed.
"""

import contextlib
import socket
import threading

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000


def flood(connection: socket.socket) -> None:
    """Answer a request without end."""
    with connection, contextlib.suppress(OSError):
        connection.recv(2**16)
        while True:
            connection.sendall(INTERIM)


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=flood, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
