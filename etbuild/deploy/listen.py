"""Reads a firmware's frames from a console until its end, and checks that they are of the image that was deployed.

Whether the results are right is another question: etbuild.verify.verdict.
"""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.firmware.protocol import read_frames
from etbuild.firmware.simulators import SimulatorResult
from etbuild.system.programs import last_lines

if TYPE_CHECKING:
    from etbuild.deploy.site import Console

WAIT_S = 0.5
# As simulators: no run has a reason to print more.
MOST_BYTES = 1 << 28
# A board that starts again and again has a watchdog, too little power, or a fault that resets it.
MOST_STARTS = 4
_START = re.compile(rb"~H[0-9a-f]{4}")
_LINES = 10


@dataclass(frozen=True)
class Expected:
    """What the frames of the deployed image say of it. model: SHA-256 of model.pte; vectors: how many it runs."""

    board: str
    model: str
    vectors: int


def listen(console: Console, limit_s: float, expected: Expected) -> SimulatorResult:
    """Read until the end of a run, or for `limit_s`; the output is that of the last start of the firmware.

    raises: StepError when nothing comes, when the console is lost, or when the frames are of other firmware.
    """
    begin = time.monotonic()
    data = bytearray()
    while (left := limit_s - (time.monotonic() - begin)) > 0:
        try:
            part = console.read(min(left, WAIT_S))
        except StepError as lost:
            raise StepError(f"{lost}{_so_far(bytes(data))}") from None
        data += part
        if len(data) > MOST_BYTES:
            break
        if part and b"~E" in data[-len(part) - 64 :]:
            run = last_start(bytes(data))
            if _is_over(run):
                check(run, expected)
                return SimulatorResult(0, run, time.monotonic() - begin)
    if not data:
        raise StepError(
            f"{expected.board}: got nothing within {limit_s:g} s of its start, wanted frames\n"
            "    is it the right console and speed? did the board start? run.timeout_s is the limit"
        )
    run = last_start(bytes(data))
    check(run, expected)
    if not _START.search(data):
        lines = "".join(f"\n    | {line}" for line in last_lines(bytes(data).decode("utf-8", "replace"), _LINES))
        raise StepError(f"{expected.board}: got text without one frame within {limit_s:g} s, wanted frames{lines}")
    return SimulatorResult(None, run, time.monotonic() - begin)


def last_start(data: bytes) -> bytes:
    """What was printed from the last hello frame on; everything when there is none.

    raises: StepError when the board started again and again.
    """
    starts = [match.start() for match in _START.finditer(data)]
    if len(starts) >= MOST_STARTS:
        remedy = "a watchdog that is not stopped, too little power, or a fault that resets"
        raise StepError(f"got {len(starts)} starts of the firmware, wanted one\n    {remedy}")
    return data[starts[-1] :] if starts else data


def check(run: bytes, expected: Expected) -> None:
    """Compare the hello frame with what was deployed; nothing where there is none.

    raises: StepError when it is of another board, recipe or build.
    """
    frames, _, _ = read_frames(run)
    hello = next((frame.data for frame in frames if frame.type == "H" and len(frame.data) >= 44), None)
    if hello is None:
        return
    model, board = hello[12:44].hex(), hello[44:].decode("utf-8", "replace")
    vectors = struct.unpack_from("<I", hello, 4)[0]
    if board != expected.board:
        remedy = "another board answers there, or this one has not taken the image"
        raise StepError(f"got frames of board {board}, wanted {expected.board}\n    {remedy}")
    if model != expected.model or vectors != expected.vectors:
        got = f"frames for model {model[:12]} with {vectors} vectors"
        wanted = f"{expected.model[:12]} with {expected.vectors}"
        remedy = "the board runs the firmware of another recipe, or an older one: write this image to it"
        raise StepError(f"{expected.board}: got {got}, wanted {wanted}\n    {remedy}")


def _is_over(run: bytes) -> bool:
    """Whether the last frame ends the run; the rest of an older run, whose beginning was not heard, ends nothing."""
    frames, _, _ = read_frames(run)
    if not frames or frames[-1].type != "E":
        return False
    whole = len(frames[-1].data) == 8 and struct.unpack("<2I", frames[-1].data)[1] == len(frames) - 1
    return frames[0].type == "H" or whole


def _so_far(data: bytes) -> str:
    frames, _, text = read_frames(data)
    done = sum(frame.type == "V" for frame in frames)
    lines = "".join(f"\n    | {line}" for line in last_lines(text.decode("utf-8", "replace").strip(), _LINES))
    return f"\n    {done} vectors were done{lines}"
