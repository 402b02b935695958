"""The ETDump of a firmware's run: its instructions' times and results are the firmware's.

What the operations of a delegate stored is what the same delegate stores on the host, and is left out where its results
are others there. Beside QEMU the NPU is the emulator of the host, and the operations have its times; those of a board's
NPU are not known, which counts the cycles of a whole delegate. It runs no firmware.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.firmware.protocol import read_transcript
from etbuild.pte.program import Tensor
from etbuild.verify.etdump import ETDump, Measured, described
from etbuild.verify.host_run import vectors_of

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.firmware.protocol import InstructionRun, VectorRun
    from etbuild.host.recording import Done, RecordedProgram, Recording
    from etbuild.verify.host_run import HostRun


@dataclass(frozen=True)
class FirmwareRun:
    """console: what it printed. clock_hz: of the board's counter. emulated: whether its NPU was the emulator."""

    console: bytes
    clock_hz: int
    emulated: bool


def dump_firmware_run(what: HostRun, golden: dict[str, Any], firmware: FirmwareRun, path: Path) -> None:
    """Write the ETDump of a firmware's runs of the vectors in golden.npz.

    raises: StepError when the firmware's instructions are not those of the program.
    """
    from etbuild.compile import compiler_imports
    from etbuild.host.recording import RecordedProgram, Recording

    compiler_imports.load_executorch()
    runs = read_transcript(firmware.console).vectors
    program = RecordedProgram(what.pte, what.ptd, what.memory_limit, what.kernels)
    dump = ETDump(program.method, described(what.pte, program.method))
    for number, (inputs, run) in enumerate(zip(vectors_of(program, golden), runs, strict=True)):
        host = program.record(*inputs)
        got, wanted = [one.instruction for one in run.instructions], [one.instruction for one in host.done]
        if got != wanted:
            raise StepError(f"vector {number}: got instructions {got} from the firmware, wanted {wanted}")
        done = tuple(_merged(program, *pair) for pair in zip(host.done, run.instructions, strict=True))
        ns = 1e9 / firmware.clock_hz
        spans = [(round(one.begin * ns), round((one.begin + one.ticks) * ns)) for one in run.instructions]
        outputs = tuple(_outputs(program, host, run))
        cycles = [one.npu_cycles for one in run.instructions]
        dump.add(Recording(outputs, done), number, Measured(tuple(spans), tuple(cycles), firmware.emulated))
    dump.write(path)


def _merged(program: RecordedProgram, host: Done, firmware: InstructionRun) -> Done:
    """What the firmware left, with the operations of the host where that is the same."""
    import numpy as np

    values = tuple(_values(program, host, firmware))
    same = len(values) == len(host.values) and all(map(np.array_equal, values, host.values))
    return replace(host, values=values) if same else replace(host, values=values, events=(), results=())


def _values(program: RecordedProgram, host: Done, firmware: InstructionRun) -> Iterator[Any]:
    """The firmware's results as arrays of the shapes that they have on the host."""
    infos = [program.method.values[index] for index in program.written(host.instruction)]
    tensors = [one for one in infos if isinstance(one, Tensor)]
    for data, like, info in zip(firmware.results, host.values, tensors, strict=False):
        yield _shaped(data, like, info.dim_order)


def _outputs(program: RecordedProgram, host: Recording, run: VectorRun) -> Iterator[Any]:
    infos = [program.method.values[index] for index in program.method.outputs]
    for data, like, info in zip(run.outputs, host.outputs, infos, strict=True):
        yield _shaped(data, like, info.dim_order if isinstance(info, Tensor) else ())


def _shaped(data: bytes, like: Any, order: Sequence[int]) -> Any:
    """Bytes as they lie in memory as an array with the shape and type of `like`; flat where it has another size."""
    import numpy as np

    stored = np.frombuffer(data, like.dtype)
    if stored.size != like.size or len(order) != like.ndim:
        return stored
    return stored.reshape([like.shape[axis] for axis in order]).transpose(np.argsort(order))
