"""Stands in for Arm's FVP where ExecuTorch's tests start it: runs their .pte with the host's runtime and NPU emulator.

It knows the one command line that those tests use, and models neither a board nor time. Its firmware would be
ExecuTorch's arm_executor_runner: it takes tensors from files, leaves every other input as it was traced, and writes
each output to a file, element by element as in memory.
"""

from __future__ import annotations

import itertools
import re
import shlex
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild import __version__
from etbuild.errors import StepError, UsageError, exit_code_of
from etbuild.host.program import HostProgram

# The simulators by name, each with the boards whose runner ExecuTorch's tests look for.
PROGRAMS = {
    "FVP_Corstone_SSE-300_Ethos-U55": "corstone-300",
    "FVP_Corstone_SSE-300_Ethos-U65": "corstone-300-u65",
    "FVP_Corstone_SSE-320": "corstone-320",
}
_SETTING = re.compile(r"(?:.*\.)?semihosting-(?P<name>cwd|cmd_line)=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True)
class Request:
    """What a command line asks for. limit_s: seconds; 0 for none."""

    folder: Path
    program: str
    output: str
    inputs: tuple[str, ...]
    limit_s: int


def install(folder: Path) -> tuple[Path, Path]:
    """Write the stand-ins and the files that ExecuTorch's tests look for.

    folder: empty, with an absolute path.
    return: the folder for PATH, and the one for EXECUTORCH_ROOT.
    """
    programs, root = folder / "bin", folder / "executorch"
    programs.mkdir()
    for name, board in PROGRAMS.items():
        path = programs / name
        command = shlex.join([sys.executable, "-m", __name__, name])
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        for kind in ("", "portable-ops_"):
            runner = root / "arm_test" / f"arm_semihosting_executor_runner_{kind}{board}" / "arm_executor_runner"
            runner.parent.mkdir(parents=True)
            runner.write_text("etbuild's stand-in for an FVP runs the .pte itself\n", encoding="utf-8")
    return programs, root


def parse(arguments: Sequence[str]) -> Request:
    """The request of a simulator's arguments.

    raises: UsageError for a command line without a folder, or that runs no .pte.
    """
    settings = {found["name"]: found["value"].strip("'") for found in map(_SETTING.fullmatch, arguments) if found}
    words = shlex.split(settings.get("cmd_line", ""))
    options = list(itertools.pairwise(words))[1::2]
    named = {name: value for name, value in options if name != "-i"}
    if "cwd" not in settings or not {"-m", "-o"} <= set(named):
        raise UsageError(
            f"FVP: got {shlex.join(arguments)}, wanted -C ...semihosting-cwd=FOLDER and "
            "-C ...semihosting-cmd_line='executor_runner -m PROGRAM -o NAME [-i FILE]...'"
        )
    limit = dict(itertools.pairwise(arguments)).get("--timelimit", "0")
    inputs = tuple(value for name, value in options if name == "-i")
    return Request(Path(settings["cwd"]), named["-m"], named["-o"], inputs, int(limit))


def run(request: Request) -> int:
    """Run the program; the number of files that were written.

    raises: StepError when the program fails or does not end in time.
    """
    with _limited(request.limit_s):
        program = HostProgram(request.folder / request.program)
        outputs = program.run(*inputs_of(program, [(request.folder / name).read_bytes() for name in request.inputs]))
    for index, (array, info) in enumerate(zip(outputs, program.outputs, strict=True)):
        stored = array.transpose(info.dim_order) if info.dim_order else array
        (request.folder / f"{request.output}-{index}.bin").write_bytes(stored.tobytes())
    return len(outputs)


def inputs_of(program: HostProgram, files: Sequence[bytes]) -> list[Any]:
    """The inputs of a run; one that is no tensor stays as it was traced. files: the bytes of each input, as in memory.

    raises: StepError for files of another number or size.
    """
    import numpy as np

    if len(files) != len(program.inputs):
        raise StepError(f"got {len(files)} files, wanted {len(program.inputs)}")
    arrays: list[Any] = []
    for index, (data, info) in enumerate(zip(files, program.inputs, strict=True)):
        if not info.is_tensor:
            arrays.append(None)
            continue
        shape = [info.shape[axis] for axis in info.dim_order]
        wanted = int(np.prod(shape, dtype=np.int64)) * np.dtype(info.dtype).itemsize
        if len(data) != wanted:
            raise StepError(f"input {index}: got {len(data)} bytes, wanted {wanted}")
        array = np.frombuffer(data, info.dtype).reshape(shape)
        arrays.append(array.transpose(np.argsort(info.dim_order)) if shape else array)
    return arrays


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """End what runs inside after that many seconds. 0: never."""

    def end(*_: object) -> None:
        raise StepError(f"got no end after {seconds} s, wanted one")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """argv: the simulator's name and its arguments; None for those of this process."""
    return exit_code_of(_main, sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    name, *arguments = argv
    if "--version" in arguments:
        print(f"etbuild {__version__}: a stand-in for {name}")
        return 0
    print(f"{run(parse(arguments))} outputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
