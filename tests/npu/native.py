"""The emulator as the tests call it: built on first use with CMake and Ninja, loaded with ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "etbuild" / "firmware"
WORK_LIMIT = 1 << 42

Array = np.ndarray[Any, Any]


class _Result(ctypes.Structure):
    _fields_ = [  # noqa: RUF012 (ctypes wants a list)
        ("text", ctypes.c_char_p),
        ("number", ctypes.c_uint64),
        ("scratch_size", ctypes.c_uint64),
        ("scratch_peak", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class Outcome:
    """A Status with the scratch it took. code 0 is success."""

    code: int
    text: str
    number: int
    scratch_size: int
    scratch_peak: int


def build_folder() -> Path:
    """Of the native tests, one for each place of the sources."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "etbuild" / "npu_tests" / hashlib.sha256(str(HERE).encode()).hexdigest()[:12]


def build(target: str, firmware: Path = FIRMWARE, folder: Path | None = None, *options: str) -> Path:
    """Build one CMake target and return the build folder; up to date means milliseconds."""
    folder = folder or build_folder()
    tools = [tool for tool in ("cmake", "ninja", "c++") if shutil.which(tool) is None]
    assert not tools, f"missing: {tools}"
    if not (folder / "build.ninja").exists():
        configure = ["cmake", "-G", "Ninja", "-S", str(HERE / "native"), "-B", str(folder), f"-DFIRMWARE={firmware}"]
        subprocess.run([*configure, *options], check=True, capture_output=True)
    done = subprocess.run(["ninja", "-C", str(folder), "-j2", target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


@dataclass(frozen=True)
class Emulator:
    """One build of the emulator."""

    library: ctypes.CDLL

    def run(self, payload: bytes, regions: dict[int, Array], read_only: tuple[int, ...] = (0,)) -> Outcome:
        """Run a driver payload on these byte arrays, which it changes."""
        bases, sizes = (ctypes.c_void_p * 8)(), (ctypes.c_size_t * 8)()
        writable = 0
        for number, memory in regions.items():
            assert memory.dtype == np.uint8 and memory.flags.c_contiguous
            bases[number], sizes[number] = memory.ctypes.data, memory.size
            writable |= 0 if number in read_only else 1 << number
        result = _Result()
        code = self.library.npu_run(
            payload, ctypes.c_size_t(len(payload)), bases, sizes, writable, ctypes.c_uint64(WORK_LIMIT),
            ctypes.byref(result),
        )  # fmt: skip
        text = (result.text or b"").decode()
        return Outcome(code, text, result.number, result.scratch_size, result.scratch_peak)


@cache
def emulator() -> Emulator:
    """The emulator of this tree."""
    return Emulator(ctypes.CDLL(str(build("npu_tests") / "libnpu_tests.so")))
