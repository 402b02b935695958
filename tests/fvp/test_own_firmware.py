"""etbuild's own firmware with its register driver, run as the step `run` runs an FVP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etbuild.fvp.install import install
from etbuild.steps import run
from tests.firmware import images


@pytest.mark.parametrize(("npu", "pte"), [("ethos-u55-128", "linear_u55.pte"), ("ethos-u65-512", "linear_u65_512.pte")])
def test_the_step_run_takes_the_stand_in_for_an_fvp(npu: str, pte: str, tmp_path: Path) -> None:
    """The image for the board corstone-300: every vector exact, ended by EOT on its UART."""
    image = images.build(tmp_path, pte, npu, board="corstone-300")
    programs = install(tmp_path / "programs")
    program = next(path for path in programs if npu.split("-")[1].upper() in path.name)

    code = run.main([*image.run_options(), "--on", "fvp", "--fvp", str(program)])

    result = json.loads((tmp_path / "run.json").read_text())
    assert code == 0
    assert (result["runner"], result["bit_exact"]) == ("corstone-300 (FVP)", images.VECTORS)
