"""Decides whether a simulator's run passes: it compares its transcript with golden, or says why the run failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.errors import EtbuildError, StepError
from etbuild.firmware.elf_texts import Texts
from etbuild.firmware.protocol import EXITS, Fault, Transcript, read_transcript
from etbuild.firmware.toolchain import run_tool
from etbuild.system.programs import last_lines
from etbuild.verify.compare import difference, remedy

if TYPE_CHECKING:
    from etbuild.firmware.protocol import VectorRun
    from etbuild.firmware.simulators import Request, SimulatorResult

LAST_LINES = 10
_MOST_FAULTS = 3
WHERE = "run: {on: host} says in which delegate, or that it is in an operator on the CPU"
_REGISTERS = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")


@dataclass(frozen=True)
class ExpectedOutput:
    """One output of golden.

    values: [vectors, ...].
    order:  the axes of one vector, outermost in memory first; () for what is not a tensor.
    """

    values: Any
    order: tuple[int, ...]


class _Row(NamedTuple):
    """A run, what is wanted of it, its vector's number in its method, and the begin of a message about it."""

    run: VectorRun
    wanted: Sequence[ExpectedOutput]
    number: int
    label: str


def verdict(
    request: Request, on: str, result: SimulatorResult, wanted: Mapping[str, Sequence[ExpectedOutput]]
) -> dict[str, Any]:
    """The content of run.json for a run whose outputs all equal golden's, within the request's tolerance.

    on:     qemu, fvp or board.
    wanted: by method, in the order of the program; by "" for a program with one.
    raises: StepError for any other run, with the last lines that it printed.
    """
    runner = request.board.name if on == "board" else f"{request.board.name} ({_how(request, on)})"
    transcript = read_transcript(result.output, Texts(request.elf).at)
    problem = failure(request, result, transcript) or _first_difference(transcript, wanted, request.tolerance)
    if problem:
        faults = "".join(f"\n    {fault}" for fault in result.faults[:_MOST_FAULTS])
        raise StepError(f"run on {runner}: {problem}{faults}{last_output(transcript)}")
    rows = _rows(transcript, wanted)
    exact = {name: [not _difference(row, 0.0) for row in found] for name, found in rows.items()}
    counts = {name: {"vectors": len(found), "bit_exact": sum(found)} for name, found in exact.items()}
    return {
        "runner": runner,
        "on": on,
        "vectors": len(transcript.vectors),
        "bit_exact": sum(one["bit_exact"] for one in counts.values()),
        "tolerance": request.tolerance,
        "figures": _figures(request, on, result, transcript),
        "memory": asdict(transcript.memory) if transcript.memory else None,
        "outputs": [[output.hex() if len(output) <= 64 else _digest(output) for output in one.outputs]
                    for one in transcript.vectors],
        **({} if "" in counts else {"methods": counts}),
    }  # fmt: skip


def _how(request: Request, on: str) -> str:
    """What runs the firmware, for people."""
    if on == "fvp":
        return "FVP"
    if not request.npu:
        return "QEMU"
    return "emulated NPU" if request.driver == "emulator" else "NPU beside QEMU"


def failure(request: Request, result: SimulatorResult, transcript: Transcript) -> str:
    """Why a run has no valid results; "" when it has."""
    if transcript.fault:
        return _fault(request, transcript.fault)
    if transcript.exit:
        meaning = EXITS.get(transcript.exit, "an unknown exit code")
        where = f"method {transcript.methods[-1].name}: " if transcript.methods else ""
        return f"{where}exit code {transcript.exit}, {meaning}" + (f": {transcript.error}" if transcript.error else "")
    if result.problem:
        return result.problem
    if result.code is None:
        done = len(transcript.vectors)
        remedy = "raise run.timeout_s if it only needs longer"
        return f"got no end after {request.limit_s:g} s and {done} vectors, wanted one\n    {remedy}"
    if transcript.problem:
        how = f" (the simulator ended with exit code {result.code})" if result.code else ""
        return f"got results that cannot be trusted: {transcript.problem}{how}"
    return f"the simulator ended with exit code {result.code} after all results" if result.code else ""


def last_output(transcript: Transcript) -> str:
    """The last LAST_LINES lines of text that a run printed, for a message."""
    return "".join(f"\n    | {line}" for line in last_lines(transcript.text, LAST_LINES))


def _fault(request: Request, fault: Fault) -> str:
    pc, lr = fault.registers[6], fault.registers[5]
    lines = _source_lines(request, [pc, lr]) if any(fault.registers) else ""
    registers = " ".join(f"{name}={value:08x}" for name, value in zip(_REGISTERS, fault.registers, strict=True))
    message = f"processor exception {fault.exception}: {fault.cause}"
    if fault.address:
        message += f" {fault.address:#010x}"
    message += f"\n    cfsr={fault.cfsr:08x} hfsr={fault.hfsr:08x} sfsr={fault.sfsr:08x}"
    if any(fault.registers):
        message += f"\n    {registers}"
    if fault.cause == "stack overflow":
        message += "\n    raise runtime.stack_size"
    return message + lines


