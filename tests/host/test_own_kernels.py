"""Kernels of the user on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from host_programs import FILES

from etbuild.errors import StepError
from etbuild.host.own_kernels import OwnKernels
from etbuild.host.program import HostProgram

pytestmark = pytest.mark.e2e

# In place of etbuild's own kernel: it fills the output.
SEVENS = """\
#include "sevens.h"
#include "kernels/kernel.h"
namespace etb {
static Status sevens(Args& args) {
    Tensor& out = args.out(2);
    ETB_TRY(args.status);
    for (std::size_t i = 0; i < out.count(); ++i) out.as<float>()[i] = SEVEN;
    return {};
}
ETB_KERNEL(sevens, "aten::cat.out", sevens);
}
"""


def kernels(folder: Path, source: str, seven: str = "7.0f") -> OwnKernels:
    (folder / "sevens.cc").write_text(source)
    (folder / "sevens.h").write_text(f"#define SEVEN {seven}\n")
    return OwnKernels((folder / "sevens.cc", folder / "sevens.h"), ("kernel_sevens",))


def outputs(own: OwnKernels) -> np.ndarray:
    program = HostProgram(FILES / "joined_cpu.pte", kernels=own)
    (result,) = program.run(*(np.ones(one.shape, one.dtype) for one in program.inputs))
    return result


def test_a_kernel_of_the_user_is_called(tmp_path: Path) -> None:
    """In place of the one that comes with etbuild, for programs that are opened with it, and no others."""
    own = kernels(tmp_path, SEVENS)

    assert set(outputs(own).flat) == {7.0}
    assert set(outputs(OwnKernels((), ())).flat) == {1.0}


def test_a_changed_header_of_the_user_is_compiled(tmp_path: Path) -> None:
    """The library's key has the content of each file."""
    (tmp_path / "other").mkdir()

    assert set(outputs(kernels(tmp_path, SEVENS)).flat) == {7.0}
    assert set(outputs(kernels(tmp_path / "other", SEVENS, "8.0f")).flat) == {8.0}


def test_a_compiler_error_is_shown(tmp_path: Path) -> None:
    """With the line of the user's file."""
    own = kernels(tmp_path, SEVENS.replace("SEVEN;", "MISSING;"))

    with pytest.raises(StepError, match=r"sevens\.cc:7:.*error: .MISSING. was not declared"):
        outputs(own)


def test_a_kernel_outside_the_namespace_is_explained(tmp_path: Path) -> None:
    """The linker alone says that a symbol is missing."""
    own = kernels(tmp_path, SEVENS.replace("static", "namespace {\nstatic").replace("sevens);\n", "sevens);\n}\n"))

    with pytest.raises(StepError, match="a line ETB_KERNEL belongs into namespace etb"):
        outputs(own)
