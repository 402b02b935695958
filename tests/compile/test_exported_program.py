"""Which line of the model a node of an exported program comes from."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from etbuild.compile.exported_program import source_line

PACKAGES = sysconfig.get_path("purelib")


def test_a_node_of_executorchs_passes_has_the_line_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The innermost frame is ExecuTorch's own; the line is the model's, relative to the project."""
    monkeypatch.chdir(tmp_path)
    trace = "\n".join(
        [
            f'  File "{tmp_path}/models/net.py", line 12, in forward',
            "    return self.pool(x)",
            f'  File "{PACKAGES}/executorch/backends/arm/_passes/decompose_avg_pool2d_pass.py", line 167, in call',
            "    return super().call_operator(op, args)",
        ]
    )

    assert source_line(trace) == "models/net.py:12"


def test_a_node_that_has_no_frame_of_the_model_has_no_line() -> None:
    """Rather none than a path of this machine."""
    trace = f'  File "{PACKAGES}/executorch/backends/arm/_passes/decompose_meandim_pass.py", line 237, in call\n    x'

    assert source_line(trace) is None


def test_a_model_of_a_package_is_named_relative_to_the_folder_of_packages() -> None:
    """ExecuTorch's example models are no part of its compiler."""
    trace = f'  File "{PACKAGES}/executorch/examples/models/toy_model/model.py", line 47, in forward\n    x'

    assert source_line(trace) == "executorch/examples/models/toy_model/model.py:47"
