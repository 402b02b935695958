"""The emulator against the TOSA reference model on what Vela really writes; a small part of `tests.npu.grid --all`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from etbuild.hardware import npus
from tests.npu import artifacts, grid, native
from tests.npu.native import Range

if TYPE_CHECKING:
    from tests.npu.artifacts import Lowered

MODELS = ("conv_3x3", "inverted_residual", "softmax", "cat_mul", "net_003")


@cache
def lowered(name: str, dtype: str, profile: str) -> Lowered:
    (model,) = artifacts.models((name,))
    return artifacts.lowered(model, dtype, profile)


def verdicts(name: str, dtype: str, npu: str) -> list[str]:
    setup = grid.default_setup(npu)
    partitions = lowered(name, dtype, setup.profile).partitions
    return [grid.run_partition(partition, setup).state for partition in partitions]


def hazards(name: str, npu: str) -> list[str]:
    setup = grid.default_setup(npu)
    partition = lowered(name, "int8", setup.profile).partitions[0]
    compiled = artifacts.compiled(partition.tosa, setup)
    ranges = [
        [Range(1, slot.offset, int(np.prod(slot.shape)) * slot.element) for slot in slots]
        for slots in (compiled.inputs, compiled.outputs)
    ]
    regions = grid.prepared(compiled, partition.cases[0])
    _, found = native.emulator().hazards(compiled.commands, regions, ranges[0], ranges[1])
    return [hazard.kind for hazard in found]


@pytest.mark.e2e
@pytest.mark.parametrize("npu", npus.catalog().npus)
@pytest.mark.parametrize("name", MODELS)
def test_int8_models_are_exact_on_every_npu(name: str, npu: str) -> None:
    """Three sets of inputs each: uniform, the minimum, gaussian."""
    assert set(verdicts(name, "int8", npu)) == {"exact"}


@pytest.mark.e2e
@pytest.mark.parametrize("npu", ["ethos-u55-128", "ethos-u85-256"])
@pytest.mark.parametrize("name", ["conv_3x3", "softmax"])
def test_int16_models_are_exact(name: str, npu: str) -> None:
    """16-bit activations, 8-bit weights."""
    assert set(verdicts(name, "int16", npu)) == {"exact"}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "npu", "kind"), [("amin_last", "ethos-u55-128", "unread"), ("cosine_rows", "ethos-u85-256", "overwritten")]
)
def test_streams_that_are_wrong_in_themselves_are_found(name: str, npu: str, kind: str) -> None:
    """They differ from the reference model, and the hazard check says why."""
    assert verdicts(name, "int8", npu) == ["differs"]
    assert hazards(name, npu) == [kind]


@pytest.mark.e2e
@pytest.mark.parametrize("npu", ["ethos-u55-128", "ethos-u85-256"])
@pytest.mark.parametrize("name", ["inverted_residual", "softmax"])
def test_right_streams_have_no_hazards(name: str, npu: str) -> None:
    """In-place operations, padding and re-used memory are none."""
    assert hazards(name, npu) == []
