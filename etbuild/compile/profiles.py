"""The lowering profiles with an Ethos-U or none: one for U55 and U65, one for U85, one without an NPU; each has a
reference NPU. Those of ExecuTorch's Cortex-M backend are in `cortex_m`.
"""

from __future__ import annotations

from typing import Any

from etbuild.errors import StepError
from etbuild.hardware.target import fallback_of

# Lowering needs the name of an NPU; within a profile the TOSA graphs are the same for all of its NPUs.
REFERENCE_NPU = {"tosa-u55": "ethos-u55-128", "tosa-u85": "ethos-u85-256", "cpu": "ethos-u55-128"}


def reference_spec(profile: str, quantised: bool = False) -> Any:
    """The EthosUCompileSpec for quantising and lowering; step pte fills in the values that depend on the NPU.

    quantised: as after quantisation. aot_arm_compiler shares one spec between quantiser and partitioner; its first use
               fixes the pass pipeline, which is stored in the .pte.
    raises:    StepError for an unknown profile.
    """
    from executorch.backends.arm.ethosu import EthosUCompileSpec

    profile = profile.removesuffix(fallback_of(profile))
    if profile not in REFERENCE_NPU:
        raise StepError(f"profile: got {profile}, wanted one of {', '.join(REFERENCE_NPU)}")
    spec = EthosUCompileSpec(REFERENCE_NPU[profile])
    if quantised:
        spec._get_pass_pipeline_config()
    return spec
