"""Step trace: one vector of a variant on the host, each operation an event; build/<recipe>/run_trace.json.

doit adds the steps of the build and writes build/.etbuild/trace/<recipe>.json. All times of operations are the
emulator's, not the NPU's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.recipe.runtime_sections import Run
from etbuild.steps.options import from_section, option, parse, plan, reads, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    pte: Path = reads("model.pte")
    ptd: Path | None = reads("model.ptd, its weights", None)
    golden: Path = reads("golden.npz, whose first vector is run")
    memory_limit: int = from_section(Run, "memory_limit")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels", (), option="--kernel")
    title: str = option("of the run in the trace")
    output: Path = writes("run_trace.json")


def step(recipe: Recipe) -> Step | None:
    if recipe.model.methods:
        return None  # It shows the run of one method.
    target, folder = recipe.targets[0], Path("build") / recipe.name
    external = recipe.pte.external_weights and target.npu != "none"
    options = Options(
        pte=folder / target.variant / "model.pte",
        ptd=folder / target.variant / "model.ptd" if external else None,
        golden=folder / target.profile / "golden.npz",
        memory_limit=recipe.run.memory_limit,
        kernels=recipe.kernels,
        title=f"{recipe.name}@{target.variant}",
        output=folder / "run_trace.json",
    )
    return plan(f"trace:{recipe.name}", options, ("numpy", "c++"), local=True)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.trace", __doc__)
    import numpy as np

    from etbuild.host.chrome_trace import chrome_trace
    from etbuild.host.program import HostProgram
    from etbuild.npu.debug_database import layers_of_delegate
    from etbuild.verify.host_run import own_kernels, vectors_of

    with np.load(options.golden) as file:
        golden = dict(file)
    kernels = own_kernels(options.kernels)
    program = HostProgram(options.pte, options.ptd, memory_limit=options.memory_limit, kernels=kernels)
    seen = program.observe(*vectors_of(program, golden)[0], hazards=False)
    layers = [layers_of_delegate(options.pte, program.first_delegate + number) for number in range(program.delegates)]
    trace = chrome_trace(seen.events, lambda delegate, word: layers[delegate].at(word), title=f"run of {options.title}")
    options.output.write_text(json.dumps(trace) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
