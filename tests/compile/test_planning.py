"""Memory planning: ExecuTorch's algorithms and a user's, and every fault of a plan found before it is run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from etbuild.compile.tracked_code import UserCode
from etbuild.errors import StepError
from etbuild.recipe.program_sections import MemoryPlanning

pytestmark = pytest.mark.e2e

SOURCE = Path("planner.py")
PLANNERS = """\
from executorch.exir.memory_planning import MemoryAlgoResult, greedy, naive
from executorch.exir.passes import MemoryPlanningPass

class Fast(MemoryPlanningPass):
    def run(self, graph_module, graph_signature=None):
        for node in graph_module.graph.nodes:
            if "mul" in str(node.target):
                node.meta["spec"].mem_id = 2
        return super().run(graph_module, graph_signature)

class Unplanned:
    def __call__(self, graph_module):
        return None

def by_hand(alignment, specs, graph_module, graph_signature, extra_padding):
    end = 0
    for spec in specs:
        spec.realign(alignment)
        spec.mem_id, spec.mem_offset = 1, end
        end += spec.allocated_memory
    return [0, end]

def all_at_zero(*arguments):
    result = greedy(*arguments)
    for place in result.spec_dict.values():
        place.mem_offset = 0
    return result

def too_small(*arguments):
    result = naive(*arguments)
    result.bufsizes = [0, result.bufsizes[1] - 16]
    return result

def forgets_one(*arguments):
    result = naive(*arguments)
    result.spec_dict.popitem()
    return result

def in_no_buffer(*arguments):
    result = naive(*arguments)
    for place in result.spec_dict.values():
        place.mem_id = 3
    return result

def without_offsets(alignment, specs, *_):
    for spec in specs:
        spec.mem_id = 1
    return [0, 4096]

def negative(*arguments):
    result = naive(*arguments)
    for place in result.spec_dict.values():
        place.mem_offset -= 16
    return result

def odd(*arguments):
    sizes = by_hand(*arguments)
    for spec in arguments[1]:
        spec.mem_offset += 2
    return [0, sizes[1] + 2]

def nothing(*arguments):
    pass

def raises(*arguments):
    return 1 // 0

def onto_branches(alignment, specs, graph_module, graph_signature, extra_padding):
    graph_module.input_mem_buffer_sizes = [0, 0]
    return naive(alignment, specs, graph_module, graph_signature, extra_padding)
"""
REMEDY = "\n    wanted memory of its own for each; a tensor lives from the first to the last node that uses it"
# By entry: the end of the message.
REFUSED = {
    "all_at_zero": f"got x at bytes 0 to 64 and aten_mul_tensor at bytes 0 to 64 of planned buffer 1, "
    f"which live at the same time{REMEDY}",
    "too_small": "got aten_add_tensor at bytes 192 to 256 of planned buffer 1, which has 240 bytes, wanted it inside",
    "forgets_one": "got no planned buffer for aten_add_tensor, wanted mem_id and mem_offset of its TensorSpec",
    "in_no_buffer": "got x in planned buffer 3, wanted one of 1 to 1",
    "without_offsets": "got no offset for x, wanted mem_id and mem_offset of its TensorSpec",
    "negative": "got x at bytes -16 to 48 of planned buffer 1, which has 256 bytes, wanted it inside",
    "odd": "got x at byte 2 of planned buffer 1, wanted a multiple of 4, the size of its elements",
    "nothing": "got a NoneType, wanted a MemoryAlgoResult, or the list of the buffers' sizes in bytes",
    "raises": "got ZeroDivisionError: integer division or modulo by zero\n    planner.py:66 in raises: return 1 // 0",
    "Unplanned": "got a NoneType, wanted a PassResult",
}


def edge_of(module: Any, *inputs: Any) -> Any:
    import torch
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    config = EdgeCompileConfig(_check_ir_validity=False)
    return to_edge_transform_and_lower(torch.export.export(module, inputs), compile_config=config)


@pytest.fixture(scope="module")
def edge() -> Any:
    """relu(x * x) + x, in floating point: x lives until the end."""
    import torch

    class Sum(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.relu(x * x) + x

    return edge_of(Sum(), torch.ones(1, 16))


@pytest.fixture(scope="module")
def branches() -> Any:
    """A cond whose branches have tensors of their own, while y lives in the graph that calls them."""
    import torch

    class Branches(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            y = torch.relu(x)
            return torch.cond(x.sum() > 0, lambda a: (a * a) + 1, lambda a: a - 1, (x,)) + y

    return edge_of(Branches(), torch.ones(1, 16))


def emitted(edge: Any, planning: MemoryPlanning, folder: Path) -> Any:
    """The execution plan of a copy of the program."""
    from etbuild.compile.lowering import emit
    from etbuild.compile.planning import planning_pass

    (folder / SOURCE).write_text(PLANNERS)
    program = emit(copy.deepcopy(edge), planning_pass(planning, UserCode())).executorch_program
    return program.execution_plan[0]


def own(entry: str) -> MemoryPlanning:
    return MemoryPlanning(source=SOURCE, entry=entry)


def places(plan: Any) -> list[tuple[int, int]]:
    """Memory id and offset of each tensor that has planned memory."""
    found = [getattr(value.val, "allocation_info", None) for value in plan.values]
    return [(one.memory_id, one.memory_offset_low) for one in found if one]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_greedy_shares_memory_and_naive_does_not(edge: Any, here: Path) -> None:
    """ExecuTorch's algorithms; greedy is the default."""
    default = emitted(edge, MemoryPlanning(), here)
    naive = emitted(edge, MemoryPlanning("naive"), here)

    assert default.non_const_buffer_sizes == [0, 192]
    assert naive.non_const_buffer_sizes == [0, 256]
    assert len(set(places(naive))) == 4


