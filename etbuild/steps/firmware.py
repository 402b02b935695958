"""Step firmware: a .pte and its test vectors as a firmware image: firmware.elf, .bin, .hex, .map and sizes.json; in
firmware/ its generated sources and compile_commands.json. It runs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.firmware.core_driver import declared_files
from etbuild.firmware.executorch_sources import CODE_GENERATION
from etbuild.firmware.image import ImageSpec, build_image
from etbuild.hardware.boards import board_of
from etbuild.recipe.method_files import golden_file
from etbuild.recipe.runtime_sections import Runtime
from etbuild.steps.options import from_section, option, parse, plan, reads
from etbuild.system import environment

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

MADE = ("firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "sizes.json", "firmware")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    board: str = option("a board's name, or its file")
    board_line: tuple[str, ...] = option(
        "of the board's file, one for each of its keys; without it the file is read", ()
    )
    npu: str = option("what the model was compiled for, e.g. ethos-u55-128", "")
    memory_mode: str = option("Vela's memory mode", "")
    driver: str = option("ethosu or emulator", limits={"enum": ["ethosu", "emulator"]})
    stack: int = option("bytes")
    npu_timeout: float | None = option("seconds for one job of the NPU; without it the board's", None)
    engine: str = from_section(Runtime, "engine")
    prefix: Path | None = from_section(Runtime, "prefix")
    source: Path | None = from_section(Runtime, "source")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels, and their headers", (), option="--kernel")
    events: bool = option("print what every instruction took and left", False)
    planned: tuple[str, ...] = option("ID=REGION of a planned buffer that is not where it is by default", ())
    pte: Path = reads("model.pte")
    manifest: Path = reads("manifest.json")
    vectors: Path = reads("golden.npz; with methods a folder with one a method")
    output: Path = option("folder")


def step(recipe: Recipe, target: Target) -> Step | None:
    runtime = recipe.runtime
    if runtime is None:
        return None
    folder = Path("build") / recipe.name / target.variant
    board = runtime.board
    options = Options(
        board=board.argument,
        board_line=board.lines_of_image,
        npu=target.npu if target.npu != "none" else "",
        memory_mode=target.memory_mode,
        driver=runtime.npu,
        stack=runtime.stack_size,
        npu_timeout=runtime.npu_timeout_s if runtime.npu_timeout_s != board.npu.timeout_s else None,
        engine=runtime.engine,
        prefix=runtime.prefix,
        source=runtime.source,
        kernels=recipe.kernels,
        events=recipe.run.etdump and recipe.run.on != "host",
        planned=tuple(f"{one}={region}" for one, region in sorted(runtime.planned_memory.items())),
        pte=folder / "model.pte",
        manifest=folder / "manifest.json",
        vectors=golden_file(recipe, target.profile),
        output=folder,
    )
    of_board = [file for text, file in zip(board.init, board.init_files, strict=True) if not text.startswith("<")]
    inputs = [*(_of_executorch(runtime, target) if runtime.engine == "executorch" else ()), *of_board]
    tools = ["arm-none-eabi-g++", "arm-none-eabi-objcopy", "newlib"]
    tools += ["cmake", "ninja"] if runtime.engine == "executorch" else []
    outputs = [folder / made for made in MADE]
    return plan(f"firmware:{recipe.name}@{target.variant}", options, tools, inputs=inputs, outputs=outputs)


def _of_executorch(runtime: Runtime, target: Target) -> list[Path]:
    """What engine executorch is linked from: named in the recipe, or by variables of the environment."""
    named = environment.variable("EXECUTORCH_PREFIX")
    installed = Path(named).absolute() if named and Path(named).is_dir() else None
    declared = [*([installed] if installed and not runtime.prefix else []), *_driver(target)]
    root = Path.cwd()
    of_environment = [path.relative_to(root) if path.is_relative_to(root) else path for path in declared]
    source = [runtime.source / name for name in CODE_GENERATION.values()] if runtime.source else []
    return [*([runtime.prefix] if runtime.prefix else []), *source, *of_environment]


def _driver(target: Target) -> list[Path]:
    return declared_files() if target.npu != "none" else []


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.firmware", __doc__)
    board = board_of(options.board, options.board_line)
    model = options.pte, options.manifest, options.vectors
    npu = options.driver, options.npu, options.memory_mode
    runtime = options.stack, options.engine, options.prefix
    planned = tuple((int(one), region) for one, _, region in (text.partition("=") for text in options.planned))
    spec = ImageSpec(board, *model, *npu, *runtime, options.npu_timeout, options.source)
    spec = replace(spec, kernels=options.kernels, events=options.events, planned=planned)
    print(build_image(spec, options.output))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
