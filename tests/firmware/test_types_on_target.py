"""A firmware for a program with float16, bfloat16 and float64 gives the bytes of the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import images
import pytest

from etbuild.steps import run

pytestmark = pytest.mark.e2e


def program() -> bytes:
    """A convolution in float16, a mean in bfloat16 and a sum in float64 of one float32 input."""
    import torch
    from executorch.exir import to_edge

    class Types(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 54).reshape(3, 2, 3, 3).half())

        def forward(self, x: Any) -> Any:
            half = torch.nn.functional.conv2d(x.half(), self.weight)
            mean = (half.to(torch.bfloat16) * 1.7).mean(1)
            return half.float(), mean.float(), (x.double() / 3).sum(2).float()

    edge = to_edge(torch.export.export(Types(), (torch.zeros(1, 2, 6, 6),)))
    return bytes(edge.to_executorch().buffer)


def test_a_firmware_computes_with_all_element_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an NPU, in QEMU, bit by bit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "types.pte").write_bytes(program())
    image = images.build(tmp_path, str(tmp_path / "types.pte"), npu="")

    assert run.main(image.run_options()) == 0

    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 3, 3)
