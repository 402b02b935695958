"""The ETDump of a run, opened by ExecuTorch's own Inspector with the ETRecord of the same build."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from delegate_weights import offset_of, weights_of
from project import U55, Project

from etbuild.cli.main import main
from etbuild.errors import StepError
from etbuild.host.recording import RecordedProgram
from etbuild.pte.program import DelegateCall, KernelCall
from etbuild.pte.reader import read
from etbuild.recipe.load import load_all
from etbuild.recipe.output_sections import Pte
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import export, firmware, golden, lower, pte, quantize, run, vela
from etbuild.verify.etdump import buffer_file, dump_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# Of the layers of mnist_u55 that have weights: the tensor of the TOSA graph, and the module of the model.
LAYERS = {
    "tosa_rescale_default": "conv1",
    "tosa_rescale_default_1": "conv2",
    "tosa_rescale_default_2": "fc1",
    "tosa_reshape_default_2": "fc2",
}
FLIPS = 5  # of each


def recipe_of(name: str) -> Recipe:
    (one,) = (recipe for recipe in load_all(ROOT) if recipe.name == name)
    return replace(one, run=Run(on="host", etdump=True), runtime=None, pte=Pte(etrecord=True))


def board_of_recipe(name: str) -> Any:
    (one,) = (recipe for recipe in load_all(ROOT) if recipe.name == name)
    return one.runtime


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two shipped recipes with run.etdump and pte.etrecord, run on the host."""
    project = Project(tmp_path_factory.mktemp("etdump"))
    shutil.copytree(ROOT / "recipes", project.root / "recipes")
    for name in ("mnist_u55", "fallback_u55"):
        one = recipe_of(name)
        profile = U55.profile
        project.run(export.step(one), quantize.step(one, profile), lower.step(one, profile))
        project.run(vela.step(one, U55), golden.step(one, profile), pte.step(one, U55))
        step = run.step(one, U55)
        assert step is not None
        project.run(step)
    return project


def folder(project: Project, name: str) -> Path:
    return project.root / "build" / name / "ethos-u55-128"


def inspector(etdump: Path, record: Any) -> Any:
    from executorch.devtools import Inspector

    return Inspector(etdump_path=str(etdump), etrecord=record, debug_buffer_path=str(buffer_file(etdump)))


def names_of(block: Any) -> Iterator[str]:
    """The names of a run's events that are not inside a delegate."""
    return (event.name for event in block.events if not event.is_delegated_op)


@pytest.mark.parametrize(("name", "vectors"), [("mnist_u55", 16), ("fallback_u55", 8)])
def test_the_inspectors_events_are_the_instructions_of_the_program(built: Project, name: str, vectors: int) -> None:
    """A block a vector, in it the run, each kernel by its operator and each delegate."""
    here = folder(built, name)
    blocks = inspector(here / "run.etdp", str(here / "model.etrecord")).event_blocks
    method = read(here / "model.pte").methods[0]
    wanted = ["Method::execute"]
    for call in method.chains[0].instructions:
        if isinstance(call, KernelCall):
            wanted.append(f"native_call_{str(method.operators[call.operator]).rpartition('::')[2]}")
        elif isinstance(call, DelegateCall):
            wanted.append("DELEGATE_CALL")

    assert [block.bundled_input_index for block in blocks] == list(range(vectors))
    assert [list(names_of(block)) for block in blocks] == [wanted] * vectors


