"""Which differences keep a step from running on another machine."""

import pytest

from etbuild.build_engine.dask.identity import differences, processor

INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse4_2 avx avx2 avx512f\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2 avx avx2\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (INTEL, "GenuineIntel avx512f"),
        (f"{INTEL}\n{AMD}", "GenuineIntel avx512f"),
        (AMD, "AuthenticAMD avx2"),
        (ARM, "0x41 fp asimd sve"),
        ("", "unknown"),
    ],
)
def test_a_processor_is_its_maker_and_its_best_instructions(cpuinfo: str, name: str) -> None:
    """PyTorch's kernels choose by them; a calibrated scale of mnist differs in its last bit between AVX-512 and SSE."""
    assert processor(cpuinfo) == name


def test_a_difference_that_a_step_does_not_depend_on_does_not_count() -> None:
    """Vela needs neither the same compiler nor the same processor."""
    here = {"torch": "2", "processor": "GenuineIntel avx512f", "c++": "g++ 12"}
    there = {"torch": "2", "processor": "AuthenticAMD avx2", "c++": "g++ 13"}

    assert differences(here, there, ()) == ()
    assert differences(here, there, ("processor", "c++")) == (
        "processor: here GenuineIntel avx512f, there AuthenticAMD avx2",
        "c++: here g++ 12, there g++ 13",
    )
