"""A target as options of our steps and as flags of Vela. It runs no Vela."""

from __future__ import annotations

import argparse
from pathlib import Path

from etbuild.hardware.targets import Target, Vela
from etbuild.steps.options import option

STOCK_INI = "Arm/vela.ini"
# aot_arm_compiler puts these two before all others, and a .pte holds the flags that it was compiled with.
AOT_FLAGS = ("--verbose-operators", "--verbose-cycle-estimate")


def compile_flags(target: Target) -> tuple[str, ...]:
    """The flags as they stand in the .pte: those of aot_arm_compiler, then the recipe's, then ExecuTorch's own."""
    vela = target.vela
    return (
        *AOT_FLAGS,
        *((f"--optimise={vela.optimise}",) if vela.optimise != "Performance" else ()),
        *((f"--arena-cache-size={vela.arena_cache_size}",) if vela.arena_cache_size is not None else ()),
        *vela.flags,
        f"--accelerator-config={target.npu}",
        f"--config={_portable_ini(vela.ini)}",
        "--output-format=raw",
        f"--system-config={target.system_config}",
        f"--memory-mode={target.memory_mode}",
    )


def vela_flags(target: Target) -> tuple[str, ...]:
    """The flags to call Vela with: the same, with the ini's real place."""
    ini = target.vela.ini
    return tuple(
        f"--config={ini}" if flag.startswith("--config=") and ini and ini.is_absolute() else flag
        for flag in compile_flags(target)
    )


def target_options(target: Target) -> tuple[str, ...]:
    vela = target.vela
    return (
        *("--npu", target.npu, "--system-config", target.system_config, "--memory-mode", target.memory_mode),
        *option("--ini", vela.ini),
        *(("--optimise", vela.optimise) if vela.optimise != "Performance" else ()),
        *option("--arena-cache-size", vela.arena_cache_size),
        *(f"--vela-flag={flag}" for flag in vela.flags),
    )


def add_target_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--npu", required=True, help="ethos-u55-128 and so on; none: the CPU alone")
    parser.add_argument("--system-config", default="", help="a System_Config of the ini")
    parser.add_argument("--memory-mode", default="", help="a Memory_Mode of the ini")
    parser.add_argument("--ini", type=Path, help="Vela's configuration; default: the one that comes with it")
    parser.add_argument("--optimise", choices=("Performance", "Size"), default="Performance")
    parser.add_argument("--arena-cache-size", type=int, help="bytes")
    parser.add_argument("--vela-flag", action="append", default=[], help="a further flag: --vela-flag=--name=value")


def read_target(options: argparse.Namespace) -> Target:
    """The target that the options name; its variant and profile play no part here."""
    vela = Vela(options.ini, options.optimise, options.arena_cache_size, tuple(options.vela_flag))
    return Target("", options.npu, "", options.system_config, options.memory_mode, vela)


def target_json(target: Target) -> dict[str, object]:
    """The target in full, as manifest.json and vela.json show it."""
    return {
        "npu": target.npu,
        "system_config": target.system_config,
        "memory_mode": target.memory_mode,
        "config": _portable_ini(target.vela.ini) if target.npu != "none" else "",
        "optimise": target.vela.optimise,
        "arena_cache_size_bytes": target.vela.arena_cache_size,
        "flags": list(target.vela.flags),
    }


def _portable_ini(ini: Path | None) -> str:
    """Vela looks a path of two parts up in its own package unless it begins with a dot; a machine's path stays out."""
    if ini is None:
        return STOCK_INI
    return f"./{ini.name if ini.is_absolute() else ini.as_posix()}"