def test_inputs_and_outputs_without_planned_memory_belong_to_the_caller(edge: Any, here: Path) -> None:
    """Only what the program itself computes is planned."""
    plan = emitted(edge, MemoryPlanning("naive", alloc_graph_input=False, alloc_graph_output=False), here)

    assert plan.non_const_buffer_sizes == [0, 128]
    assert len(places(plan)) == 2


def test_a_planning_pass_of_the_user_places_a_tensor_in_a_buffer_of_its_own(edge: Any, here: Path) -> None:
    """Memory id 2, the second planned buffer."""
    plan = emitted(edge, own("Fast"), here)

    assert plan.non_const_buffer_sizes == [0, 192, 64]
    assert (2, 0) in places(plan)


def test_a_planning_pass_gets_the_options_that_the_recipe_sets(edge: Any, here: Path) -> None:
    """As arguments of its class; without any it gets none."""
    planning = MemoryPlanning(source=SOURCE, entry="Fast", alloc_graph_input=False)

    assert emitted(edge, planning, here).non_const_buffer_sizes == [0, 128, 64]


def test_an_algorithm_may_set_the_places_itself(edge: Any, here: Path) -> None:
    """And return the sizes alone."""
    assert emitted(edge, own("by_hand"), here).non_const_buffer_sizes == [0, 256]


@pytest.mark.parametrize("entry", REFUSED)
def test_every_fault_of_a_planner_is_found(edge: Any, here: Path, entry: str) -> None:
    """With the tensor, its place and what it collides with."""
    with pytest.raises(StepError) as caught:
        emitted(edge, own(entry), here)

    assert str(caught.value) == f"planner.py: memory_planning: {entry}: {REFUSED[entry]}"


@pytest.mark.parametrize("algorithm", ["greedy", "naive"])
def test_the_plan_of_a_program_with_branches_is_sound(branches: Any, here: Path, algorithm: str) -> None:
    """Both branches may use the same memory; with an option set the default's plan is checked too."""
    emitted(branches, MemoryPlanning(algorithm, alloc_graph_input=False), here)


def test_a_tensor_that_lives_across_a_branch_may_not_be_in_its_memory(branches: Any, here: Path) -> None:
    """An algorithm that ignores what the branches need."""
    with pytest.raises(StepError) as caught:
        emitted(branches, own("onto_branches"), here)

    first, remedy = str(caught.value).splitlines()
    assert first.startswith("planner.py: memory_planning: onto_branches: got x at bytes 0 to 64 and aten_")
    assert first.endswith(" of planned buffer 1, which live at the same time")
    assert f"\n{remedy}" == REMEDY
