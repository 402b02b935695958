"""What stands for a lowering profile in ExecuTorch's calls. U55 and U65 are one TOSA profile, U85 another."""

from __future__ import annotations

from typing import Any

from etbuild.errors import StepError

# Lowering needs some NPU's name; within a profile the TOSA that comes out is the same for all of them.
REFERENCE_NPU = {"tosa-u55": "ethos-u55-128", "tosa-u85": "ethos-u85-256", "cpu": "ethos-u55-128"}


def reference_spec(profile: str, quantised: bool = False) -> Any:
    """The EthosUCompileSpec to quantise and lower with; what depends on the NPU is filled in by step pte.

    quantised: as it is after a quantiser has used it. aot_arm_compiler has one spec for quantiser and partitioner;
               the first to ask settles its pass pipeline, which then stands in the .pte.
    """
    from executorch.backends.arm.ethosu import EthosUCompileSpec

    if profile not in REFERENCE_NPU:
        raise StepError(f"profile: got {profile}, wanted one of {', '.join(REFERENCE_NPU)}")
    spec = EthosUCompileSpec(REFERENCE_NPU[profile])
    if quantised:
        spec._get_pass_pipeline_config()
    return spec
