"""What a lowered model would take on targets that its recipe does not have: Vela and the .pte, kept by nobody.

It lowers nothing: a target of another profile needs the recipe to name one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile import compiler_imports
from etbuild.compile.lowered import read_lowered
from etbuild.compile.pte_writer import assemble
from etbuild.compile.vela import compile_delegate, total

if TYPE_CHECKING:
    from etbuild.hardware.target import Target


@dataclass(frozen=True)
class Compiled:
    """A model for one target. inference_s: Vela's estimate; None without an NPU."""

    target: Target
    pte_bytes: int
    scratch_bytes: int
    fast_scratch_bytes: int
    inference_s: float | None


class OtherTargets:
    """Compiles each target once. profiles: folders with lowered.bin and delegates/, by profile."""

    def __init__(self, profiles: dict[str, Path]) -> None:
        self._profiles = profiles
        self._found: dict[Target, Compiled] = {}

    def has(self, profile: str) -> bool:
        """Whether the model was lowered for it."""
        return profile in self._profiles

    def compiled(self, target: Target) -> Compiled:
        """The model for a target. raises: StepError with Vela's message."""
        if target not in self._found:
            self._found[target] = self._compile(target)
        return self._found[target]

    def _compile(self, target: Target) -> Compiled:
        folder = self._profiles[target.profile]
        graphs = sorted((folder / "delegates").glob("*.tosa"), key=lambda path: int(path.stem))
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="other-") as work:
            rows = [compile_delegate(graph, target, Path(work)) for graph in graphs]
            streams = [(Path(work) / f"{row['delegate']}.bin").read_bytes() for row in rows]
        with compiler_imports.serializer() as serializer:
            pte = assemble(serializer, read_lowered(folder / "lowered.bin"), streams, target, False)
        summed = total(rows)
        sizes = summed["scratch_bytes"], summed["fast_scratch_bytes"]
        return Compiled(target, len(pte), *sizes, summed["inference_time_s"])
