"""Compares every delegate of a program with the TOSA reference model, bit by bit, on the inputs that it gets there.

The program is interpreted: the reference model computes its delegates, PyTorch its operators on the CPU. So a delegate
after a wrong operator is compared on right inputs. It says nothing of tolerances: those are ExecuTorch's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.errors import EtbuildError
from etbuild.host.program import HostProgram

EXACT = "exact"


class Graphs:
    """The TOSA graphs that Vela compiled in this process, by the digest of what it made of them.

    folder: where they are stored.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def recording(self, vela_compile: Callable[..., Any]) -> Callable[..., Any]:
        """That function of ExecuTorch, with every graph recorded."""

        def compiled(tosa_flatbuffer: bytes, *arguments: Any, **named: Any) -> Any:
            result = vela_compile(tosa_flatbuffer, *arguments, **named)
            self._path(result.processed_bytes).write_bytes(tosa_flatbuffer)
            return result

        return compiled

    def path(self, stream: bytes) -> Path | None:
        """The file of the graph that this stream was made of; None for a stream of another process."""
        path = self._path(stream)
        return path if path.exists() else None

    def without_paths(self, message: str) -> str:
        """A message that names a graph, without the path that it has on this machine."""
        return re.sub(rf"{re.escape(str(self._folder))}/\w+\.tosa", "the TOSA graph", message)

    def _path(self, stream: bytes) -> Path:
        return self._folder / f"{hashlib.sha256(stream).hexdigest()}.tosa"


class Found(NamedTuple):
    """verdict: EXACT, "differs" or "not compared". why: what differs, or why nothing was compared."""

    verdict: str
    why: str = ""


def compare(manager: Any, inputs: Sequence[Any], graphs: Graphs) -> Found:
    """Compare the delegates of a program.

    manager: the ExecutorchProgramManager. inputs: tensors and numbers, in the program's order.
    """
    from etbuild.compile.lowered import Lowered
    from etbuild.verify.cpu_operators import CpuOperators
    from etbuild.verify.golden import RecordingDelegate
    from etbuild.verify.interpreter import Interpreter
    from etbuild.verify.tosa_reference import TosaGraph

    lowered = Lowered(manager.executorch_program, manager._emitter_output.mutable_data)
    data = lowered.program.backend_delegate_data
    streams = [bytes(data[one.processed.index].data) for one in lowered.delegates]
    paths = [graphs.path(stream) for stream in streams]
    if not paths:
        return Found("not compared", "the program has no delegate")
    if None in paths:
        return Found("not compared", "the TOSA graph of a delegate is not known")
    delegates = [RecordingDelegate(TosaGraph(path), [[]]) for path in paths if path]
    try:
        Interpreter(lowered, delegates, CpuOperators()).run(inputs)
        program = HostProgram(bytes(manager.buffer))
        problem = next(filter(None, (_difference(program, n, one) for n, one in enumerate(delegates))), "")
    except EtbuildError as error:
        return Found("not compared", graphs.without_paths(str(error).splitlines()[0]))
    if problem:
        return Found("differs", problem)
    if not any(one.calls[0] for one in delegates):
        return Found("not compared", "the program calls no delegate for these inputs")
    return Found(EXACT)


def _difference(program: HostProgram, number: int, delegate: Any) -> str:
    """How the emulated NPU differs from the reference model in the calls of one delegate; "" when it does not."""
    from etbuild.verify.compare import difference

    for inputs, outputs in delegate.calls[0]:
        got = program.run_delegate(number, list(inputs), [str(array.dtype) for array in outputs])
        for index, (ours, right) in enumerate(zip(got, outputs, strict=True)):
            problem = difference(ours, right.reshape(-1))
            if problem:
                return f"delegate {number}, output {index}: {problem}"
    return ""