@pytest.mark.parametrize(
    ("name", "module", "operation", "operator"),
    [
        ("mnist_u55", "conv1", "conv1: CONV 2 [tosa_rescale_default]", "aten.convolution.default"),
        ("mnist_u55", "fc2", "fc2: CONV 52 [tosa_reshape_default_2]", "aten.linear.default"),
        ("fallback_u55", "down", "down: CONV 19 [tosa_rescale_default]", "aten.convolution.default"),
        ("fallback_u55", "head", "head: CONV 34 [tosa_reshape_default]", "aten.linear.default"),
    ],
)
def test_an_operation_inside_a_delegate_is_an_event_of_its_layer(
    built: Project, name: str, module: str, operation: str, operator: str
) -> None:
    """With its time, result, operator, module of the model, and figures of the NPU."""
    here = folder(built, name)
    block = inspector(here / "run.etdp", str(here / "model.etrecord")).event_blocks[0]
    (event,) = (one for one in block.events if one.name == operation)

    assert event.delegate_backend_name == "EthosUBackend"
    assert event.perf_data.avg > 0
    assert event.op_types[0] == operator
    assert module in [path for path, _ in next(iter(event.module_hierarchy.values())).values()]
    about = json.loads(bytes(event.raw_delegate_debug_metadatas[0]))
    assert about["line"].startswith(f"recipes/models/{name.partition('_')[0]}.py:")
    assert about["macs"] > 0
    assert [str(value.dtype) for value in event.debug_data] == ["torch.int8"]


@pytest.mark.parametrize("name", ["mnist_u55", "fallback_u55"])
def test_the_numeric_gap_of_an_exact_program_is_0_in_every_layer(built: Project, name: str) -> None:
    """CPU operators and layers inside delegates, compared with the quantised program in PyTorch."""
    here = folder(built, name)
    gaps = inspector(here / "run.etdp", str(here / "model.etrecord")).calculate_numeric_gap("MSE")
    compared = {one.partition(":")[0] for row in gaps["runtime_ops"] for one in row}
    wanted = {"mnist_u55": {"conv1", "pool1", "conv2", "pool2", "fc1", "fc2"}, "fallback_u55": {"down", "conv", "head"}}

    assert compared >= wanted[name]
    assert [list(gap) for gap in gaps["gap"]] == [[0.0]] * len(gaps)


def test_a_bit_flipped_in_a_layers_weights_is_the_first_gap_20_of_20(built: Project, tmp_path: Path) -> None:
    """Five bits of each layer of mnist_u55: the first row of the numeric gap that is not 0 is that layer's."""
    from executorch.devtools.etrecord import parse_etrecord

    here = tmp_path / "model"
    shutil.copytree(folder(built, "mnist_u55"), here)
    record = parse_etrecord(str(here / "model.etrecord"))
    with np.load(built.root / "build/mnist_u55/tosa-u55/golden.npz") as file:
        image, answer = file["input_0"][0], file["delegate_0_output_0"][0]
    named = []
    for tensor, module in LAYERS.items():
        for etdump in flipped(here / "model.pte", tensor, image, answer):
            gaps = inspector(etdump, record).calculate_numeric_gap("MSE")
            wrong = [row["runtime_ops"][0] for _, row in gaps.iterrows() if any(gap > 0 for gap in row["gap"])]
            named.append((module, wrong[0].partition(":")[0]))

    assert len(named) == 20
    assert [first for _, first in named] == [module for module, _ in named]


