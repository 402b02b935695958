"""Step run: the .pte on its test vectors, on the host with an emulated NPU, or as a firmware in a simulator
or on a board; build/<recipe>/<variant>/run.json.

Every output must equal golden's, bit for bit. A simulator or board that printed nothing, lost a frame, did not end in
time or ended with an error has failed, whatever it had printed before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import exit_code_of
from etbuild.firmware import simulators
from etbuild.hardware.boards import board_of
from etbuild.hardware.deploy_sections import Place
from etbuild.recipe.method_files import golden_file
from etbuild.recipe.runtime_sections import Run
from etbuild.report.figures import bit_exact_text
from etbuild.steps.options import added, from_section, inline, option, parse, plan, reads, writes
from etbuild.verify.etdump import buffer_file, dump_host_run
from etbuild.verify.etdump_of_firmware import FirmwareRun, dump_firmware_run
from etbuild.verify.host_run import HostRun, expected_outputs, own_kernels, read_golden, run_methods
from etbuild.verify.verdict import verdict

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options. board to timing_adapters: only with elf."""

    pte: Path = reads("model.pte")
    ptd: Path | None = reads("model.ptd, its weights", None)
    golden: Path = reads("golden.npz")
    delegates: Path | None = reads("folder with 0.tosa..., to name the first operation that differs", None)
    vela: Path | None = reads("folder with Vela's debug databases, for the same", None)
    elf: Path | None = reads("firmware.elf, to run in a simulator; without it the .pte runs on the host", None)
    image: tuple[Path, ...] = reads("firmware.bin and firmware.hex beside it, for a board", ())
    board: str | None = option("a board's name, or its file", None)
    board_line: tuple[str, ...] = option("of the board's file, one a key; without it the file is read", ())
    driver: str | None = option("the firmware's NPU: ethosu or emulator", None, limits={"enum": ["ethosu", "emulator"]})
    on: str | None = from_section(Run, "on", None)
    timeout: float | None = option("seconds for all vectors together", None)
    npu: str = option("what the model was compiled for, e.g. ethos-u55-128", "")
    fvp: Path | None = from_section(Run, "fvp")
    timing_adapters: bool = from_section(Run, "timing_adapters")
    tolerance: float = from_section(Run, "tolerance")
    memory_limit: int = from_section(Run, "memory_limit")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels, for the host", (), option="--kernel")
    place: Place = inline()
    name: str = option("the recipe's name", "")
    output: Path = writes("run.json")
    etdump: Path | None = option("run.etdp: also an ETDump of all vectors, and run.debug.bin beside it", None)


def step(recipe: Recipe, target: Target) -> Step | None:
    made, folder = _step(recipe, target), Path("build") / recipe.name / target.variant
    if made is None or not recipe.run.etdump:
        return made
    file, known = folder / "run.etdp", [folder / "vela"] if target.npu != "none" else []
    known += [folder / "operators.json"] if recipe.pte.etrecord else []
    files, tools = (file, buffer_file(file)), ("c++", "torch", "executorch")
    return added(made, ("--etdump", file), inputs=known, outputs=files, tools=tools)


def _step(recipe: Recipe, target: Target) -> Step | None:
    run, runtime, npu = recipe.run, recipe.runtime, target.npu != "none"
    if run.on == "none":
        return None
    folder = Path("build") / recipe.name / target.variant
    ptd = folder / "model.ptd" if recipe.pte.external_weights and npu else None
    lowered = Path("build") / recipe.name / target.profile
    host = Options(
        pte=folder / "model.pte",
        ptd=ptd,
        golden=golden_file(recipe, target.profile),
        tolerance=run.tolerance,
        memory_limit=run.memory_limit,
        kernels=recipe.kernels if runtime is None or run.on in ("host", "auto") or run.etdump else (),
        place=Place(),
        output=folder / "run.json",
    )
    if runtime is None or run.on == "host":
        beside: dict[str, Any] = {"delegates": lowered / "delegates", "vela": folder / "vela"} if npu else {}
        return plan(f"run:{recipe.name}@{target.variant}", replace(host, **beside), ("numpy", "c++"))
    board = runtime.board
    options = replace(host, elf=folder / "firmware.elf", driver=runtime.npu, npu=target.npu if npu else "")
    options = replace(options, board=board.argument, board_line=board.lines, on=run.on, timeout=run.timeout_s)
    options = replace(options, fvp=run.fvp, timing_adapters=run.timing_adapters)
    on_qemu = board.qemu and (run.on == "qemu" or (run.on == "auto" and board.fvp is None))
    if run.on == "board":
        image = folder / "firmware.bin", folder / "firmware.hex"
        on_board = replace(options, image=image, place=recipe.deploy, name=recipe.name)
        return plan(f"run:{recipe.name}@{target.variant}", on_board, ("numpy",), local=True)
    # The NPU beside QEMU runs in the host library.
    library = ["c++"] if not on_qemu or (runtime.npu == "ethosu" and npu) else []
    tools = ["numpy", *(["qemu-system-arm"] if on_qemu else []), *library]
    return plan(f"run:{recipe.name}@{target.variant}", options, tools)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.run", __doc__)
    golden, request = read_golden(options.golden), _request(options)
    on = simulators.resolve(request) if request else "host"
    files = options.delegates, options.vela, own_kernels(options.kernels)
    what = HostRun(options.pte, options.ptd, options.memory_limit, options.tolerance, *files)
    if request is None or on == "host":
        report = run_methods(what, golden)
        if options.etdump:
            dump_host_run(what, golden[""], options.etdump)
    else:
        vectors = sum(len(arrays["output_0"]) for arrays in golden.values())
        result = _on_board(options, request, vectors) if on == "board" else simulators.simulate(request, on)
        report = verdict(request, on, result, expected_outputs(options.pte, golden))
        if options.etdump:
            ran = FirmwareRun(result.output, request.board.cpu.clock_hz, emulated=on == "qemu")
            dump_firmware_run(what, golden[""], ran, options.etdump)
    options.output.write_text(json.dumps({"format": FORMAT, **report}, indent=1) + "\n")
    print(f"run on {report['runner']}: {bit_exact_text(report)}")
    return 0


def _on_board(options: Options, request: simulators.Request, vectors: int) -> simulators.SimulatorResult:
    from etbuild.deploy import job

    image = job.image_of(request.board, options.name, request.elf)
    return job.run(job.site_of(request.board, options.place), image, request.limit_s, options.pte, vectors)


def _request(options: Options) -> simulators.Request | None:
    if options.elf is None:
        return None
    board = board_of(options.board or "", options.board_line)
    what = options.on or "auto", board, options.driver or "emulator", options.npu, options.elf
    return simulators.Request(*what, options.timeout or 60.0, options.fvp, options.timing_adapters, options.tolerance)


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
