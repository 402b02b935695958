"""The section of a recipe about operators of the user: one entry of the list `operators`.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.config.setting import TEXT, section, setting

KERNEL_SUFFIXES = (".cc", ".cpp", ".cxx", ".h", ".hpp")


@section(
    "operator",
    "Operators of your own: what registers them with PyTorch, and their CPU kernels.",
    examples=[{"source": "operators/soft_clip.py", "kernels": ["operators/soft_clip.cc"]}],
)
@dataclass(frozen=True)
class Operators:
    """Operators of the user. Exactly one of source and library is set."""

    source: Path | None = setting(
        "A .py that registers operators by torch.library; each step that reads a program imports it.",
        None,
        examples=["operators/soft_clip.py"],
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    library: Path | None = setting(
        "A shared library that registers operators by TORCH_LIBRARY, for torch.ops.load_library.",
        None,
        examples=["operators/libsoft_clip.so"],
        wanted="the path of a .so file",
        suffixes=(".so",),
    )
    kernels: tuple[str, ...] = setting(
        "C++ files with their kernels for the runtime, and the headers that these include. A kernel for an operator"
        " that etbuild has one for takes its place.",
        (),
        examples=[["operators/soft_clip.cc"]],
        wanted="a list of C++ files",
        option="--kernel",
        minItems=1,
        items={"pattern": TEXT},
    )

    @property
    def registers(self) -> Path:
        """The file that registers them."""
        return self.source or self.library or Path()


OPERATORS: dict[str, Any] = {
    "description": "Operators of your own, which PyTorch and ExecuTorch do not have.",
    "type": "array",
    "items": {"$ref": "#/$defs/operator"},
    "x-wanted": "a list of operators",
    "examples": [[{"source": "operators/soft_clip.py", "kernels": ["operators/soft_clip.cc"]}]],
}
