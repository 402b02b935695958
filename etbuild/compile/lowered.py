"""Reads and writes lowered.bin: the emitted program, with a placeholder instead of each delegate's command stream.

The file is a pickle of ExecuTorch's schema objects. It must be read inside `compiler_imports.serializer`, or after the
compiler was imported.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

_PLACEHOLDER = b"etbuild delegate "


@dataclass(frozen=True)
class Lowered:
    """A lowered program without command streams.

    program:      an executorch.exir.schema.Program whose delegate data are placeholders; the n-th delegate of its
                  execution plans is compiled from delegates/<n>.tosa.
    mutable_data: buffers with the initial values of its mutable tensors; None when it has none.
    method:       the number of the method that `plan` is of.
    """

    program: Any
    mutable_data: Any
    method: int = 0

    @property
    def plan(self) -> Any:
        """The execution plan of the method."""
        return self.program.execution_plan[self.method]

    @property
    def delegates(self) -> list[Any]:
        """The BackendDelegates of all execution plans."""
        return [delegate for plan in self.program.execution_plan for delegate in plan.delegates]

    @property
    def operators(self) -> list[Any]:
        """The operators that all execution plans call on the CPU."""
        return [operator for plan in self.program.execution_plan for operator in plan.operators]

    @property
    def methods(self) -> dict[str, Lowered]:
        """This program with each of its methods, by name."""
        return {plan.name: replace(self, method=number) for number, plan in enumerate(self.program.execution_plan)}

    @property
    def own_delegates(self) -> range:
        """The numbers in the program of the method's delegates."""
        first = sum(len(plan.delegates) for plan in self.program.execution_plan[: self.method])
        return range(first, first + len(self.plan.delegates))


def placeholder_of(tosa: bytes) -> bytes:
    """The placeholder for the command stream of a TOSA graph; equal graphs have equal placeholders."""
    return _PLACEHOLDER + hashlib.sha256(tosa).hexdigest().encode()


def write_lowered(lowered: Lowered, path: Path) -> None:
    """Write lowered.bin, without pickle's memo: the bytes depend on values, not on which of them are one object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    pickler.dump((lowered.program, lowered.mutable_data))
    path.write_bytes(buffer.getvalue())


def read_lowered(path: Path) -> Lowered:
    """Read lowered.bin.

    raises: StepError when the file cannot be read.
    """
    try:
        return Lowered(*pickle.loads(path.read_bytes()))
    except Exception as error:
        raise StepError(f"{path}: got {type(error).__name__}: {error}, wanted what step lower wrote") from error
