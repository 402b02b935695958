"""The flags of Vela's command line for a target, as called and as stored in the .pte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from project import U55

from etbuild.compile.vela_flags import compile_flags, vela_flags
from etbuild.hardware.target import Vela


def test_the_flags_of_a_pte_are_those_of_aot_arm_compiler() -> None:
    """Its first two, then the recipe's, then those of ExecuTorch's compile spec."""
    assert compile_flags(replace(U55, vela=Vela(optimise="Size"))) == (
        *("--verbose-operators", "--verbose-cycle-estimate", "--optimise=Size"),
        *("--accelerator-config=ethos-u55-128", "--config=Arm/vela.ini", "--output-format=raw"),
        *("--system-config=Ethos_U55_High_End_Embedded", "--memory-mode=Shared_Sram"),
    )


def test_the_path_of_a_config_file_outside_the_project_is_not_in_the_pte() -> None:
    """Vela gets the real path, the .pte the file name."""
    target = replace(U55, vela=Vela(Path("/home/someone/my.ini")))

    assert "--config=./my.ini" in compile_flags(target)
    assert "--config=/home/someone/my.ini" in vela_flags(target)
