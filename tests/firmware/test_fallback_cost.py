"""What an operator costs on the CPU of a firmware, between two delegates. Counted by QEMU; no time is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import images
import numpy as np
import pytest

from etbuild.steps import run

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime/kernels"))

pytestmark = pytest.mark.e2e


def test_nearest_upsampling_of_int8_takes_at_most_6_instructions_for_a_byte(tmp_path: Path) -> None:
    """With the start of the program. ExecuTorch's portable flow, in float32, takes 37 for the same map."""
    from kernel_oracle import Case, compile_cases

    case = Case(
        "up", lambda t, x: t.ops.aten.upsample_nearest2d.vec(x, [24, 24], None), (np.zeros((1, 8, 8, 8), np.int8),)
    )
    (tmp_path / "up.pte").write_bytes(compile_cases([case]))

    image = images.build(tmp_path, str(tmp_path / "up.pte"), npu="")
    run.main(image.run_options())

    report = json.loads((tmp_path / "run.json").read_text())
    assert report["bit_exact"] == images.VECTORS
    assert report["figures"]["instructions"]["value"] <= 6 * 8 * 24 * 24
