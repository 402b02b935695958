"""Plans the memory of a program's tensors as the recipe says, and refuses a plan that the program cannot run with.

The algorithms are those of ExecuTorch, or the user's. The plan is checked in etbuild.compile.planned_memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etbuild.compile.inputs import kind
from etbuild.compile.planned_memory import check_plan, require_places
from etbuild.errors import StepError
from etbuild.recipe.program_sections import MemoryPlanning

if TYPE_CHECKING:
    from collections.abc import Callable

    from etbuild.compile.tracked_code import UserCode


def planning_pass(settings: MemoryPlanning, code: UserCode) -> Any:
    """The memory planning pass for ExecutorchBackendConfig; None for ExecuTorch's own default.

    The pass raises StepError for errors of the planner and for a plan that cannot be run.
    """
    from executorch.exir.memory_planning import MemoryPlanningAlgorithmSuite, greedy, naive
    from executorch.exir.passes import MemoryPlanningPass

    if settings == MemoryPlanning():
        return None
    options = {name: False for name in ("alloc_graph_input", "alloc_graph_output") if not getattr(settings, name)}
    if settings.source is None or settings.entry is None:
        title = f"memory_planning: {settings.algorithm}"
        algorithm: Any = MemoryPlanningAlgorithmSuite([{"greedy": greedy, "naive": naive}[settings.algorithm]])
        return _checked(title, MemoryPlanningPass(algorithm, **options), code)
    title = f"{settings.source}: memory_planning: {settings.entry}"
    entry = code.entry(settings.source, settings.entry, "memory_planning.entry")
    if isinstance(entry, type):
        made = code.made(settings.source, settings.entry, "memory_planning.entry", **options)
        return _checked(title, made, code)
    if not callable(entry):
        raise StepError(f"{title}: got {kind(entry)}, wanted a class or function")
    return _checked(title, MemoryPlanningPass(_algorithm(title, entry), **options), code)


def _algorithm(title: str, function: Callable[..., Any]) -> Callable[..., list[int]]:
    """A user's function as ExecuTorch calls an algorithm: it returns the sizes of the planned buffers.

    The function returns a MemoryAlgoResult, or sets the memory of each TensorSpec itself and returns these sizes.
    """
    from executorch.exir.memory_planning import MemoryAlgoResult, MemoryPlanningAlgorithmSuite

    def algorithm(*arguments: Any) -> list[int]:
        result = function(*arguments)
        if isinstance(result, MemoryAlgoResult):
            result = MemoryPlanningAlgorithmSuite([lambda *_: result])(*arguments)
        if not isinstance(result, (list, tuple)) or not all(isinstance(size, int) for size in result):
            raise StepError(
                f"{title}: got {kind(result)}, wanted a MemoryAlgoResult, or the list of the buffers' sizes in bytes"
            )
        _, specs, graph_module, *_ = arguments
        require_places(title, graph_module, specs)
        return list(result)

    return algorithm


def _checked(title: str, planner: Any, code: UserCode) -> Any:
    """The pass that runs a planner and checks its plan."""
    from torch.fx.passes.infra.pass_base import PassResult

    class Planning:
        """As ExecuTorch calls a memory planning pass: `run`, then once for all methods `run_multimethod`."""

        enable_non_cpu_memory_planning = False

        def run(self, graph_module: Any, graph_signature: Any) -> Any:
            has_run = hasattr(planner, "run")
            with code.running(title):
                result = planner.run(graph_module, graph_signature) if has_run else planner(graph_module)
            if not isinstance(result, PassResult):
                raise StepError(f"{title}: got {kind(result)}, wanted a PassResult")
            check_plan(title, result.graph_module, graph_signature)
            return result

        def run_multimethod(self) -> None:
            if hasattr(planner, "run_multimethod"):
                with code.running(title):
                    planner.run_multimethod()

        def __call__(self, graph_module: Any) -> Any:
            return self.run(graph_module, None)

    return Planning()
