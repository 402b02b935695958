"""One target of a recipe as data: NPU, system config, memory mode and Vela settings; see etbuild.hardware.targets.

Each key is one field, with its description and limits: see etbuild.config.setting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from etbuild.config.setting import section, setting

GOALS = ("Performance", "Size")

FALLBACKS = ("portable", "cortex_m")
# What the profile of a target with fallback: cortex_m ends with; a processor with the kernels that buffers are for.
WITH_CORTEX_M = "-cortex-m"
FALLBACK_PROCESSORS = {
    WITH_CORTEX_M: "cortex-m55",
    f"{WITH_CORTEX_M}-dsp": "cortex-m33",
    f"{WITH_CORTEX_M}-scalar": "cortex-m0",
}
# By processor: what a model is lowered for. CMSIS-NN, for which ExecuTorch plans memory, has three kinds of kernels.
CPU_PROFILES = {
    "cortex-m0": "cortex-m-scalar",
    "cortex-m0plus": "cortex-m-scalar",
    "cortex-m3": "cortex-m-scalar",
    "cortex-m4": "cortex-m-dsp",
    "cortex-m7": "cortex-m-dsp",
    "cortex-m23": "cortex-m-scalar",
    "cortex-m33": "cortex-m-dsp",
    "cortex-m35p": "cortex-m-dsp",
    "cortex-m55": "cortex-m-mve",
    "cortex-m85": "cortex-m-mve",
}


@section("vela", "Settings of the Vela compiler.", examples=[{"optimise": "Size"}])
@dataclass(frozen=True)
class Vela:
    """Settings of Vela. ini: a config file of the user. arena_cache_size: bytes. flags: of Vela's command line."""

    ini: Path | None = setting(
        "A Vela config file of your own; system_config and memory_mode then name sections of it.",
        None,
        examples=["boards/vela.ini"],
        wanted="the path of an .ini file",
        suffixes=(".ini",),
    )
    optimise: str = setting(
        "Fewest cycles (Performance) or least memory (Size).",
        "Performance",
        examples=["Size", ["Performance", "Size"]],
        ref="optimise",
        choices=GOALS,
        matrix="a list of goals",
    )
    arena_cache_size: int | None = setting(
        "How much fast memory Vela may use, in place of what the memory mode says.",
        None,
        examples=[262144, [262144, 393216]],
        ref="arena_cache_size",
        matrix="a list of sizes",
        unit="bytes",
    )
    flags: tuple[str, ...] = setting(
        "Further flags of Vela's command line.",
        (),
        examples=[["--verbose-performance", "--max-block-dependency=2"]],
        wanted="a list of flags",
        option="--vela-flag=",
        items={
            "pattern": r"^--[a-z][a-z0-9-]*(=[^\s]+)?$",
            "x-wanted": "--flag or --flag=value without spaces",
        },
    )


@section(
    "target",
    "One target, or a matrix of them when a setting is a list.",
    examples=[
        {"npu": "ethos-u55-128", "system_config": "Ethos_U55_High_End_Embedded", "memory_mode": "Shared_Sram"},
    ],
)
@dataclass(frozen=True)
class Target:
    """One target with every default filled in.

    variant: its name in the recipe and its folder in build/<recipe>/: the NPU, with "+..." for each setting in which
             several targets with that NPU differ; without an NPU the processor, or "cpu".
    npu:     e.g. "ethos-u55-128"; "none" for the whole model on the CPU.
    profile: what the model is lowered for: "tosa-u55" (U55 and U65), "tosa-u85", each also with one of
             FALLBACK_PROCESSORS, one of CPU_PROFILES, or "cpu".
    cpu:     the processor that computes in integers; "" for ExecuTorch's portable kernels, in floating point.
    """

    variant: str
    npu: str = setting(
        "The NPU; none keeps the whole model on the CPU.",
        examples=["ethos-u55-128", ["ethos-u55-128", "ethos-u55-256"]],
        required=True,
        ref="npu",
        matrix="a list of NPUs",
    )
    profile: str  # type: ignore[misc]  # mypy counts every assigned `setting` as a default
    system_config: str = setting(
        "Clock and memories of the system, a section of Vela's config file. By default the one that ExecuTorch's"
        " compile spec takes for this NPU.",
        "",
        examples=["Ethos_U55_High_End_Embedded"],
        ref="name",
        matrix="a list of system configs",
        computed=True,
    )
    memory_mode: str = setting(
        "Which memory holds weights, activations and fast scratch, a section of Vela's config file. By default the one"
        " that ExecuTorch's compile spec takes for this NPU.",
        "",
        examples=["Shared_Sram"],
        ref="name",
        matrix="a list of memory modes",
        computed=True,
    )
    vela: Vela = setting("", Vela)
    cpu: str = setting(
        "With npu: none, the processor: the model goes through ExecuTorch's Cortex-M backend and computes in int8 from"
        " end to end. Without it the CPU computes in floating point, also what is quantised.",
        "",
        examples=["cortex-m55"],
        ref="cpu",
        choices=tuple(CPU_PROFILES),
        matrix="a list of processors",
    )
    fallback: str = setting(
        "Beside an NPU: which kernels run what the NPU does not take. portable: in floating point; cortex_m: in int8"
        " whatever ExecuTorch's Cortex-M backend has operators for, the rest in floating point, which reports say.",
        "portable",
        examples=["cortex_m"],
        ref="fallback",
        choices=FALLBACKS,
    )


def fallback_of(profile: str) -> str:
    """Which of FALLBACK_PROCESSORS a profile ends with; "" for none."""
    return next((suffix for suffix in FALLBACK_PROCESSORS if profile.endswith(suffix)), "")


def planned_for(target: Target, core: str) -> Target:
    """The target on a board with this core: what fallback: cortex_m leaves to it is planned for its kind of kernels."""
    if target.fallback != "cortex_m":
        return target
    suffix = next(name for name, cpu in FALLBACK_PROCESSORS.items() if CPU_PROFILES[cpu] == CPU_PROFILES[core])
    return replace(target, profile=target.profile.removesuffix(fallback_of(target.profile)) + suffix)
