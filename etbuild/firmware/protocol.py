"""What a firmware printed, read back: docs/firmware-protocol.md. It trusts no byte and never raises.

A console may add text of its own round the frames; what looks like a frame and is none is a problem, not text.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from etbuild.firmware.codes import Code, Exit
from etbuild.pte.driver_payload import names_npu, npu_name

PROTOCOL = 1
EXITS: Mapping[int, str] = {one: one.meaning for one in Exit}

# By the bit of CFSR.
_CAUSES = {
    20: "stack overflow",
    0: "instruction fetched where none may be",
    1: "access to memory that may not be used so",
    8: "nothing answers the fetch of an instruction",
    9: "nothing answers at the address",
    10: "nothing answered an earlier write",
    16: "undefined instruction",
    17: "jump to an address without the Thumb bit",
    19: "floating point is off",
    24: "unaligned access",
    25: "division by zero",
}
_EXCEPTIONS = {2: "non-maskable interrupt", 3: "hard fault", 7: "security fault"}

_FRAME = re.compile(rb"~([A-Z])([0-9a-f]{4})([A-Za-z0-9+/]*={0,2}):([0-9a-f]{8})")
# No console of a firmware has a reason to print more, and no run to have more of anything.
_MOST_BYTES = 1 << 28
_MOST_OUTPUTS = 256
_MOST_OUTPUT_BYTES = 1 << 26


@dataclass(frozen=True)
class Frame:
    type: str
    data: bytes


@dataclass(frozen=True)
class Hello:
    vectors: int
    outputs: int
    model_digest: str
    board: str


@dataclass(frozen=True)
class Memory:
    """Bytes: planned buffers, the deepest that arena, scratch and stack were used, and their sizes. Where arena and
    scratch share a region, the arena's figures count both and the scratch's are 0."""

    planned: int
    arena_used: int
    arena: int
    scratch_used: int
    scratch: int
    fast_scratch: int
    stack_used: int
    stack: int


@dataclass(frozen=True)
class Fault:
    """A processor's exception. registers: r0-r3, r12, lr, pc, xpsr, all 0 when they could not be saved."""

    cause: str
    exception: int
    cfsr: int
    hfsr: int
    sfsr: int
    address: int
    registers: tuple[int, ...]


@dataclass(frozen=True)
class InstructionRun:
    """An instruction of a run. begin, ticks: of the board's counter, from the begin of the run. npu_cycles: of a
    delegate; 0 where none count. results: their bytes as they lie in memory."""

    instruction: int
    begin: int
    ticks: int
    npu_cycles: int
    results: tuple[bytes, ...]


@dataclass(frozen=True)
class VectorRun:
    """outputs: their bytes as they lie in memory. ticks: of the board's counter. npu_cycles: 0 where none count.
    instructions: of a firmware that prints them."""

    outputs: tuple[bytes, ...]
    ticks: int
    npu_cycles: int
    instructions: tuple[InstructionRun, ...] = ()


@dataclass(frozen=True)
class MethodRuns:
    """A method of a program with several, and how many of the vectors are its."""

    name: str
    vectors: int
    outputs: int


@dataclass(frozen=True)
class Transcript:
    """problem: what is wrong with the transcript itself, "" when it is whole. exit: None without an end frame.
    methods: of a program with several, in the order of their vectors."""

    hello: Hello | None = None
    vectors: tuple[VectorRun, ...] = ()
    memory: Memory | None = None
    error: str = ""
    fault: Fault | None = None
    exit: int | None = None
    problem: str = ""
    text: str = ""
    methods: tuple[MethodRuns, ...] = ()


def read_frames(console: bytes) -> tuple[tuple[Frame, ...], str, bytes]:
    """The frames in order; the first problem, or ""; and the text between the frames."""
    frames: list[Frame] = []
    problem, between, at = "", b"", 0
    if len(console) > _MOST_BYTES:
        return (), f"{len(console)} bytes of output", b""
    for match in _FRAME.finditer(console):
        between += console[at : match.start()]
        at = match.end()
        frame = _frame(match)
        if frame is None:
            problem = problem or f"frame {len(frames)} is damaged: its CRC is wrong"
        else:
            frames.append(frame)
    between += console[at:]
    if not problem and re.search(rb"~[A-Z][0-9a-f]{4}", between):
        problem = "a frame is cut short"
    return tuple(frames), problem, between


