"""Step package: the model for other build systems, CMake, Zephyr and CMSIS csolution; build/<recipe>/<variant>/package.
It compiles nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.recipe.method_files import golden_file
from etbuild.steps.options import option, parse, plan, reads, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    name: str = option("the recipe's name")
    board: str = option("a board's name, or its file")
    board_line: tuple[str, ...] = option(
        "of the board's file, one for each of its keys; without it the file is read", ()
    )
    npu: str = option("what the model was compiled for, e.g. ethos-u55-128", "")
    system_config: str = option("Vela's system config", "")
    memory_mode: str = option("Vela's memory mode", "")
    driver: str = option("ethosu or emulator", limits={"enum": ["ethosu", "emulator"]})
    stack: int = option("bytes")
    symbol: str = option("of the array that model.h declares")
    pte: Path = reads("model.pte")
    manifest: Path = reads("manifest.json")
    vectors: Path = reads("golden.npz; with methods a folder with one a method")
    header: Path = reads("model.h")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels, and their headers", (), option="--kernel")
    output: Path = writes("folder, to be written")


def step(recipe: Recipe, target: Target) -> Step | None:
    runtime = recipe.runtime
    if runtime is None or runtime.engine != "etbuild":
        return None
    folder, board = Path("build") / recipe.name / target.variant, runtime.board
    options = Options(
        name=recipe.name,
        board=board.argument,
        board_line=board.lines_of_image,
        npu=target.npu if target.npu != "none" else "",
        system_config=target.system_config,
        memory_mode=target.memory_mode,
        driver=runtime.npu,
        stack=runtime.stack_size,
        symbol=recipe.header.symbol,
        pte=folder / "model.pte",
        manifest=folder / "manifest.json",
        vectors=golden_file(recipe, target.profile),
        header=folder / "model.h",
        kernels=recipe.kernels,
        output=folder / "package",
    )
    return plan(f"package:{recipe.name}@{target.variant}", options, ("numpy", "c++"))


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.package", __doc__)
    from etbuild.hardware.boards import board_of
    from etbuild.package.content import Spec
    from etbuild.package.write import write_package

    board = board_of(options.board, options.board_line)
    files = options.pte, options.manifest, options.vectors, options.header
    npu = options.driver, options.npu, options.system_config, options.memory_mode
    spec = Spec(options.name, board, *files, options.symbol, *npu, options.stack, options.kernels)
    write_package(spec, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
