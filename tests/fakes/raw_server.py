"""A TCP server that answers requests with whatever bytes a test wants, and tells when its client has gone."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

# Makes the bytes of an answer from the request, e.g. "GET /v1/lists/ab/ab".
Answer = Callable[[str], Iterable[bytes]]


class RawServer:
    """One thread a connection, and one request a connection.

    requests: first lines so far. gone: set when a client has closed its connection.
    """

    def __init__(self, listener: socket.socket, answer: Answer):
        self.requests: list[str] = []
        self.gone = threading.Event()
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._answer = answer
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def accept(self) -> None:
        """Until the listener is shut down."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def wait_until_all_are_gone(self, seconds: float) -> bool:
        """Whether every client so far has closed its connection by then."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(1 << 16)
                if not received:
                    break
                request += received
            else:
                line = request.split(b"\r\n")[0].decode().removesuffix(" HTTP/1.1")
                self.requests.append(line)
                for piece in self._answer(line):
                    if select.select([connection], [], [], 0)[0]:
                        break  # It has closed the connection: a client sends nothing while it waits.
                    connection.sendall(piece)
                else:
                    connection.recv(1)
        self.gone.set()


@contextlib.contextmanager
def raw_server(answer: Answer) -> Iterator[RawServer]:
    """A running server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener, answer)
        thread = threading.Thread(target=server.accept)
        thread.start()
        try:
            yield server
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            server.close()