def _frame(match: re.Match[bytes]) -> Frame | None:
    kind, length, text, crc = match.groups()
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    size = int(length, 16)
    if len(data) != size or zlib.crc32(kind + struct.pack("<H", size) + data) != int(crc, 16):
        return None
    return Frame(kind.decode(), data)


def read_transcript(console: bytes, text_at: Callable[[int], str] = lambda number: f"text {number:#x}") -> Transcript:
    """Everything that a firmware said.

    text_at: the text for a number, from its ELF file: `elf_texts.Texts.at`.
    """
    frames, problem, between = read_frames(console)
    reader = _Reader(text_at)
    for number, frame in enumerate(frames):
        try:
            reader.take(number, frame)
        except (struct.error, ValueError, IndexError) as error:
            reader.complain(f"frame {number} ({frame.type}): {error}")
    reader.check_end()
    text = between.replace(b"\x04", b"").decode("utf-8", "replace").strip()
    return Transcript(
        reader.hello,
        tuple(run.frozen() for run in reader.done),
        reader.memory,
        reader.error,
        reader.fault,
        reader.exit,
        problem or reader.problem,
        text,
        tuple(reader.methods),
    )


def _other_npu(code: int, number: int) -> str:
    """The text of the error that the model is for another NPU, "" for every other error.

    number: the CONFIG word of the model in its upper half, that of the hardware in its lower half; npu/ethosu.h. The
    numbers of other errors are indices and sizes, which never have two CONFIG words in them.
    """
    words = (number >> 32, number & 0xFFFFFFFF)
    if code != Code.MISMATCH or not all(map(names_npu, words)):
        return ""
    return "compiled for {}, this NPU is {}".format(*map(npu_name, words))


def _cause(code: int, exception: int, cfsr: int) -> str:
    if code == Exit.NPU:
        return "no NPU answers at its address"
    for bit, cause in _CAUSES.items():
        if cfsr >> bit & 1:
            return cause
    return _EXCEPTIONS.get(exception, "interrupt without a handler" if exception >= 16 else "processor exception")


@dataclass
class _Run:
    outputs: list[bytearray] = field(default_factory=list)
    missing: int = 0
    ticks: int = 0
    npu_cycles: int = 0
    instructions: list[tuple[int, int, int, int]] = field(default_factory=list)
    results: list[list[bytearray]] = field(default_factory=list)

    def frozen(self) -> VectorRun:
        rows = zip(self.instructions, self.results, strict=True)
        instructions = tuple(InstructionRun(*figures, tuple(map(bytes, results))) for figures, results in rows)
        return VectorRun(tuple(map(bytes, self.outputs)), self.ticks, self.npu_cycles, instructions)


