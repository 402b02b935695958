"""Runs a .pte on the host with an emulated NPU and compares each vector's outputs with golden's.

When a vector differs, each delegate runs alone on its inputs in golden.npz, so that the message names the first one
that is wrong, and in it the first operation that differs from the delegate's TOSA graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.errors import StepError
from etbuild.firmware.user_kernels import kernels_in
from etbuild.host.own_kernels import NO_KERNELS, OwnKernels
from etbuild.npu.debug_database import read_layers
from etbuild.pte.methods import method_number
from etbuild.pte.program import Method, Tensor
from etbuild.pte.reader import read
from etbuild.system.processors import processors
from etbuild.verify.compare import difference, remedy
from etbuild.verify.verdict import ExpectedOutput

if TYPE_CHECKING:
    from etbuild.host.parallel import ParallelPrograms
    from etbuild.host.program import HostProgram

RUNNER = "host (emulated NPU)"
# Loading a program takes a thread as long as some vectors of a small one.
_VECTORS_OF_A_THREAD = 4


class HostRun(NamedTuple):
    """What is run.

    ptd:          file with the weights that are not in the .pte.
    memory_limit: bytes, the most that the .pte may ask for altogether.
    tolerance:    0 for bit-exact outputs, else see `compare.difference`.
    delegates:    folder with their TOSA graphs, 0.tosa...
    vela:         folder with Vela's debug databases, 0_debug.xml...
    kernels:      of the user.
    method:       the one to run; "" for the first.
    """

    pte: Path
    ptd: Path | None
    memory_limit: int
    tolerance: float
    delegates: Path | None = None
    vela: Path | None = None
    kernels: OwnKernels = NO_KERNELS
    method: str = ""


class _Run(NamedTuple):
    """The arguments of `run_on_host`, and the loaded program."""

    what: HostRun
    program: HostProgram
    golden: dict[str, Any]


class _Wrong(NamedTuple):
    """The first output that differs by more than the tolerance. remedy: what accepts it."""

    number: int
    output: int
    problem: str
    remedy: str


def own_kernels(files: tuple[Path, ...]) -> OwnKernels:
    """The kernels in C++ files of the user. raises: as of `kernels_in`."""
    return OwnKernels(files, tuple(kernels_in(files).values()))


def read_golden(path: Path) -> dict[str, dict[str, Any]]:
    """The arrays of golden.npz under ""; of a folder with such a file for each method under its name."""
    import numpy as np

    found = {}
    for file in sorted(path.glob("*.npz")) if path.is_dir() else [path]:
        with np.load(file) as arrays:
            found[file.stem if path.is_dir() else ""] = dict(arrays)
    return found


def run_on_host(what: HostRun, golden: dict[str, Any]) -> dict[str, Any]:
    """Run all vectors; the content of run.json.

    golden: the arrays of golden.npz.
    raises: StepError for the first vector whose outputs differ by more than the tolerance, and for a .pte that asks for
            more memory.
    """
    from etbuild.host.parallel import ParallelPrograms
    from etbuild.host.program import HostProgram

    begin = time.perf_counter()
    count = len(golden["output_0"]) if "output_0" in golden else 0

    def load() -> HostProgram:
        return HostProgram(what.pte, what.ptd, memory_limit=what.memory_limit, kernels=what.kernels, method=what.method)

    with ParallelPrograms(load, min(processors(), 1 + count // _VECTORS_OF_A_THREAD)) as programs:
        run = _Run(what, programs.first, golden)
        exact, wrong = _run_all(run, programs, count)
    if wrong:
        raise _failure(run, wrong)
    seconds = {"value": round(time.perf_counter() - begin, 3), "unit": "s", "kind": "measured"}
    return {
        "runner": RUNNER,
        "on": "host",
        "vectors": count,
        "bit_exact": exact,
        "tolerance": what.tolerance,
        "figures": {"duration": seconds},
    }


def run_methods(what: HostRun, golden: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Run all vectors; the content of run.json, with the verdict on each method where there are several.

    golden: from `read_golden`.
    raises: StepError as `run_on_host`; it names the method.
    """
    if "" in golden:
        return run_on_host(what, golden[""])
    found: dict[str, dict[str, Any]] = {}
    for name, arrays in golden.items():
        try:
            found[name] = run_on_host(what._replace(method=name), arrays)
        except StepError as error:
            raise StepError(f"method {name}: {error}") from error
    reports = list(found.values())
    seconds = round(sum(report["figures"]["duration"]["value"] for report in reports), 3)
    counts = {key: sum(report[key] for report in reports) for key in ("vectors", "bit_exact")}
    return {
        **reports[0],
        **counts,
        "figures": {"duration": {**reports[0]["figures"]["duration"], "value": seconds}},
        "methods": {name: {key: report[key] for key in counts} for name, report in found.items()},
    }


def expected_outputs(pte: Path, golden: Mapping[str, dict[str, Any]]) -> dict[str, list[ExpectedOutput]]:
    """The expected outputs of each method of a .pte, in its order. golden: from `read_golden`."""
    methods = {method.name: method for method in read(pte).methods}
    named = {"": next(iter(methods.values()))} if "" in golden else methods
    return {name: list(_expected(method, golden[name])) for name, method in named.items()}


def _expected(method: Method, golden: dict[str, Any]) -> Iterator[ExpectedOutput]:
    outputs = [method.values[index] for index in method.outputs]
    for value, column in zip(outputs, columns_of(golden, "output"), strict=False):
        yield ExpectedOutput(column, value.dim_order if isinstance(value, Tensor) else ())


