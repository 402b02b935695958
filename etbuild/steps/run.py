"""The .pte on its test vectors: on the host, each delegate on an emulated NPU, or as a firmware in a simulator of its
board; build/<recipe>/<variant>/run.json.

Every output must be golden's, bit for bit. Where one is not on the host, each delegate is run alone on golden's own
inputs for it, so that the message can say where the first difference arose. A simulator that printed nothing, lost a
frame, found no end in time or ended with an error has failed, whatever it had printed before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.step import Step
from etbuild.errors import StepError, exit_code_of
from etbuild.firmware import simulators
from etbuild.hardware.boards import board_file, load_board
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read
from etbuild.report.figures import agreement
from etbuild.steps.options import option
from etbuild.verify.verdict import Wanted, difference, verdict

if TYPE_CHECKING:
    from etbuild.hardware.targets import Target
    from etbuild.host.program import Program
    from etbuild.recipe.recipe import Recipe

FORMAT = 1
HOST = "host (emulated NPU)"


def step(recipe: Recipe, target: Target) -> Step:
    folder = Path("build") / recipe.name / target.variant
    simulated = recipe.runtime is not None and recipe.run.on != "host"
    inputs = {
        "--pte": folder / "model.pte",
        "--ptd": folder / "model.ptd" if recipe.pte.external_weights and target.npu != "none" else None,
        "--golden": Path("build") / recipe.name / target.profile / "golden.npz",
        "--elf": folder / "firmware.elf" if simulated else None,
    }
    board = recipe.runtime.board.file if simulated and recipe.runtime and recipe.runtime.board.is_of_user else None
    return Step(
        name=f"run:{recipe.name}@{target.variant}",
        argv=(
            *(word for name, path in inputs.items() for word in option(name, path)),
            *(_simulator_options(recipe, target) if simulated else ()),
            *(("--tolerance", f"{recipe.run.tolerance:g}") if recipe.run.tolerance else ()),
            *("--output", str(folder / "run.json")),
        ),
        inputs=tuple(path for path in (*inputs.values(), board) if path),
        outputs=(folder / "run.json",),
        tools=("python", "numpy", "qemu-system-arm" if _on_qemu(recipe) else "c++"),
    )


def _on_qemu(recipe: Recipe) -> bool:
    """Whether it is known beforehand that QEMU will run it."""
    runtime, on = recipe.runtime, recipe.run.on
    if runtime is None or not runtime.board.qemu:
        return False
    return on == "qemu" or (on == "auto" and runtime.board.fvp is None)


def _simulator_options(recipe: Recipe, target: Target) -> tuple[str, ...]:
    runtime, run = recipe.runtime, recipe.run
    assert runtime is not None
    return (
        *("--board", str(runtime.board.file) if runtime.board.is_of_user else runtime.board.name),
        *("--driver", runtime.npu, "--on", run.on, "--timeout", f"{run.timeout_s:g}"),
        *(("--npu", target.npu) if target.npu != "none" else ()),
        *option("--fvp", run.fvp),
        *(() if run.timing_adapters else ("--no-timing-adapters",)),
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    import numpy as np

    with np.load(options.golden) as file:
        golden = dict(file)
    request = _request(options)
    on = simulators.resolve(request) if request else "host"
    if request is None or on == "host":
        report = _on_host(options, golden)
    else:
        ended = simulators.run(simulators.command(request, on), request.limit_s)
        report = verdict(request, on, ended, _wanted(options.pte, _columns(golden, "output")))
    options.output.write_text(json.dumps({"format": FORMAT, **report}, indent=1) + "\n")
    print(f"run on {report['runner']}: {agreement(report)}")
    return 0


def _request(options: argparse.Namespace) -> simulators.Request | None:
    if options.elf is None:
        return None
    board = load_board(board_file(options.board) or Path(options.board), Path(options.board))
    return simulators.Request(
        options.on,
        board,
        options.driver,
        options.npu,
        options.elf,
        options.timeout,
        options.fvp,
        not options.no_timing_adapters,
        options.tolerance,
    )


def _on_host(options: argparse.Namespace, golden: dict[str, Any]) -> dict[str, Any]:
    from etbuild.host.program import Program

    begin = time.perf_counter()
    program = Program(options.pte, options.ptd)
    vectors = _columns(golden, "input")
    wanted = _columns(golden, "output")
    count = len(wanted[0]) if wanted else 0
    exact = 0
    for number in range(count):
        got = program.run(*(column[number] for column in vectors))
        right = [column[number] for column in wanted]
        exact += _compare(program, golden, number, got, right, options.tolerance)
    seconds = {"value": round(time.perf_counter() - begin, 3), "unit": "s", "kind": "measured"}
    return {
        "runner": HOST,
        "on": "host",
        "vectors": count,
        "bit_exact": exact,
        "tolerance": options.tolerance,
        "figures": {"duration": seconds},
    }


def _wanted(pte: Path, columns: Sequence[Any]) -> list[Wanted]:
    plan = read(pte).plans[0]
    outputs = [plan.values[index] for index in plan.outputs]
    orders = [value.dim_order if isinstance(value, Tensor) else () for value in outputs]
    return [Wanted(column, order) for column, order in zip(columns, orders, strict=False)]


def _columns(golden: dict[str, Any], name: str) -> list[Any]:
    """name_0, name_1... as far as there are any; [vectors, ...] each."""
    found: list[Any] = []
    while f"{name}_{len(found)}" in golden:
        found.append(golden[f"{name}_{len(found)}"])
    return found


def _compare(
    program: Program, golden: dict[str, Any], number: int, got: Sequence[Any], wanted: Sequence[Any], tolerance: float
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


def _first_delegate(program: Program, golden: dict[str, Any], number: int) -> str:
    """Which delegate answers wrongly when it is given golden's inputs, and where; or that none does."""
    unknown = []
    for index in range(program.delegates):
        inputs = [column[number] for column in _columns(golden, f"delegate_{index}_input")]
        wanted = [column[number] for column in _columns(golden, f"delegate_{index}_output")]
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


def _writer(program: Program, place: tuple[int, int], got: Any, wanted: Any) -> str:
    """The NPU's operation that wrote the first element that differs; place: delegate and output."""
    delegate, output = place
    byte = int((got != wanted.reshape(-1)).argmax()) * got.itemsize
    event = program.writer(delegate, output, byte)
    if event is None:
        return "no operation of the command stream wrote that element"
    return f"written by operation {event.operation} of its command stream, {event.name} (word {event.word})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--pte", type=Path, required=True, help="model.pte")
    parser.add_argument("--ptd", type=Path, help="model.ptd, its weights")
    parser.add_argument("--golden", type=Path, required=True, help="golden.npz")
    parser.add_argument("--elf", type=Path, help="firmware.elf, to run in a simulator; without it the .pte on the host")
    parser.add_argument("--board", help="with --elf: a board's name, or its file")
    parser.add_argument("--driver", choices=("ethosu", "emulator"), default="emulator", help="the firmware's NPU")
    parser.add_argument("--npu", default="", help="what the model was compiled for, e.g. ethos-u55-128")
    parser.add_argument("--on", choices=("auto", "host", "qemu", "fvp"), default="auto")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for all vectors together")
    parser.add_argument("--fvp", type=Path, help="the FVP's program")
    parser.add_argument("--no-timing-adapters", action="store_true", help="run an FVP's NPU at full speed")
    parser.add_argument("--tolerance", type=float, default=0.0, help="of float outputs, a part of the largest wanted")
    parser.add_argument("--output", type=Path, required=True, help="run.json, to be written")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
