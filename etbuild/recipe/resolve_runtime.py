"""Resolves the sections `runtime` and `run` of a recipe: loads the board and compares it with the targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import Location, did_you_mean, one_of, quoted
from etbuild.config.setting import read
from etbuild.errors import RecipeError
from etbuild.hardware.boards import board_file, board_names, load_board
from etbuild.hardware.deploy_sections import Place
from etbuild.hardware.npus import catalog
from etbuild.recipe.runtime_sections import Run, Runtime

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.board import Board
    from etbuild.hardware.target import Target

# Relative error of floats summed in another order, for models that the CPU computes as a whole.
CPU_TOLERANCE = 1e-5
# With engine executorch: where its prefix, Arm's core driver and CMSIS are.
_OF_EXECUTORCH = ("EXECUTORCH_PREFIX", "ETHOSU_CORE_DRIVER", "CMSIS_PATH")
_ARENA_ONLY = "ExecuTorch's runtime gets all planned memory from the arena"


def read_runtime(section: Section, targets: Sequence[Target]) -> Runtime | None:
    """The section `runtime`; None when its board was reported."""
    board = _board(section)
    if board is None:
        return None
    driver = section.text("npu") or board.npu.driver
    if driver == "ethosu" and board.npu.driver != "ethosu":
        section.report("npu", "ethosu", f"emulator: {board.title} has no NPU of its own")
    engine = section.text("engine", "etbuild")
    delegates = any(target.npu != "none" for target in targets)
    if engine == "executorch" and driver == "emulator" and delegates:
        remedy = "its delegate drives a real NPU; take a board with one"
        section.report("engine", "executorch with an emulated NPU", "engine: etbuild", remedy)
    for name in ("prefix", "source"):
        if section.has(name) and engine != "executorch":
            section.report(name, f"{name} without engine: executorch", "engine: executorch with it")
    for name in _OF_EXECUTORCH if engine == "executorch" else ():
        section.reading.paths.depend_on(name)
    _check_planned_memory(section, board, engine)
    if driver == "ethosu":
        for target in targets:
            _check_npu(section, board, target)
    stack = section.integer("stack_size", board.stack_size)
    limit = section.number("npu_timeout_s", board.npu.timeout_s)
    return read(section, Runtime, board=board, npu=driver, stack_size=stack, npu_timeout_s=limit)


def _check_planned_memory(section: Section, board: Board, engine: str) -> None:
    names = [region.name for region in board.memory]
    regions = section.section("planned_memory")
    for key in regions.node.entries:
        name = regions.text(key)
        if name and name not in names:
            regions.report(key, quoted(name), one_of(names), did_you_mean(name, names))
    if section.has("planned_memory") and engine == "executorch":
        section.report("planned_memory", "planned_memory with engine: executorch", "engine: etbuild", _ARENA_ONLY)


def read_run(section: Section, runtime: Runtime | None, has_runtime: bool, targets: Sequence[Target]) -> Run:
    """The section `run`. has_runtime: whether the recipe has a section `runtime`, valid or not."""
    on = section.text("on") or ("auto" if runtime and not section.has("on") else "host")
    if on in ("qemu", "fvp", "board") and not has_runtime:
        section.report("on", on, "a board to run on", f"add runtime: {{board: {board_names()[-1]}}}")
    elif runtime and on == "qemu" and not runtime.board.qemu:
        section.report("on", on, f"fvp, host or none: QEMU has no {runtime.board.title}")
    elif runtime and on == "fvp" and runtime.board.fvp is None:
        section.report("on", on, f"qemu, host or none: there is no FVP of {runtime.board.title}")
    elif runtime and on == "board" and runtime.board.deploy is None:
        remedy = "say in the board's file how firmware gets onto it: docs/deploy.md"
        section.report("on", on, f"qemu, fvp, host or none: {runtime.board.title} has no section deploy", remedy)
    if runtime and runtime.engine == "executorch" and section.flag("etdump", False) and on != "host":
        remedy = "run: {on: host} writes one of the same program"
        section.report("etdump", "true", "false with runtime.engine: executorch", remedy)
    in_float = any(target.npu == "none" and not target.cpu for target in targets)
    tolerance = section.number("tolerance", CPU_TOLERANCE if in_float else 0.0)
    return read(section, Run, on=on, tolerance=tolerance)


def read_deploy(section: Section, runtime: Runtime | None, is_given: bool) -> Place:
    """The section `deploy`: where the board is. is_given: whether the recipe has it."""
    if is_given and runtime and runtime.board.deploy is None:
        remedy = "say in the board's file how firmware gets onto it: docs/deploy.md"
        section.report("", "where a board is", f"a board with a section deploy, not {runtime.board.title}", remedy)
    return read(section, Place)


def _board(section: Section) -> Board | None:
    name = section.text("board")
    if not name:
        return None
    file = board_file(name)
    label: Path | None = file
    if file is None and "/" not in name and not name.endswith(".yaml"):
        wanted = f"{one_of(board_names())}, or the path of a board's file"
        section.report("board", quoted(name), wanted, did_you_mean(name, board_names()))
        return None
    if file is None:
        label = section.file("board", ".yaml")
        file = section.reading.paths.absolute(label) if label else None
    if file is None or label is None:
        return None
    try:
        return load_board(file, label)
    except RecipeError as error:
        for problem in error.problems:
            name, line, column = (*problem.location.rsplit(":", 2), "", "")[:3]
            at = (
                Location(Path(name), int(line), int(column))
                if column.isdigit()
                else Location(Path(problem.location), 0, 0)
            )
            section.reading.diagnostics.add(at, (problem.path,), problem.got, problem.wanted, problem.remedy)
        return None


def _check_npu(section: Section, board: Board, target: Target) -> None:
    if target.npu == "none":
        return
    npu = catalog().npus[target.npu]
    reason = board.incompatibility(npu.family.name, npu.macs * npu.cores)
    if reason:
        got = f"{board.name} for {target.npu}"
        section.report("board", got, "a board with that NPU", f"{reason}; npu: emulator would do without")
