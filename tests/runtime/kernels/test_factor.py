"""float64 by integer instructions: what it computes, and that a small firmware links no other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etbuild import RUNTIME
from etbuild.firmware.image import COMPILER_FLAGS
from etbuild.firmware.toolchain import Compilation, Toolchain, run_tool
from etbuild.hardware.board import Cpu

pytestmark = pytest.mark.e2e
HERE = Path(__file__).parent


def test_sizes_and_scales_by_integers_are_those_of_float64(tmp_path: Path) -> None:
    """For all pairs of sizes up to 512, factors of three decimals, and random ones: with their neighbours."""
    program = tmp_path / "factor"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    checked = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command = ["g++", *flags, *checked, f"-I{RUNTIME}", str(HERE / "factor.cc"), "-o", str(program)]
    subprocess.run(command, check=True, timeout=120)

    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stdout.split()[1:]) == (0, ["comparisons"]), done.stdout + done.stderr


@pytest.mark.parametrize("source", ["upsample", "args"])
def test_nearest_upsampling_of_integers_needs_no_software_float64_on_a_cortex_m33(source: str, tmp_path: Path) -> None:
    """It has no double precision, and libgcc's sums, products, quotients and comparisons are 2 KB."""
    flags = (*Cpu("cortex-m33", 1, 0, "dwt").flags, *COMPILER_FLAGS, "-DETB_TYPES=2")
    unit = Compilation(source, RUNTIME / f"kernels/{source}.cc", flags)
    output = tmp_path / "kernel.o"
    run_tool(Toolchain((("runtime", RUNTIME),)).command(unit, str(output)))

    symbols = run_tool(["arm-none-eabi-nm", "--undefined-only", "--format=just-symbols", str(output)])

    routines = [name.removeprefix("__aeabi_") for name in symbols.split() if name.startswith("__aeabi_")]
    assert [name for name in routines if "d" in name] == []