def _source_lines(request: Request, addresses: Sequence[int]) -> str:
    """Functions and source lines of pc and lr, for a message; "" without binutils or debug information."""
    arguments = [f"{address & ~1:#x}" for address in addresses]
    try:
        lines = run_tool(["arm-none-eabi-addr2line", "-f", "-C", "-e", str(request.elf), *arguments]).splitlines()
    except EtbuildError:
        return ""
    pairs = zip(("at", "called from"), lines[::2], lines[1::2], strict=False)
    return "".join(f"\n    {noun} {function} ({line})" for noun, function, line in pairs if "??" not in function)


def _rows(transcript: Transcript, wanted: Mapping[str, Sequence[ExpectedOutput]]) -> dict[str, list[_Row]]:
    """The rows of each method."""
    counts = {one.name: one.vectors for one in transcript.methods} or {"": len(transcript.vectors)}
    runs = iter(transcript.vectors)
    return {
        name: [
            _Row(run, wanted[name], number, f"method {name}: " if name else "")
            for number, run in enumerate(islice(runs, count))
        ]
        for name, count in counts.items()
    }


def _first_difference(transcript: Transcript, wanted: Mapping[str, Sequence[ExpectedOutput]], tolerance: float) -> str:
    names = [one.name for one in transcript.methods] or [""]
    if names != list(wanted):
        return f"got results of {_listed(names)}, wanted {_listed(wanted)}"
    rows = _rows(transcript, wanted)
    for name, found in rows.items():
        count = len(wanted[name][0].values) if wanted[name] else 0
        if len(found) != count:
            return f"{f'method {name}: ' if name else ''}got results of {len(found)} vectors, wanted {count}"
    problems = (_difference(row, tolerance) for found in rows.values() for row in found)
    return next(filter(None, problems), "")


def _listed(methods: Iterable[str]) -> str:
    return ", ".join(f"method {name}" if name.isidentifier() else repr(name) for name in methods)


def _difference(row: _Row, tolerance: float) -> str:
    """How the outputs of one vector differ from golden's, for a message; "" when they do not."""
    outputs, where = row.run.outputs, f"{row.label}vector {row.number}"
    if len(outputs) != len(row.wanted):
        return f"{where}: got {len(outputs)} outputs, wanted {len(row.wanted)}"
    for index, (output, column) in enumerate(zip(outputs, row.wanted, strict=True)):
        right = column.values[row.number]
        if len(output) != right.nbytes:
            return f"{where}, output {index}: got {len(output)} bytes, wanted {right.nbytes}"
        ours = _array(output, right, column.order)
        problem = difference(ours, right, tolerance)
        if problem:
            return f"{where}, output {index}: {problem}\n    {WHERE}\n    {remedy(ours, right)}"
    return ""


def _array(output: bytes, like: Any, order: tuple[int, ...]) -> Any:
    """The bytes of an output as an array with the shape and dtype of `like`. order: as in ExpectedOutput."""
    import numpy as np

    stored = np.frombuffer(output, like.dtype)
    if len(order) != like.ndim:
        return stored.reshape(like.shape)
    return stored.reshape([like.shape[axis] for axis in order]).transpose(np.argsort(order))


def _figures(request: Request, on: str, result: SimulatorResult, transcript: Transcript) -> dict[str, Any]:
    """Means over the vectors, each with its unit and how it was obtained."""
    runs = transcript.vectors
    ticks = sum(run.ticks for run in runs) / max(1, len(runs))
    npu = sum(run.npu_cycles for run in runs) / max(1, len(runs))
    figures: dict[str, Any] = {"duration": _figure(round(result.seconds, 3), "s", "measured")}
    if on == "qemu":
        # With -icount shift=0 QEMU's clock advances by one nanosecond per instruction. It counts none with an NPU
        # beside it: at each access to that it goes on to its next timer.
        if not npu or request.driver == "emulator":
            count = ticks * 1e9 / request.board.cpu.clock_hz
            figures["instructions"] = _figure(round(count), "instructions", "QEMU instruction count")
    else:
        figures["cpu_cycles"] = _figure(
            round(ticks), "cycles", "measured" if on == "board" else "FVP CPU, not accurate"
        )
    if npu:
        kinds = {"board": "measured", "fvp": "FVP NPU"}
        figures["npu_cycles"] = _figure(round(npu), "cycles", kinds.get(on, "multiply-accumulates at full speed"))
    return figures


def _figure(value: float, unit: str, kind: str) -> Mapping[str, Any]:
    return {"value": value, "unit": unit, "kind": kind}


def _digest(data: bytes) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(data).hexdigest()