def flipped(path: Path, tensor: str, image: Any, answer: Any) -> Iterator[Path]:
    """The ETDumps of programs in which one bit of a layer's weights is another one, which the delegate's result shows.

    Most bits change what the compressed weights mean; some make them no weights at all, and few have no effect.
    """
    right = path.read_bytes()
    at, size = weights_of(path)[tensor]
    start, found = offset_of(path) + at, 0
    try:
        for position in range(start + size // 3, start + size):
            wrong = bytearray(right)
            wrong[position] ^= 1 << position % 8
            path.write_bytes(wrong)
            program = RecordedProgram(path)
            try:
                left = {one.instruction: one.values for one in program.record(image).done}
            except StepError:
                continue
            if np.array_equal(left[1][0].reshape(-1), answer.reshape(-1)):
                continue
            etdump = path.with_name(f"{tensor}_{position}.etdp")
            dump_vectors(program, path, [[image]], etdump)
            found += 1
            yield etdump
            if found == FLIPS:
                return
    finally:
        path.write_bytes(right)


def test_a_firmwares_dump_has_its_times_and_results(built: Project, tmp_path: Path) -> None:
    """In QEMU: every instruction with its time, the delegates' cycles, and the same results as on the host.

    The operations of a delegate have the emulator's times, one after the other from the delegate's begin.
    """
    one = replace(recipe_of("fallback_u55"), run=Run(on="qemu", etdump=True), runtime=board_of_recipe("fallback_u55"))
    project = Project(tmp_path)
    shutil.copytree(built.root, project.root, dirs_exist_ok=True)
    steps = firmware.step(one, U55), run.step(one, U55)
    host = inspector(folder(built, "fallback_u55") / "run.etdp", None).event_blocks
    project.run(*(step for step in steps if step))
    here = folder(project, "fallback_u55")
    made = inspector(here / "run.etdp", str(here / "model.etrecord"))
    block, calls = made.event_blocks[0], [e for e in made.event_blocks[0].events if e.name == "DELEGATE_CALL"]
    assert list(names_of(block)) == list(names_of(host[0]))
    assert all(event.perf_data.avg > 0 for event in block.events if not event.is_delegated_op)
    assert all(json.loads(bytes(call.raw_delegate_debug_metadatas[0]))["npu_cycles"] > 0 for call in calls)
    for call in calls:
        inside = [
            e.perf_data.raw[0] for e in block.events if e.is_delegated_op and e._instruction_id == call._instruction_id
        ]
        assert len(inside) > 2
        assert all(duration > 0 for duration in inside)
    for left, right in zip(made.event_blocks, host, strict=True):
        wanted = {(event._instruction_id, event.name): event.debug_data for event in right.events}
        for event in left.events:
            results = zip(event.debug_data, wanted[event._instruction_id, event.name], strict=True)
            assert all(bool((one == other).all()) for one, other in results), event.name
    gaps = made.calculate_numeric_gap("MSE")
    assert {one.partition(":")[0] for row in gaps["runtime_ops"] for one in row} >= {"down", "conv", "head"}
    assert [list(gap) for gap in gaps["gap"]] == [[0.0]] * len(gaps)


def test_the_command_line_writes_the_same_dump_of_one_run(built: Project, tmp_path: Path) -> None:
    """`etbuild run --etdump`, which finds Vela's files and operators.json beside the .pte."""
    here = folder(built, "fallback_u55")
    with np.load(built.root / "build/fallback_u55/tosa-u55/golden.npz") as file:
        np.save(tmp_path / "x.npy", file["input_0"][0])
    etdump = tmp_path / "one.etdp"

    argv = ["run", str(here / "model.pte"), "--input", str(tmp_path / "x.npy"), "--etdump", str(etdump)]
    assert main(argv) == 0

    (block,) = inspector(etdump, str(here / "model.etrecord")).event_blocks
    first = inspector(here / "run.etdp", str(here / "model.etrecord")).event_blocks[0]
    assert [event.name for event in block.events] == [event.name for event in first.events]
    assert all(
        bool((one == other).all())
        for left, right in zip(block.events, first.events, strict=True)
        for one, other in zip(left.debug_data, right.debug_data, strict=True)
    )


def test_without_a_builds_files_the_operations_have_no_layers(built: Project, tmp_path: Path) -> None:
    """A .pte alone: the events are there, with the NPU's operations by number."""
    shutil.copyfile(folder(built, "mnist_u55") / "model.pte", tmp_path / "alone.pte")
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
    argv = ["run", str(tmp_path / "alone.pte"), "--input", str(tmp_path / "x.npy")]
    assert main([*argv, "--etdump", str(tmp_path / "alone.etdp")]) == 0

    (block,) = inspector(tmp_path / "alone.etdp", None).event_blocks
    assert "CONV 2" in [event.name for event in block.events]
