"""Kernels of the user in a firmware."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.errors import StepError
from etbuild.firmware.select_sources import Needs, select
from etbuild.firmware.user_kernels import kernels_in, units

KERNEL = """\
#include "clip.h"
#include "kernels/walk.h"
namespace etb {
ETB_KERNEL(clip, "own::clip.out", clip);
}
"""


def files(folder: Path, source: str = KERNEL) -> tuple[Path, ...]:
    (folder / "clip.cc").write_text(source)
    (folder / "clip.h").write_text("#pragma once\n")
    return folder / "clip.cc", folder / "clip.h"


def test_a_kernel_of_the_user_is_linked_where_it_is_called(tmp_path: Path) -> None:
    """With the sources behind the headers of the runtime that it includes; its own headers are not compiled."""
    own = files(tmp_path)

    chosen = select(Needs(("aten::add.out", "own::clip.out"), "", "", own=own))

    assert chosen.kernels == ("kernel_add", "kernel_clip")
    assert chosen.own == own
    assert "kernels/walk.cc" in chosen.sources
    assert [unit.name for unit in units(chosen.own, ("-Os", "-Werror"))] == ["own_kernels/0-clip.cc"]
    assert units(chosen.own, ("-Os", "-Werror"))[0].flags == ("-Os",)


def test_kernels_that_no_model_calls_are_left_out(tmp_path: Path) -> None:
    """One file of kernels may serve several recipes."""
    assert select(Needs(("aten::add.out",), "", "", own=files(tmp_path))).own == ()


def test_a_kernel_of_the_user_takes_the_place_of_etbuilds(tmp_path: Path) -> None:
    """Only one of the two is linked."""
    own = files(tmp_path, KERNEL.replace("own::clip.out", "aten::add.out"))

    chosen = select(Needs(("aten::add.out",), "", "", own=own))

    assert chosen.kernels == ("kernel_clip",)
    assert "kernels/arithmetic.cc" not in chosen.sources


def test_files_without_a_kernel_are_refused(tmp_path: Path) -> None:
    """The message has a line to copy."""
    with pytest.raises(StepError, match=r"got no line that begins with ETB_KERNEL\(, wanted one for each operator"):
        kernels_in(files(tmp_path, "// nothing"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Tensor& clip_out(KernelRuntimeContext& ctx, const Tensor& x, Tensor& out);", "KernelRuntimeContext"),
        ('EXECUTORCH_LIBRARY(own, "clip.out", clip_out);', "EXECUTORCH_LIBRARY"),
    ],
)
def test_a_kernel_for_executorchs_runtime_is_refused(tmp_path: Path, line: str, name: str) -> None:
    """Its interface is another one; the message says where that one belongs."""
    with pytest.raises(StepError) as caught:
        kernels_in(files(tmp_path, f'#include "clip.h"\n{line}\n'))

    assert str(caught.value) == (
        f"{tmp_path}/clip.cc: got a kernel for ExecuTorch's own runtime ({name}), wanted one for etbuild's, which "
        "begins with ETB_KERNEL(\n"
        "    docs/custom-operators.md has its interface; or link this one into a prefix for engine: executorch"
    )


def test_two_kernels_for_one_operator_are_refused(tmp_path: Path) -> None:
    """Which one is called would be chance."""
    twice = KERNEL.replace("}\n", 'ETB_KERNEL(again, "own::clip.out", clip);\n}\n')

    with pytest.raises(StepError, match=r"got a second kernel for own::clip\.out, wanted one"):
        kernels_in(files(tmp_path, twice))


def test_a_header_that_the_recipe_does_not_name_is_refused(tmp_path: Path) -> None:
    """A change of it would not compile the kernel again."""
    with pytest.raises(StepError, match=r'got #include "clip.h", wanted only headers that the recipe names'):
        kernels_in(files(tmp_path)[:1])
