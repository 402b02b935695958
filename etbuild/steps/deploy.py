"""Step deploy: firmware onto a board, and started: build/<recipe>/<variant>/deploy.json. It reads no result."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.hardware.deploy_sections import Place
from etbuild.steps.options import inline, option, parse, plan, reads, writes
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    name: str = option("the recipe's name")
    elf: Path = reads("firmware.elf")
    bin: Path = reads("firmware.bin, beside it")
    hex: Path = reads("firmware.hex, beside it")
    board: str = option("a board's name, or its file")
    board_line: tuple[str, ...] = option(
        "of the board's file, one for each of its keys; without it the file is read", ()
    )
    place: Place = inline()
    output: Path = writes("deploy.json")


def step(recipe: Recipe, target: Target) -> Step | None:
    runtime = recipe.runtime
    if runtime is None or runtime.board.deploy is None:
        return None
    folder, board = Path("build") / recipe.name / target.variant, runtime.board
    options = Options(
        name=recipe.name,
        elf=folder / "firmware.elf",
        bin=folder / "firmware.bin",
        hex=folder / "firmware.hex",
        board=board.argument,
        board_line=board.lines,
        place=recipe.deploy,
        output=folder / "deploy.json",
    )
    return plan(f"deploy:{recipe.name}@{target.variant}", options, (), local=True)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.deploy", __doc__)
    from etbuild.deploy import job
    from etbuild.hardware.boards import board_of

    board = board_of(options.board, options.board_line)
    site = job.site_of(board, options.place)
    image = job.image_of(board, options.name, options.elf)
    done: list[str] = []

    def say(line: str) -> None:
        done.append(line)
        print(line, flush=True)

    job.deploy(site, image, say)
    digests = {file.name: sha256(file) for file in (image.elf, image.bin, image.hex)}
    report = {
        "format": FORMAT,
        "board": board.name,
        "transport": site.deploy.transport,
        "done": done,
        "sha256": digests,
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
