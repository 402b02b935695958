"""What a target with fallback: cortex_m is lowered for: the kernels of the processor beside the NPU."""

from __future__ import annotations

from etbuild.hardware.target import planned_for
from etbuild.hardware.targets import TargetSpec, expand


def test_what_falls_back_is_planned_for_the_core_of_the_board() -> None:
    """CMSIS-NN has three kinds of kernels; a target without a fallback is for every core."""
    plain, fallback = (expand(TargetSpec(("ethos-u65-256",), fallback=name))[0] for name in ("", "cortex_m"))
    cores = ("cortex-m55", "cortex-m85", "cortex-m33", "cortex-m0")

    assert [planned_for(fallback, core).profile for core in cores] == [
        "tosa-u55-cortex-m",
        "tosa-u55-cortex-m",
        "tosa-u55-cortex-m-dsp",
        "tosa-u55-cortex-m-scalar",
    ]
    assert planned_for(planned_for(fallback, "cortex-m33"), "cortex-m55") == fallback
    assert planned_for(plain, "cortex-m33") == plain
