"""The emulator as the tests call it: built on first use with CMake and Ninja, loaded with ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "etbuild" / "runtime"
WORK_LIMIT = 1 << 42
OPERANDS = ("ifm", "ifm2", "weights", "scales", "indices", "source", "ofm", "target")
HAZARDS = ("never_written", "overwritten", "unread", "shared_table")

Array = np.ndarray[Any, Any]
Memory = Mapping[int, Array]


class _Memory(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p * 8),
        ("size", ctypes.c_size_t * 8),
        ("writable", ctypes.c_uint8),
    ]


class _Result(ctypes.Structure):
    _fields_ = [
        ("text", ctypes.c_char_p),
        ("number", ctypes.c_uint64),
        ("scratch_size", ctypes.c_uint64),
        ("scratch_peak", ctypes.c_uint64),
    ]


class _Range(ctypes.Structure):
    _fields_ = [("region", ctypes.c_uint8), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64)]


class _Trace(ctypes.Structure):
    _fields_ = [
        ("index", ctypes.c_uint32),
        ("name", ctypes.c_char * 32),
        ("macs", ctypes.c_uint64),
        ("weights", ctypes.c_uint64),
        ("zero_weights", ctypes.c_uint64),
        ("elements", ctypes.c_uint64),
        ("min", ctypes.c_int64),
        ("max", ctypes.c_int64),
        ("bytes_read", ctypes.c_uint64 * 8),
        ("bytes_written", ctypes.c_uint64 * 8),
    ]


class _Hazard(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint8),
        ("operand", ctypes.c_uint8),
        ("region", ctypes.c_uint8),
        ("operation", ctypes.c_uint32),
        ("writer", ctypes.c_uint32),
        ("victim", ctypes.c_uint32),
        ("address", ctypes.c_int64),
    ]


@dataclass(frozen=True)
class Outcome:
    """A Status with the scratch it took. code 0 is success."""

    code: int
    text: str
    number: int
    scratch_size: int
    scratch_peak: int


@dataclass(frozen=True)
class Trace:
    """What one operation did."""

    index: int
    name: str
    macs: int
    weights: int
    zero_weights: int
    elements: int
    range: tuple[int, int]
    bytes_read: tuple[int, ...]
    bytes_written: tuple[int, ...]


@dataclass(frozen=True)
class Hazard:
    """One finding of the hazard check."""

    kind: str
    operand: str
    region: int
    operation: int
    writer: int
    victim: int
    address: int


@dataclass(frozen=True)
class Range:
    """Bytes of a region."""

    region: int
    address: int
    size: int


def build_folder() -> Path:
    """Of the native tests, one for each place of the sources."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "etbuild" / "npu_tests" / hashlib.sha256(str(HERE).encode()).hexdigest()[:12]


def build(target: str, *options: str, runtime: Path = RUNTIME, folder: Path | None = None) -> Path:
    """Build one CMake target and return the build folder; up to date means milliseconds."""
    folder = folder or build_folder()
    missing = [tool for tool in ("cmake", "ninja", "c++") if shutil.which(tool) is None]
    assert not missing, f"missing: {missing}"
    if not (folder / "build.ninja").exists():
        configure = ["cmake", "-G", "Ninja", "-S", str(HERE / "native"), "-B", str(folder), f"-DRUNTIME={runtime}"]
        subprocess.run([*configure, *options], check=True, capture_output=True)
    done = subprocess.run(["ninja", "-C", str(folder), "-j2", target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


def _memory(regions: Memory, read_only: tuple[int, ...]) -> _Memory:
    memory = _Memory()
    for number, array in regions.items():
        assert array.dtype == np.uint8 and array.flags.c_contiguous
        memory.data[number], memory.size[number] = array.ctypes.data, array.size
        memory.writable |= 0 if number in read_only else 1 << number
    return memory


def _outcome(code: int, result: _Result) -> Outcome:
    return Outcome(code, (result.text or b"").decode(), result.number, result.scratch_size, result.scratch_peak)


@dataclass(frozen=True)
class Emulator:
    """One build of the emulator. The regions are byte arrays by number, which a run changes.

    version: 0 for the scalar one that firmwares have, then the slowest that this processor has, ...
    """

    library: ctypes.CDLL
    version: int = 0

    def choose(self) -> str:
        """Make this the version of all runs with the library; its name."""
        self.library.npu_choose.restype = ctypes.c_char_p
        name: bytes = self.library.npu_choose(ctypes.c_size_t(self.version))
        return name.decode()

    def run(
        self, payload: bytes, regions: Memory, read_only: tuple[int, ...] = (0,), work_limit: int = WORK_LIMIT
    ) -> Outcome:
        """Run a driver payload."""
        self.choose()
        memory, result = _memory(regions, read_only), _Result()
        code = self.library.npu_run(
            payload, ctypes.c_size_t(len(payload)), ctypes.byref(memory), ctypes.c_uint64(work_limit),
            ctypes.byref(result),
        )  # fmt: skip
        return _outcome(code, result)

    def trace(self, payload: bytes, regions: Memory, read_only: tuple[int, ...] = (0,)) -> tuple[Outcome, list[Trace]]:
        """Run it and say what each operation did."""
        self.choose()
        memory, result = _memory(regions, read_only), _Result()
        room = len(payload) // 4
        traces, count = (_Trace * room)(), ctypes.c_size_t(room)
        code = self.library.npu_trace(
            payload, ctypes.c_size_t(len(payload)), ctypes.byref(memory), ctypes.byref(result), traces,
            ctypes.byref(count),
        )  # fmt: skip
        found = [
            Trace(
                one.index, one.name.decode(), one.macs, one.weights, one.zero_weights, one.elements,
                (one.min, one.max), tuple(one.bytes_read), tuple(one.bytes_written),
            )
            for one in traces[: count.value]
        ]  # fmt: skip
        return _outcome(code, result), found

    def hazards(
        self, payload: bytes, regions: Memory, inputs: Sequence[Range], outputs: Sequence[Range]
    ) -> tuple[Outcome, list[Hazard]]:
        """Run it and follow every byte; at most 100 findings."""
        self.choose()
        memory, result = _memory(regions, (0,)), _Result()
        every = [*inputs, *outputs]
        ranges = (_Range * len(every))(*((one.region, one.address, one.size) for one in every))
        found, count = (_Hazard * 100)(), ctypes.c_size_t(100)
        code = self.library.npu_hazards(
            payload, ctypes.c_size_t(len(payload)), ctypes.byref(memory), ctypes.byref(result), ranges,
            ctypes.c_size_t(len(inputs)), ctypes.c_size_t(len(outputs)), found, ctypes.byref(count),
        )  # fmt: skip
        hazards = [
            Hazard(
                HAZARDS[one.kind], OPERANDS[one.operand], one.region, one.operation, one.writer, one.victim, one.address
            )
            for one in found[: min(count.value, 100)]
        ]
        return _outcome(code, result), hazards


@cache
def emulator() -> Emulator:
    """The emulator of this tree."""
    return Emulator(ctypes.CDLL(str(build("npu_tests") / "libnpu_tests.so")))


@cache
def versions() -> tuple[Emulator, ...]:
    """The emulator in every version that this processor has, the scalar one first."""
    library = emulator().library
    library.npu_choose.restype = ctypes.c_char_p
    found = [Emulator(library)]
    while library.npu_choose(ctypes.c_size_t(len(found))):
        found.append(Emulator(library, len(found)))
    return tuple(found)
