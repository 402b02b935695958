"""Step fit: the boards that come with etbuild, and the recipe's own, side by side: build/<recipe>/fit.json.

For each board the fastest target that fits it: one of the recipe's, else one for the board's NPU that is compiled here.
It builds no firmware: code and test vectors do not count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile.other_targets import OtherTargets
from etbuild.errors import StepError, exit_code_of
from etbuild.firmware.fit import Candidate, ModelSizes, fit_of
from etbuild.hardware.boards import board_file, board_names, board_of, load_board
from etbuild.hardware.target import Target
from etbuild.recipe.variant_files import figures_of_variants
from etbuild.report.figures import read_manifest_and_vela
from etbuild.steps.options import option, parse, plan, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe

SOURCES = ("hardware/boards",)
# A board with this ending is another one where QEMU has its memory: it is as large.
TWIN = "-qemu"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    recipe: str = option("its name")
    folder: Path = option("build/<recipe>")
    variant: tuple[str, ...] = option("NAME=PROFILE, a folder in it with manifest.json", ())
    board: str = option("the recipe's own board, or its file", "")
    board_line: tuple[str, ...] = option("of that board's file, one for each of its keys", ())
    output: Path = writes("fit.json, to be written")


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name
    inputs = figures_of_variants(recipe)
    for profile in dict.fromkeys(target.profile for target in recipe.targets if target.npu != "none"):
        inputs += [folder / profile / name for name in ("lowered.bin", "delegates")]
    variants = tuple(f"{target.variant}={target.profile}" for target in recipe.targets)
    own = recipe.runtime.board if recipe.runtime and recipe.runtime.board.is_of_user else None
    options = Options(
        recipe=recipe.name,
        folder=folder,
        variant=variants,
        board=own.argument if own else "",
        board_line=own.lines_of_image if own else (),
        output=folder / "fit.json",
    )
    return plan(f"fit:{recipe.name}", options, ("ethos-u-vela", "tosa-tools", "executorch", "numpy"), inputs=inputs)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.fit", __doc__)
    pairs = {name: profile for name, _, profile in (text.rpartition("=") for text in options.variant)}
    variants = [_variant(options.folder / name, profile) for name, profile in pairs.items()]
    profiles = {profile: options.folder / profile for profile in pairs.values()}
    others = OtherTargets({name: path for name, path in profiles.items() if (path / "delegates").is_dir()})
    boards = [load_board(file) for name in board_names() if not name.endswith(TWIN) and (file := board_file(name))]
    boards += [board_of(options.board, options.board_line)] if options.board else []

    def compile_for(target: Target) -> Candidate | None:
        if not others.has(target.profile):
            return None
        try:
            made = others.compiled(target)
        except StepError as error:
            print(error)
            return None
        planned = next(one.sizes.planned for one in variants if one.target.profile == target.profile)
        sizes = ModelSizes(made.pte_bytes, planned, made.scratch_bytes, made.fast_scratch_bytes)
        return Candidate(target, sizes, made.inference_s, is_variant=False)

    rows = [fit_of(board, variants, compile_for) for board in boards]
    found = {"format": 1, "recipe": options.recipe, "boards": rows}
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _variant(folder: Path, profile: str) -> Candidate:
    """A variant that was built."""
    manifest, vela = read_manifest_and_vela(folder)
    said, memory = manifest["target"], manifest["memory"]
    target = Target(folder.name, said["npu"], profile, said["system_config"], said["memory_mode"])
    scratch = memory["scratch_bytes"], memory["fast_scratch_bytes"]
    sizes = ModelSizes(manifest["pte"]["bytes"], memory["planned_bytes"], *scratch)
    return Candidate(target, sizes, vela["total"]["inference_time_s"] if vela else None, is_variant=True)


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
