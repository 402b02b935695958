"""Step monitor: shows what a board prints until it is ended. It starts nothing on the board and writes no file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.hardware.deploy_sections import Place
from etbuild.steps.options import inline, option, parse, plan, reads

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    elf: Path = reads("firmware.elf, which has the texts of errors")
    board: str = option("a board's name, or its file")
    board_line: tuple[str, ...] = option(
        "of the board's file, one for each of its keys; without it the file is read", ()
    )
    place: Place = inline()


def step(recipe: Recipe, target: Target) -> Step | None:
    runtime = recipe.runtime
    if runtime is None or runtime.board.deploy is None:
        return None
    board = runtime.board
    options = Options(
        elf=Path("build") / recipe.name / target.variant / "firmware.elf",
        board=board.argument,
        board_line=board.lines,
        place=recipe.deploy,
    )
    return plan(f"monitor:{recipe.name}@{target.variant}", options, (), local=True)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.monitor", __doc__)
    from etbuild.deploy import job
    from etbuild.hardware.boards import board_of

    board = board_of(options.board, options.board_line)
    site = job.site_of(board, options.place)
    print(f"what {board.name} prints; Ctrl-C ends it", flush=True)
    job.monitor(site, options.elf, lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
