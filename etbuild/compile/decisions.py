"""The partitioner's decisions for a quantised program, without lowering it: what `lower` would tag, and why.

It writes no delegate, and runs no Vela.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile.compiler_failure import explained
from etbuild.compile.lowering import lower
from etbuild.compile.partition import PartitionRecord

if TYPE_CHECKING:
    from etbuild.compile.exclusions import Exclusions
    from etbuild.compile.passes import Passes


class Decisions(NamedTuple):
    """program: the tagged ExportedProgram. operators: as partition.json has them."""

    program: Any
    operators: list[dict[str, Any]]


class _Decided(Exception):  # noqa: N818 - ends the lowering where the decisions are made
    def __init__(self, program: Any) -> None:
        super().__init__()
        self.program = program


class _Deciding(PartitionRecord):
    """A record whose partitioner ends the lowering after its decisions."""

    def partitioner(self, spec: Any) -> Any:
        made = super().partitioner(spec)
        partition = made.partition

        def decide(program: Any) -> Any:
            raise _Decided(partition(program).tagged_exported_program)

        made.partition = decide
        return made


def decide(
    program: Any, profile: str, name: Path, passes: Passes | None = None, exclusions: Exclusions | None = None
) -> Decisions:
    """What ExecuTorch's partitioner decides for one profile of an NPU.

    program: an ExportedProgram, quantised; it may be changed in place.
    name:    of its file, for messages.
    raises:  StepError for any error that ExecuTorch raises.
    """
    from etbuild.compile import decomposing, pass_patches, patches

    record = _Deciding(profile, exclusions)
    with (
        explained(f"{name}: partitioning for {profile}", program),
        patches.lazy_code_generation(),
        decomposing.fewer_decompositions(),
        pass_patches.cheaper_passes(),
    ):
        try:
            lower(program, profile, "float32", record, passes)
        except _Decided as decided:
            tagged = decided.program
    tags = (one["delegate"] for one in record.operators if one["delegate"] is not None)
    record.assign_delegates({tag: number for number, tag in enumerate(dict.fromkeys(tags))})
    return Decisions(tagged, record.operators)
