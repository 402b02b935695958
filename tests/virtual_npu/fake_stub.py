"""A gdb stub without a processor, which may behave badly: a thread at the other end of a socket."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from etbuild.virtual_npu.packets import Stream

TARGET = '<target><xi:include href="core.xml"/><xi:include href="fp.xml"/></target>'
CORE = "".join(f'<reg name="{name}"/>' for name in [*(f"r{i}" for i in range(13)), "sp", "lr", "pc"])
DOCUMENTS = {
    "target.xml": TARGET,
    "core.xml": f'{CORE}<reg name="xpsr" regnum="25"/>',
    "fp.xml": '<reg name="d0"/><reg name="d1"/>',
}


def packet(content: bytes) -> bytes:
    return b"$" + content + b"#%02x" % (sum(content) & 0xFF)


def documents(request: bytes) -> bytes | None:
    """The part of a description that is asked for."""
    asked = re.fullmatch(rb"qXfer:features:read:([\w.]+):(\w+),(\w+)", request)
    if not asked:
        return None
    text = DOCUMENTS[asked[1].decode()].encode()
    at, size = int(asked[2], 16), int(asked[3], 16)
    return (b"m" if at + size < len(text) else b"l") + text[at : at + size]


class FakeStub:
    """Answers each packet with what `answer` gives: raw bytes, or None for silence. asked: the packets."""

    def __init__(self, answer: Callable[[bytes], bytes | None], greeting: bytes = b"") -> None:
        self.asked: list[bytes] = []
        ours, theirs = socket.socketpair()
        self._ours, self._theirs = ours, theirs
        self._answer = answer
        theirs.sendall(greeting)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeStub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ours.close()
        self._thread.join(5)
        self._theirs.close()

    def stream(self, limit_s: float = 5.0) -> Stream:
        return Stream(self._ours, "stub", limit_s)

    def hang_up(self) -> None:
        self._theirs.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        buffer = b""
        while data := self._theirs.recv(4096):
            buffer += data
            while found := re.search(rb"\$([^#]*)#..", buffer, re.DOTALL):
                buffer = buffer[found.end() :]
                self.asked.append(found[1])
                answer = self._answer(found[1])
                if answer is None:
                    continue
                with suppress(OSError):
                    self._theirs.sendall(answer)


def plain(answers: Sequence[tuple[bytes, bytes]]) -> Callable[[bytes], bytes | None]:
    """Well-behaved: the descriptions, and these answers by the beginning of a packet; else "not supported"."""

    def answer(request: bytes) -> bytes:
        document = documents(request)
        if document is not None:
            return b"+" + packet(document)
        return b"+" + packet(next((reply for begin, reply in answers if request.startswith(begin)), b""))

    return answer
