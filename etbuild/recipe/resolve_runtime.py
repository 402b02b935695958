"""The sections `runtime` and `run` of a checked recipe: the board found and held against the targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import Place, did_you_mean, one_of, quoted
from etbuild.errors import RecipeError
from etbuild.hardware.boards import Board, board_file, board_names, load_board
from etbuild.hardware.npus import table
from etbuild.recipe.recipe import Run, Runtime

if TYPE_CHECKING:
    from etbuild.config.section import View
    from etbuild.hardware.targets import Target


def read_runtime(view: View, targets: Sequence[Target]) -> Runtime | None:
    """None when something of it was reported."""
    board = _board(view)
    if board is None:
        return None
    driver = view.text("npu") or board.npu.driver
    if driver == "ethosu" and board.npu.driver != "ethosu":
        view.fault("npu", "ethosu", f"emulator: {board.title} has no NPU of its own")
    engine = view.text("engine", "etbuild")
    if engine == "executorch" and driver == "emulator":
        remedy = "its delegate drives a real NPU; take a board with one"
        view.fault("engine", "executorch with an emulated NPU", "engine: etbuild", remedy)
    if view.has("prefix") and engine != "executorch":
        view.fault("prefix", "prefix without engine: executorch", "engine: executorch beside it")
    if driver == "ethosu":
        for target in targets:
            _check_npu(view, board, target)
    return Runtime(board, engine, driver, view.integer("stack_size", board.stack_bytes), view.named_path("prefix"))


# What sums of floats in another order amount to, where a whole model is computed on the CPU.
CPU_TOLERANCE = 1e-5


def read_run(view: View, runtime: Runtime | None, has_runtime: bool, targets: Sequence[Target]) -> Run:
    """has_runtime: whether the recipe has that section, right or wrong."""
    on = view.text("on") or ("auto" if runtime and not view.has("on") else "host")
    if on in ("qemu", "fvp") and not has_runtime:
        view.fault("on", on, "a board to run on", f"add runtime: {{board: {board_names()[-1]}}}")
    elif runtime and on == "qemu" and not runtime.board.qemu:
        view.fault("on", on, f"fvp, host or none: QEMU has no {runtime.board.title}")
    elif runtime and on == "qemu" and runtime.npu == "ethosu":
        remedy = "add npu: emulator to runtime, or take board: qemu-mps3-an547"
        view.fault("on", on, "fvp, host or none: QEMU has no Ethos-U", remedy)
    elif runtime and on == "fvp" and runtime.board.fvp is None:
        view.fault("on", on, f"qemu, host or none: there is no FVP of {runtime.board.title}")
    tolerance = view.number("tolerance", CPU_TOLERANCE if any(target.npu == "none" for target in targets) else 0.0)
    timing = view.flag("timing_adapters", True)
    return Run(on, view.number("timeout_s", 60.0), view.named_path("fvp"), timing, tolerance)


def _board(view: View) -> Board | None:
    name = view.text("board")
    if not name:
        return None
    file = board_file(name)
    shown: Path | None = file
    if file is None and "/" not in name and not name.endswith(".yaml"):
        wanted = f"{one_of(board_names())}, or the path of a board's file"
        view.fault("board", quoted(name), wanted, did_you_mean(name, board_names()))
        return None
    if file is None:
        shown = view.file("board", ".yaml")
        file = view.reading.paths.absolute(shown) if shown else None
    if file is None or shown is None:
        return None
    try:
        return load_board(file, shown)
    except RecipeError as error:
        for problem in error.problems:
            place, line, column = (*problem.place.rsplit(":", 2), "", "")[:3]
            at = Place(Path(place), int(line), int(column)) if column.isdigit() else Place(Path(problem.place), 0, 0)
            view.reading.faults.add(at, (problem.path,), problem.got, problem.wanted, problem.remedy)
        return None


def _check_npu(view: View, board: Board, target: Target) -> None:
    if target.npu == "none":
        return
    npu = table().npus[target.npu]
    reason = board.refusal(npu.family.name, npu.macs * npu.cores)
    if reason:
        got = f"{board.name} for {target.npu}"
        view.fault("board", got, "a board with that NPU", f"{reason}; npu: emulator would do without")
