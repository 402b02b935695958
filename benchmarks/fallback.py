"""What the CPU executes beside the NPU: fallback_u55 with `fallback: cortex_m` against `fallback: portable`.

    python -m benchmarks.fallback [--keep FOLDER]

The program of each is lowered, its calls of delegates are taken out, and what is left runs as a firmware in QEMU on a
Cortex-M55, whose clock counts instructions: with the delegates almost all would be those of the emulated NPU. Counted
are the operators between the delegates, and all with those on the border of the model, which both have.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.bench import lay_out
from etbuild.compile import compiler_imports
from etbuild.compile.lowered import read_lowered
from etbuild.recipe.load import load
from etbuild.steps import export, lower, quantize, run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/firmware"))

RECIPE, PROFILE = "fallback_u55", "tosa-u55"
# By value of the key: the profile.
PROFILES = {"portable": PROFILE, "cortex_m": f"{PROFILE}-cortex-m"}
NOTHING, BETWEEN, ALL = "nothing", "between the delegates", "with the border"
LIMITS = {BETWEEN: 0.2, ALL: None}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a new folder for the images")
    keep = parser.parse_args(argv).keep
    with tempfile.TemporaryDirectory() as name:
        folder = (keep or Path(name)).absolute()
        lay_out(folder / "project", {})
        with contextlib.chdir(folder / "project"):
            counts = {fallback: _instructions(fallback, profile) for fallback, profile in PROFILES.items()}
    for part, limit in LIMITS.items():
        ours, theirs = counts["cortex_m"][part], counts["portable"][part]
        print(f"{RECIPE}, {part}: {theirs:,} instructions in floating point, {ours:,} in integers,", end=" ")
        print(f"ratio {ours / theirs:.3f}" + (f", wanted at most {limit}" if limit else ""))
    return int(
        any(limit and counts["cortex_m"][part] > limit * counts["portable"][part] for part, limit in LIMITS.items())
    )


def _instructions(fallback: str, profile: str) -> dict[str, int]:
    """By part of the program, without what a run takes that executes nothing, which copies the input."""
    import images

    recipe = load(Path(f"recipes/{RECIPE}.yaml"), Path(), os.environ)
    export.main(export.step(recipe).argv)
    for kind in (quantize, lower):
        kind.main(kind.step(recipe, profile).argv)
    counts = {}
    for part in (NOTHING, *LIMITS):
        folder = Path(fallback, part).absolute()
        folder.mkdir(parents=True)
        _without_delegates(Path(f"build/{RECIPE}/{profile}/lowered.bin"), part, folder / "cpu.pte")
        image = images.build(folder, str(folder / "cpu.pte"), npu="")
        run.main(image.run_options())
        figures = json.loads((folder / "run.json").read_text())["figures"]
        counts[part] = int(figures["instructions"]["value"])
    return {part: count - counts[NOTHING] for part, count in counts.items()}


def _without_delegates(lowered: Path, part: str, pte: Path) -> None:
    with compiler_imports.serializer() as serializer:
        read = read_lowered(lowered)
        (plan,) = read.program.execution_plan
        (chain,) = plan.chains
        calls = [at for at, one in enumerate(chain.instructions) if type(one.instr_args).__name__ == "DelegateCall"]
        whole = range(len(chain.instructions))
        wanted = {NOTHING: range(0), BETWEEN: range(calls[0], calls[-1]), ALL: whole}[part]
        chain.instructions = [chain.instructions[at] for at in wanted if at not in calls]
        kernels = [one.instr_args for one in chain.instructions if type(one.instr_args).__name__ == "KernelCall"]
        used = sorted({one.op_index for one in kernels})
        plan.operators = [plan.operators[at] for at in used]
        for one in kernels:
            one.op_index = used.index(one.op_index)
        plan.delegates, read.program.backend_delegate_data = [], []
        file = serializer.PTEFile(program=read.program, mutable_data=read.mutable_data)
        pte.write_bytes(bytes(serializer.serialize_pte_binary(file, extract_delegate_segments=False)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
