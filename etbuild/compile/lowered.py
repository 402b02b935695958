"""What lowering leaves for later steps: the emitted program, with a mark wherever a delegate's stream will go.

The file is a pickle of plain ExecuTorch schema objects. It is read within stack.serializer.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

_MARK = b"etbuild delegate "


@dataclass(frozen=True)
class Lowered:
    """program: an executorch.exir.schema.Program whose delegate data are marks; mutable_data: its initial state.

    The n-th delegate of its execution plan belongs to delegates/<n>.tosa.
    """

    program: Any
    mutable_data: Any

    @property
    def delegates(self) -> list[Any]:
        """The BackendDelegates of the one execution plan."""
        return list(self.program.execution_plan[0].delegates)


def mark_of(tosa: bytes) -> bytes:
    """Stands for the stream of a TOSA graph; equal graphs have equal marks, as their streams are equal."""
    return _MARK + hashlib.sha256(tosa).hexdigest().encode()


def write_lowered(lowered: Lowered, path: Path) -> None:
    """Without pickle's memo: the bytes depend on values alone, not on which of them are the same object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    pickler.dump((lowered.program, lowered.mutable_data))
    path.write_bytes(buffer.getvalue())


def read_lowered(path: Path) -> Lowered:
    try:
        return Lowered(*pickle.loads(path.read_bytes()))
    except Exception as error:
        raise StepError(f"{path}: got {type(error).__name__}: {error}, wanted what step lower wrote") from error
