"""What a simulator's run was worth: its transcript held to golden, or the message that says why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from etbuild.errors import EtbuildError, StepError
from etbuild.firmware.elf_texts import Texts
from etbuild.firmware.protocol import EXITS, Fault, Transcript, read_transcript
from etbuild.firmware.toolchain import run_tool
from etbuild.system.programs import last_lines
from etbuild.verify.compare import difference

if TYPE_CHECKING:
    from etbuild.firmware.protocol import VectorRun
    from etbuild.firmware.simulators import Request, SimulatorResult

LAST_LINES = 10
_REGISTERS = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")


@dataclass(frozen=True)
class Wanted:
    """One output. values: golden's, [vectors, ...]. order: the axes of one vector, outermost in memory first."""

    values: Any
    order: tuple[int, ...]


def verdict(request: Request, on: str, result: SimulatorResult, wanted: Sequence[Wanted]) -> dict[str, Any]:
    """run.json of a run whose every output is golden's, bit for bit or within the request's tolerance.

    raises: StepError for everything else, with the last output.
    """
    how = "FVP" if on == "fvp" else "emulated NPU" if request.driver == "emulator" and request.npu else "QEMU"
    runner = f"{request.board.name} ({how})"
    transcript = read_transcript(result.output, Texts(request.elf).at)
    fault = failure(request, result, transcript)
    if not fault:
        fault = _difference(transcript, wanted, request.tolerance)
    if fault:
        raise StepError(f"run on {runner}: {fault}{last_output(transcript)}")
    count = len(transcript.vectors)
    return {
        "runner": runner,
        "on": on,
        "vectors": count,
        "bit_exact": sum(not _apart(run, wanted, number, 0.0) for number, run in enumerate(transcript.vectors)),
        "tolerance": request.tolerance,
        "figures": _figures(request, on, result, transcript),
        "memory": asdict(transcript.memory) if transcript.memory else None,
        "outputs": [[output.hex() if len(output) <= 64 else _digest(output) for output in one.outputs]
                    for one in transcript.vectors],
    }  # fmt: skip


def failure(request: Request, result: SimulatorResult, transcript: Transcript) -> str:
    """Why this run counts for nothing, or ""."""
    if transcript.fault:
        return _fault(request, transcript.fault)
    if transcript.exit:
        meaning = EXITS.get(transcript.exit, "an exit code without a meaning")
        return f"exit code {transcript.exit}, {meaning}" + (f": {transcript.error}" if transcript.error else "")
    if result.code is None:
        done = len(transcript.vectors)
        remedy = "raise run.timeout_s if it only needs longer"
        return f"got no end after {request.limit_s:g} s and {done} vectors, wanted one\n    {remedy}"
    if transcript.problem:
        how = f" (the simulator ended with exit code {result.code})" if result.code else ""
        return f"got results that cannot be trusted: {transcript.problem}{how}"
    return f"the simulator ended with exit code {result.code} after all results" if result.code else ""


def last_output(transcript: Transcript) -> str:
    return "".join(f"\n    | {line}" for line in last_lines(transcript.text, LAST_LINES))


def _fault(request: Request, fault: Fault) -> str:
    places = _places(request, [fault.registers[6], fault.registers[5]]) if any(fault.registers) else ""
    shown = " ".join(f"{name}={value:08x}" for name, value in zip(_REGISTERS, fault.registers, strict=True))
    told = f"processor exception {fault.exception}: {fault.cause}"
    if fault.address:
        told += f" {fault.address:#010x}"
    told += f"\n    cfsr={fault.cfsr:08x} hfsr={fault.hfsr:08x} sfsr={fault.sfsr:08x}"
    if any(fault.registers):
        told += f"\n    {shown}"
    if fault.cause == "stack overflow":
        told += "\n    raise runtime.stack_size"
    return told + places


def _places(request: Request, addresses: Sequence[int]) -> str:
    """Source lines of code addresses, where binutils and the image's debug information tell them."""
    words = [f"{address & ~1:#x}" for address in addresses]
    try:
        lines = run_tool(["arm-none-eabi-addr2line", "-f", "-C", "-e", str(request.elf), *words]).splitlines()
    except EtbuildError:
        return ""
    pairs = zip(("at", "called from"), lines[::2], lines[1::2], strict=False)
    return "".join(f"\n    {word} {function} ({place})" for word, function, place in pairs if "??" not in function)


def _difference(transcript: Transcript, wanted: Sequence[Wanted], tolerance: float) -> str:
    count = len(wanted[0].values) if wanted else 0
    if len(transcript.vectors) != count:
        return f"got results of {len(transcript.vectors)} vectors, wanted {count}"
    told = (_apart(run, wanted, number, tolerance) for number, run in enumerate(transcript.vectors))
    return next(filter(None, told), "")


def _apart(run: VectorRun, wanted: Sequence[Wanted], number: int, tolerance: float) -> str:
    """What is wrong with the outputs of one vector, or ""."""
    if len(run.outputs) != len(wanted):
        return f"vector {number}: got {len(run.outputs)} outputs, wanted {len(wanted)}"
    for index, (output, column) in enumerate(zip(run.outputs, wanted, strict=True)):
        right = column.values[number]
        if len(output) != right.nbytes:
            return f"vector {number}, output {index}: got {len(output)} bytes, wanted {right.nbytes}"
        told = difference(_array(output, right, column.order), right, tolerance)
        if told:
            return f"vector {number}, output {index}: {told}"
    return ""


def _array(output: bytes, like: Any, order: tuple[int, ...]) -> Any:
    import numpy as np

    stored = np.frombuffer(output, like.dtype)
    if len(order) != like.ndim:
        return stored.reshape(like.shape)
    return stored.reshape([like.shape[axis] for axis in order]).transpose(np.argsort(order))


def _figures(request: Request, on: str, result: SimulatorResult, transcript: Transcript) -> dict[str, Any]:
    """Means over the vectors; each says what kind of figure it is."""
    runs = transcript.vectors
    ticks = sum(run.ticks for run in runs) / max(1, len(runs))
    npu = sum(run.npu_cycles for run in runs) / max(1, len(runs))
    figures: dict[str, Any] = {"duration": _figure(round(result.seconds, 3), "s", "measured")}
    if on == "qemu":
        # Its clock advances one nanosecond an instruction.
        count = ticks * 1e9 / request.board.cpu.clock_hz
        figures["instructions"] = _figure(round(count), "instructions", "QEMU instruction count")
    else:
        figures["cpu_cycles"] = _figure(round(ticks), "cycles", "FVP CPU, not accurate")
    if npu:
        figures["npu_cycles"] = _figure(round(npu), "cycles", "FVP NPU")
    return figures


def _figure(value: float, unit: str, kind: str) -> Mapping[str, Any]:
    return {"value": value, "unit": unit, "kind": kind}


def _digest(data: bytes) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()
