"""The output of a firmware, made in Python: frames and whole transcripts for the tests of their reader."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence


def frame(kind: str, data: bytes) -> bytes:
    head = kind.encode() + struct.pack("<H", len(data))
    crc = zlib.crc32(head + data)
    return b"~%s%04x%s:%08x\r\n" % (kind.encode(), len(data), base64.b64encode(data), crc)


def hello(vectors: int, outputs: int, board: str = "corstone-300") -> bytes:
    return frame("H", struct.pack("<3I", 1, vectors, outputs) + bytes(32) + board.encode())


def output(vector: int, index: int, data: bytes) -> list[bytes]:
    parts = [data[at : at + 224] for at in range(0, max(1, len(data)), 224)]
    return [
        frame("O", struct.pack("<4I", vector, index, 224 * number, len(data)) + part)
        for number, part in enumerate(parts)
    ]


def end_of_vector(vector: int, ticks: int = 1000, npu_cycles: int = 0) -> bytes:
    return frame("V", struct.pack("<IQQ", vector, ticks, npu_cycles))


def instruction(vector: int, number: int, results: Sequence[bytes], npu_cycles: int = 0) -> list[bytes]:
    """What a firmware with events prints after an instruction: 10 ticks that begin at 100 times its number."""
    frames = [frame("I", struct.pack("<IIQQQ", vector, number, 100 * number, 10, npu_cycles))]
    for index, data in enumerate(results):
        for at in range(0, max(1, len(data)), 220):
            head = struct.pack("<5I", vector, number, index, at, len(data))
            frames.append(frame("R", head + data[at : at + 220]))
    return frames


def memory() -> bytes:
    return frame("M", struct.pack("<8I", 32, 444, 2097152, 0, 0, 0, 1300, 16384))


def end(code: int, frames: int) -> bytes:
    return frame("E", struct.pack("<2I", code, frames))


def whole(vectors: Sequence[Sequence[bytes]], npu_cycles: int = 0, exit_code: int = 0) -> list[bytes]:
    """All frames of a run with these outputs, one list per vector."""
    frames = [hello(len(vectors), len(vectors[0]) if vectors else 0)]
    for number, outputs in enumerate(vectors):
        for index, data in enumerate(outputs):
            frames += output(number, index, data)
        frames.append(end_of_vector(number, 1000 + number, npu_cycles))
    frames.append(memory())
    return [*frames, end(exit_code, len(frames))]


def failed(code: int, text: int, number: int, place: str = "", status: int = 1) -> bytes:
    """A run that ended with an error before its first vector. status: the code of its Status."""
    error = frame("L", struct.pack("<IQI", status, number, text) + place.encode())
    return error + end(code, 1)


def fault(code: int, cfsr: int, registers: Sequence[int] = (0,) * 8, address: int = 0) -> bytes:
    words = (code, 4, 0xFFFFFFF9, cfsr, 0, 0, address, *registers)
    return frame("F", struct.pack("<15I", *words)) + end(code, 1)