def columns_of(golden: dict[str, Any], name: str) -> list[Any]:
    """The arrays name_0, name_1... of golden.npz, [vectors, ...] each."""
    found: list[Any] = []
    while f"{name}_{len(found)}" in golden:
        found.append(golden[f"{name}_{len(found)}"])
    return found


def vectors_of(program: HostProgram, golden: dict[str, Any]) -> list[list[Any]]:
    """The inputs of each vector of golden.npz."""
    columns = columns_of(golden, "input")
    return [_arguments(program, columns, number) for number in range(len(golden["output_0"]))]


def _arguments(program: HostProgram, vectors: Sequence[Any], number: int) -> list[Any]:
    """One vector; an input that the program has itself has no elements in golden.npz."""
    own = {index for index, info in enumerate(program.inputs) if info.dtype == "none"}
    return [None if index in own else column[number] for index, column in enumerate(vectors)]


def _run_all(run: _Run, programs: ParallelPrograms, count: int) -> tuple[int, _Wrong | None]:
    """How many vectors are bit-exact, up to the first that differs by more than the tolerance."""
    vectors, columns = columns_of(run.golden, "input"), columns_of(run.golden, "output")
    exact = 0
    found = programs.run(_arguments(run.program, vectors, number) for number in range(count))
    for number, got in enumerate(found):
        wanted = [column[number] for column in columns]
        if len(got) != len(wanted):
            raise StepError(f"vector {number}: got {len(got)} outputs, wanted {len(wanted)} as golden has")
        for index, (ours, right) in enumerate(zip(got, wanted, strict=True)):
            if problem := difference(ours, right, run.what.tolerance):
                return exact, _Wrong(number, index, problem, remedy(ours, right))
        exact += not any(difference(ours, right) for ours, right in zip(got, wanted, strict=True))
    return exact, None


def _failure(run: _Run, wrong: _Wrong) -> StepError:
    """The error with its cause; no other thread may use the program meanwhile."""
    cause = _first_wrong_delegate(run, wrong.number) or _on_cpu(run.what, wrong.remedy)
    return StepError(f"vector {wrong.number}, output {wrong.output}: {wrong.problem}\n    {cause}")


def _first_wrong_delegate(run: _Run, number: int) -> str:
    """A message with the first delegate that computes wrong outputs from golden's inputs; "" when none does."""
    program, golden, unchecked = run.program, run.golden, []
    for index in range(program.delegates):
        inputs = [column[number] for column in columns_of(golden, f"delegate_{index}_input")]
        wanted = [column[number] for column in columns_of(golden, f"delegate_{index}_output")]
        if not wanted:
            unchecked.append(program.first_delegate + index)
            continue
        got = program.run_delegate(index, inputs, [str(array.dtype) for array in wanted])
        for output, (ours, right) in enumerate(zip(got, wanted, strict=True)):
            problem = difference(ours, right.reshape(-1))
            if problem:
                lines = [
                    f"first in delegate {program.first_delegate + index}, output {output}: {problem}",
                    *_first_wrong_operation(run, index, inputs, wanted),
                    _writer(program, (index, output), ours, right),
                ]
                return "\n    ".join(lines)
    if unchecked:
        return f"delegates {unchecked} run in a loop or branch; golden.npz has no inputs and outputs of theirs"
    return ""


def _first_wrong_operation(run: _Run, delegate: int, inputs: list[Any], outputs: Sequence[Any]) -> Iterator[str]:
    """The lines of a message with the first operation that differs; none without the files that say what is right."""
    what, number = run.what, run.program.first_delegate + delegate
    if what.delegates is None or what.vela is None:
        return
    from etbuild.host.trace import TracedProgram
    from etbuild.verify.first_wrong_operation import first_wrong
    from etbuild.verify.tosa_reference import TosaGraph

    layers = read_layers(what.vela / f"{number}_debug.xml")
    program = TracedProgram(what.pte, what.ptd, kernels=what.kernels, method=what.method)
    program.run_delegate(delegate, inputs, [str(array.dtype) for array in outputs])
    found = first_wrong(program.results, layers, TosaGraph(what.delegates / f"{number}.tosa"), inputs)
    if found is None:
        return
    yield f"first operation that differs: layer {layers.at(found.result.word)}, {found}"
    for hazard in program.hazards:
        if hazard.kind == "shared table" and found.result.operation in (hazard.operation, hazard.victim):
            yield f"{hazard}: COMMANDS.md lists such a fault of Vela"


def _on_cpu(what: HostRun, accepts: str) -> str:
    """A message for a difference that arises on the CPU. accepts: what accepts it."""
    program = read(what.pte)
    method = program.methods[method_number(program, what.method, str(what.pte))]
    called = dict.fromkeys(str(method.operators[call.operator]) for call in method.kernel_calls())
    names = [name for name in called if "quantize_per" not in name]
    which = f" ({', '.join(names)})" if names else ""
    return (
        f"every delegate is right on golden's inputs: the difference arises in an operator on the CPU{which}\n"
        f"    {accepts}"
    )


def _writer(program: HostProgram, port: tuple[int, int], got: Any, wanted: Any) -> str:
    """A message with the NPU operation that wrote the first wrong element. port: number of delegate and output."""
    delegate, output = port
    byte = int((got != wanted.reshape(-1)).argmax()) * got.itemsize
    event = program.writer(delegate, output, byte)
    if event is None:
        return "no operation of the command stream wrote that element"
    return f"written by operation {event.operation} of its command stream, {event.name} (word {event.word})"