class _Reader:
    """The state of reading: what is known so far, and the first problem."""

    def __init__(self, text_at: Callable[[int], str]) -> None:
        self._text_at = text_at
        self.hello: Hello | None = None
        self.done: list[_Run] = []
        self.memory: Memory | None = None
        self.error = ""
        self.fault: Fault | None = None
        self.exit: int | None = None
        self.problem = ""
        self.methods: list[MethodRuns] = []
        self._current = _Run()

    def complain(self, problem: str) -> None:
        self.problem = self.problem or problem

    def take(self, number: int, frame: Frame) -> None:
        if self.exit is not None:
            raise ValueError("comes after the end frame")
        take = getattr(self, f"_take_{frame.type.lower()}", None)
        if take is None:
            raise ValueError("is of an unknown type")
        take(number, frame.data)

    def check_end(self) -> None:
        if self.exit is None:
            self.complain("there is no end frame")
        elif self.exit == 0 and (self.hello is None or len(self.done) != self.hello.vectors):
            wanted = self.hello.vectors if self.hello else "some"
            self.complain(f"results of {len(self.done)} vectors, not of {wanted}")

    def _take_h(self, _: int, data: bytes) -> None:
        version, vectors, outputs = struct.unpack_from("<3I", data)
        if version != PROTOCOL:
            raise ValueError(f"protocol {version}, not {PROTOCOL}")
        if outputs > _MOST_OUTPUTS:
            raise ValueError(f"{outputs} outputs")
        self.hello = Hello(vectors, outputs, data[12:44].hex(), data[44:].decode("utf-8", "replace"))

    def _take_n(self, _: int, data: bytes) -> None:
        vectors, outputs = struct.unpack_from("<2I", data)
        if self.hello is None or self._current != _Run() or len(self.done) != sum(one.vectors for one in self.methods):
            raise ValueError("comes before all vectors of the method before it")
        if outputs > _MOST_OUTPUTS:
            raise ValueError(f"{outputs} outputs")
        self.methods.append(MethodRuns(data[8:].decode("utf-8", "replace"), vectors, outputs))

    def _take_o(self, _: int, data: bytes) -> None:
        vector, index, offset, total = struct.unpack_from("<4I", data)
        part, outputs = data[16:], self._current.outputs
        if self.hello is None:
            raise ValueError("comes before the hello frame")
        if vector != len(self.done):
            raise ValueError(f"an output of vector {vector}, not of {len(self.done)}")
        if offset == 0 and index == len(outputs) < _MOST_OUTPUTS and total <= _MOST_OUTPUT_BYTES:
            outputs.append(bytearray())
            self._current.missing += total
        if index != len(outputs) - 1 or offset != len(outputs[index]) or len(part) > self._current.missing:
            raise ValueError(f"part {offset} of output {index} is not the next one")
        outputs[index] += part
        self._current.missing -= len(part)

    def _take_i(self, _: int, data: bytes) -> None:
        vector, *figures = struct.unpack("<IIQQQ", data)
        run = self._current
        if vector != len(self.done) or run.missing or run.outputs:
            raise ValueError(f"an instruction of vector {vector} where none is")
        instruction, begin, ticks, npu_cycles = figures
        run.instructions.append((instruction, begin, ticks, npu_cycles))
        run.results.append([])

    def _take_r(self, _: int, data: bytes) -> None:
        vector, instruction, index, offset, total = struct.unpack_from("<5I", data)
        run, part = self._current, data[20:]
        if vector != len(self.done) or not run.instructions or instruction != run.instructions[-1][0]:
            raise ValueError(f"a result of instruction {instruction}, which was not run")
        results = run.results[-1]
        if offset == 0 and index == len(results) < _MOST_OUTPUTS and total <= _MOST_OUTPUT_BYTES:
            results.append(bytearray())
            run.missing += total
        if index != len(results) - 1 or offset != len(results[index]) or len(part) > run.missing:
            raise ValueError(f"part {offset} of result {index} is not the next one")
        results[index] += part
        run.missing -= len(part)

    def _take_v(self, _: int, data: bytes) -> None:
        vector, ticks, npu_cycles = struct.unpack("<IQQ", data)
        run, self._current = self._current, _Run()
        if vector != len(self.done):
            raise ValueError(f"the end of vector {vector}, not of {len(self.done)}")
        method = self.methods[-1] if self.methods else self.hello
        if run.missing or method is None or len(run.outputs) != method.outputs:
            raise ValueError(f"vector {vector} ends without all of its outputs")
        run.ticks, run.npu_cycles = ticks, npu_cycles
        self.done.append(run)

    def _take_m(self, _: int, data: bytes) -> None:
        self.memory = Memory(*struct.unpack("<8I", data))

    def _take_l(self, _: int, data: bytes) -> None:
        code, number, text = struct.unpack_from("<IQI", data)
        place = data[16:].decode("utf-8", "replace")
        message = _other_npu(code, number) or f"{self._text_at(text)} ({number})"
        self.error = (f"{place}: " if place else "") + message

    def _take_f(self, _: int, data: bytes) -> None:
        words = struct.unpack("<15I", data)
        code, exception, _, cfsr, hfsr, sfsr, address = words[:7]
        self.fault = Fault(_cause(code, exception, cfsr), exception, cfsr, hfsr, sfsr, address, words[7:])

    def _take_e(self, number: int, data: bytes) -> None:
        code, frames = struct.unpack("<2I", data)
        self.exit = code
        if frames != number:
            raise ValueError(f"{frames} frames were sent, {number} arrived")
