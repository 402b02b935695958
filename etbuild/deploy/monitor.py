"""What a firmware prints as lines for people: text as it is, frames in words. It checks no result."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from etbuild.firmware.protocol import EXITS, Frame, read_frames

# A line that never ends is shown in parts.
_LONGEST = 4096


class Reader:
    """Bytes in, lines out."""

    def __init__(self, text_at: Callable[[int], str]):
        """text_at: as protocol.read_transcript."""
        self._text_at = text_at
        self._rest = b""

    def lines(self, data: bytes) -> Iterator[str]:
        """The lines that are complete with these bytes."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            complete, self._rest = [*complete, self._rest], b""
        for line in complete:
            yield from self._shown(line)

    def _shown(self, line: bytes) -> Iterator[str]:
        frames, problem, text = read_frames(line)
        words = text.replace(b"\x04", b"").decode("utf-8", "replace").strip()
        if words:
            yield words
        for frame in frames:
            try:
                yield from self._words(frame)
            except struct.error:
                problem = problem or "a frame is cut short"
        if problem:
            yield f"(damaged: {problem})"

    def _words(self, frame: Frame) -> Iterator[str]:
        """Outputs are for programs: they are left out."""
        data = frame.data
        if frame.type == "H":
            _, vectors, outputs = struct.unpack_from("<3I", data)
            board = data[44:].decode("utf-8", "replace")
            each = f", {outputs} outputs each" if outputs else ""
            yield f"start on {board}: {vectors} vectors{each}, model {data[12:44].hex()[:12]}"
        elif frame.type == "N":
            vectors, outputs = struct.unpack_from("<2I", data)
            yield f"method {data[8:].decode('utf-8', 'replace')}: {vectors} vectors, {outputs} outputs each"
        elif frame.type == "V":
            vector, ticks, npu = struct.unpack("<IQQ", data)
            yield f"vector {vector}: {ticks:,} ticks" + (f", {npu:,} of the NPU" if npu else "")
        elif frame.type == "M":
            figures = struct.unpack("<8I", data)
            yield f"memory: arena {figures[1]:,} of {figures[2]:,} bytes, stack {figures[6]:,} of {figures[7]:,}"
        elif frame.type == "L":
            _, number, text = struct.unpack_from("<IQI", data)
            yield f"error: {data[16:].decode('utf-8', 'replace')} {self._text_at(text)} ({number})"
        elif frame.type == "F":
            words = struct.unpack("<15I", data)
            yield f"processor exception {words[1]}: cfsr={words[3]:08x} address={words[6]:08x} pc={words[13]:08x}"
        elif frame.type == "E":
            code, _ = struct.unpack("<2I", data)
            yield f"end with exit code {code}: {EXITS.get(code, 'unknown')}"
