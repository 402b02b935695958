"""The .pte on its test vectors, each delegate on an emulated NPU: build/<recipe>/<variant>/run.json.

Every output must be golden's, bit for bit. Where one is not, each delegate is run alone on golden's own inputs for it,
so that the message can say where the first difference arose.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.arguments import option
from etbuild.errors import StepError, exit_code_of
from etbuild.recipe import Recipe
from etbuild.step import Step
from etbuild.targets import Target

if TYPE_CHECKING:
    from etbuild.runtime import Program

FORMAT = 1
RUNNER = "host (emulated NPU)"


def step(recipe: Recipe, target: Target) -> Step:
    folder = Path("build") / recipe.name / target.variant
    inputs = {
        "--pte": folder / "model.pte",
        "--ptd": folder / "model.ptd" if recipe.pte.external_weights and target.npu != "none" else None,
        "--golden": Path("build") / recipe.name / target.profile / "golden.npz",
    }
    return Step(
        name=f"run:{recipe.name}@{target.variant}",
        argv=(
            *(word for name, path in inputs.items() for word in option(name, path)),
            *("--output", str(folder / "run.json")),
        ),
        inputs=tuple(path for path in inputs.values() if path),
        outputs=(folder / "run.json",),
        tools=("python", "numpy", "c++"),
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    import numpy as np

    from etbuild.runtime import Program

    program = Program(options.pte, options.ptd)
    with np.load(options.golden) as file:
        golden = dict(file)
    vectors = _columns(golden, "input")
    wanted = _columns(golden, "output")
    count = len(wanted[0]) if wanted else 0
    for number in range(count):
        got = program.run(*(column[number] for column in vectors))
        _compare(program, golden, number, got, [column[number] for column in wanted])
    options.output.write_text(
        json.dumps({"format": FORMAT, "runner": RUNNER, "vectors": count, "bit_exact": count}, indent=1) + "\n"
    )
    print(f"run on {RUNNER}: {count}/{count} vectors bit-exact")
    return 0


def _columns(golden: dict[str, Any], name: str) -> list[Any]:
    """name_0, name_1... as far as there are any; [vectors, ...] each."""
    found: list[Any] = []
    while f"{name}_{len(found)}" in golden:
        found.append(golden[f"{name}_{len(found)}"])
    return found


def _compare(program: Program, golden: dict[str, Any], number: int, got: Sequence[Any], wanted: Sequence[Any]) -> None:
    if len(got) != len(wanted):
        raise StepError(f"vector {number}: got {len(got)} outputs, wanted {len(wanted)} as golden has")
    for index, (ours, right) in enumerate(zip(got, wanted, strict=True)):
        told = difference(ours, right)
        if told:
            cause = _first_delegate(program, golden, number)
            raise StepError(f"vector {number}, output {index}: {told}\n    {cause}")


def difference(got: Any, wanted: Any) -> str:
    """The first element that differs, and how many do; "" for the same bits, nan being equal to nan."""
    import numpy as np

    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"got {got.dtype}{list(got.shape)}, wanted {wanted.dtype}{list(wanted.shape)}"
    wrong = got != wanted
    if got.dtype.kind == "f":
        wrong &= ~(np.isnan(got) & np.isnan(wanted))
    if not wrong.any():
        return ""
    place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    return (
        f"element {list(place)}: got {got[place].item()!r}, wanted {wanted[place].item()!r}; "
        f"{int(wrong.sum())} of {wrong.size} elements differ"
    )


def _first_delegate(program: Program, golden: dict[str, Any], number: int) -> str:
    """Which delegate answers wrongly when it is given golden's inputs, and where; or that none does."""
    unknown = []
    for index in range(program.delegates):
        inputs = [column[number] for column in _columns(golden, f"delegate_{index}_input")]
        wanted = [column[number] for column in _columns(golden, f"delegate_{index}_output")]
        if not wanted:
            unknown.append(index)
            continue
        got = program.run_delegate(index, inputs, [str(array.dtype) for array in wanted])
        for output, (ours, right) in enumerate(zip(got, wanted, strict=True)):
            told = difference(ours, right.reshape(-1))
            if told:
                return f"first in delegate {index}, output {output}: {told}"
    if unknown:
        return f"delegates {unknown} run in a loop or branch and have no golden of their own"
    return "every delegate is right on golden's inputs: the difference arises in an operator on the CPU"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--pte", type=Path, required=True, help="model.pte")
    parser.add_argument("--ptd", type=Path, help="model.ptd, its weights")
    parser.add_argument("--golden", type=Path, required=True, help="golden.npz")
    parser.add_argument("--output", type=Path, required=True, help="run.json, to be written")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
