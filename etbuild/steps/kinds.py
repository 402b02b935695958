"""The table of all kinds of steps: a row for each, in the order of the chain. A new kind is a row and a module.

A kind's module has `step(recipe, ...)`, which plans it (pure), and `main(argv)`, which runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.step import Step, StepKind, StepOption

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

MIB = 1 << 20


def _row(name: str, help_text: str, **facts: Any) -> StepKind:
    return StepKind(name, help_text, f"etbuild.steps.{name}", **facts)


def _fit(text: str) -> str:
    from etbuild.report import sweep

    return sweep.limits_text(sweep.limits(text))


def _budget(kind: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        from etbuild.lint.budget import budget

        return budget(text, kind)

    return read


_NUMBERS = {"warm": True, "floating_point": True, "first_run_bytes": 900 * MIB, "on_request": True}
_ON_DATA_SET = {**_NUMBERS, "shown": True}

# first_run_bytes: on the safe side of the 655 MB of aot_arm_compiler with MobileNetV2.
# remote is not set for export, whose inputs are known only after it ran and may be any file of the project; for run,
# which needs this machine's simulators; and for those that take less time than sending them.
KINDS: dict[str, StepKind] = {
    kind.name: kind
    for kind in (
        _row("export", "the model as an ATen graph (torch.export)", per="recipe", warm=True, first_run_bytes=700 * MIB),
        _row(
            "quantize",
            "the graph with integer arithmetic (PT2E)",
            per="profile",
            warm=True,
            remote=True,
            floating_point=True,
            first_run_bytes=900 * MIB,
        ),
        _row(
            "lower",
            "the edge program, one TOSA graph a delegate, and why what stayed on the CPU",
            per="profile",
            warm=True,
            remote=True,
            floating_point=True,
            first_run_bytes=1200 * MIB,
        ),
        _row(
            "golden",
            "expected outputs for the test vectors",
            per="profile",
            warm=True,
            remote=True,
            floating_point=True,
            first_run_bytes=900 * MIB,
        ),
        _row("predict", "the float and the quantised model on the data set of evaluate", per="profile", **_ON_DATA_SET),
        _row("rewrite", "the delegates' TOSA graphs, changed to cost the NPU less", warm=True, remote=True),
        _row("vela", "the NPU's command streams, and Vela's estimates", warm=True, remote=True),
        _row("pte", "model.pte and manifest.json", warm=True, remote=True, first_run_bytes=700 * MIB),
        _row("header", "the model for C: model.h and model.S"),
        _row("firmware", "an image for a board, with the test vectors in it", remote=True),
        _row("run", "the model run on its vectors, compared with golden"),
        _row("layers", "each layer's errors, operations of the NPU, and Vela's estimates", **_NUMBERS),
        _row("sensitivity", "what each layer's quantisation costs at the outputs, the worst first", **_NUMBERS),
        _row("execute", "the .pte on the host on the data set of evaluate", **_ON_DATA_SET),
        _row(
            "evaluate",
            "the metric of the float model, the quantised one and the .pte on a whole data set",
            on_request=True,
            shown=True,
        ),
        _row("package", "the model for CMake, Zephyr and CMSIS csolution", on_request=True),
        _row("deploy", "the firmware on its board, started", on_request=True, always=True),
        _row("monitor", "what the board prints, until Ctrl-C", on_request=True, always=True),
        _row("report", "report.json of a recipe", per="recipe"),
        _row(
            "sweep",
            "the variants of a recipe side by side, and which are best; --fit SRAM=2M,FLASH=4M",
            per="recipe",
            on_request=True,
            options=(StepOption("fit", "show those that fit: SRAM=2M,FLASH=4M (also PTE, DRAM)", _fit),),
        ),
        _row("fit", "which boards a recipe fits, and why not", per="recipe", warm=True, on_request=True),
        _row("trace", "the build's steps and one run, for Perfetto", per="recipe", on_request=True, always=True),
        _row(
            "lint",
            "what costs time, memory or accuracy, and patches; --budget SECONDS measures what they bring",
            per="recipe",
            warm=True,
            on_request=True,
            first_run_bytes=900 * MIB,
            options=(StepOption("budget", "build each patch, for at most so many seconds in all", _budget("lint")),),
        ),
        _row(
            "tune",
            "a search for settings that give more for less, and the winner as a patch; --budget SECONDS",
            per="recipe",
            warm=True,
            on_request=True,
            shown=True,
            first_run_bytes=1800 * MIB,
            options=(StepOption("budget", "search for so many seconds", _budget("tune")),),
        ),
    )
}


def steps_of(recipe: Recipe, kinds: Iterable[StepKind] = KINDS.values()) -> Iterator[Step]:
    """The steps of a recipe, producers first: one for each kind that the recipe asks for, and each of its parts."""
    for per, group in groupby(kinds, lambda kind: kind.per):
        planners = [import_module(kind.module).step for kind in group]
        parts: dict[str, list[tuple[object, ...]]] = {
            "recipe": [()],
            "profile": [(profile,) for profile in recipe.profiles],
            "variant": [(target,) for target in recipe.targets],
        }
        for part in parts[per]:
            for plan in planners:
                step = plan(recipe, *part)
                if step is not None:
                    yield step
