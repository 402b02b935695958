"""Reads and writes lowered.bin: the emitted program, with a placeholder instead of each delegate's command stream.

The file is a pickle of ExecuTorch's schema objects. It must be read inside `compiler_imports.serializer`, or after the
compiler was imported.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

_PLACEHOLDER = b"etbuild delegate "


@dataclass(frozen=True)
class Lowered:
    """A lowered program without command streams.

    program:      an executorch.exir.schema.Program whose delegate data are placeholders; the n-th delegate of its
                  execution plan is compiled from delegates/<n>.tosa.
    mutable_data: buffers with the initial values of its mutable tensors; None when it has none.
    """

    program: Any
    mutable_data: Any

    @property
    def delegates(self) -> list[Any]:
        """The BackendDelegates of the one execution plan."""
        return list(self.program.execution_plan[0].delegates)


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
