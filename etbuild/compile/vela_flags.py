"""A target as flags of Vela's command line, and as JSON. It runs no Vela."""

from __future__ import annotations

from pathlib import Path

from etbuild.hardware.target import Target

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
