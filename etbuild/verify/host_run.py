"""A .pte run on the host with an emulated NPU, each vector compared with golden's outputs.

Where a vector differs, each delegate runs alone on golden's own inputs for it, so that the message can say where the
first difference arose.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read
from etbuild.verify.compare import difference
from etbuild.verify.verdict import Wanted

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    from etbuild.host.program import HostProgram

RUNNER = "host (emulated NPU)"


def run_on_host(pte: Path, ptd: Path | None, golden: dict[str, Any], tolerance: float) -> dict[str, Any]:
    """run.json of a run whose every output is golden's, bit for bit or within the tolerance.

    raises: StepError for the first vector that is not.
    """
    from etbuild.host.program import HostProgram

    begin = time.perf_counter()
    program = HostProgram(pte, ptd)
    vectors = columns_of(golden, "input")
    wanted = columns_of(golden, "output")
    count = len(wanted[0]) if wanted else 0
    exact = 0
    for number in range(count):
        got = program.run(*(column[number] for column in vectors))
        right = [column[number] for column in wanted]
        exact += _compare(program, golden, number, got, right, tolerance)
    seconds = {"value": round(time.perf_counter() - begin, 3), "unit": "s", "kind": "measured"}
    return {
        "runner": RUNNER,
        "on": "host",
        "vectors": count,
        "bit_exact": exact,
        "tolerance": tolerance,
        "figures": {"duration": seconds},
    }


def wanted_outputs(pte: Path, golden: dict[str, Any]) -> list[Wanted]:
    method = read(pte).methods[0]
    outputs = [method.values[index] for index in method.outputs]
    orders = [value.dim_order if isinstance(value, Tensor) else () for value in outputs]
    return [Wanted(column, order) for column, order in zip(columns_of(golden, "output"), orders, strict=False)]


def columns_of(golden: dict[str, Any], name: str) -> list[Any]:
    """name_0, name_1... as far as there are any; [vectors, ...] each."""
    found: list[Any] = []
    while f"{name}_{len(found)}" in golden:
        found.append(golden[f"{name}_{len(found)}"])
    return found


def _compare(
    program: HostProgram,
    golden: dict[str, Any],
    number: int,
    got: Sequence[Any],
    wanted: Sequence[Any],
    tolerance: float,
) -> bool:
    """Whether one vector's outputs are golden's bit for bit.

    raises: StepError when they are not within the tolerance either.
    """
    if len(got) != len(wanted):
        raise StepError(f"vector {number}: got {len(got)} outputs, wanted {len(wanted)} as golden has")
    for index, (ours, right) in enumerate(zip(got, wanted, strict=True)):
        apart = difference(ours, right, tolerance)
        if apart:
            cause = _first_delegate(program, golden, number)
            raise StepError(f"vector {number}, output {index}: {apart}\n    {cause}")
    return not any(difference(ours, right) for ours, right in zip(got, wanted, strict=True))


def _first_delegate(program: HostProgram, golden: dict[str, Any], number: int) -> str:
    """Which delegate answers wrongly when it is given golden's inputs, and where; or that none does."""
    unknown = []
    for index in range(program.delegates):
        inputs = [column[number] for column in columns_of(golden, f"delegate_{index}_input")]
        wanted = [column[number] for column in columns_of(golden, f"delegate_{index}_output")]
        if not wanted:
            unknown.append(index)
            continue
        got = program.run_delegate(index, inputs, [str(array.dtype) for array in wanted])
        for output, (ours, right) in enumerate(zip(got, wanted, strict=True)):
            told = difference(ours, right.reshape(-1))
            if told:
                writer = _writer(program, (index, output), ours, right)
                return f"first in delegate {index}, output {output}: {told}\n    {writer}"
    if unknown:
        return f"delegates {unknown} run in a loop or branch and have no golden of their own"
    return (
        "every delegate is right on golden's inputs: the difference arises in an operator on the CPU\n"
        "    floats in another order differ in their last bits; run.tolerance says how far they may"
    )


def _writer(program: HostProgram, place: tuple[int, int], got: Any, wanted: Any) -> str:
    """The NPU's operation that wrote the first element that differs; place: delegate and output."""
    delegate, output = place
    byte = int((got != wanted.reshape(-1)).argmax()) * got.itemsize
    event = program.writer(delegate, output, byte)
    if event is None:
        return "no operation of the command stream wrote that element"
    return f"written by operation {event.operation} of its command stream, {event.name} (word {event.word})"
