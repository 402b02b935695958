"""A target as options of Vela's command line, and as JSON. It does not run Vela."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.target import Target

STOCK_INI = "Arm/vela.ini"
# aot_arm_compiler puts these two first, and a .pte contains the flags that it was compiled with.
AOT_FLAGS = ("--verbose-operators", "--verbose-cycle-estimate")


def compile_flags(target: Target) -> tuple[str, ...]:
    """The flags in the .pte's compile specs: those of aot_arm_compiler, the recipe's, then ExecuTorch's own."""
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
    """The flags for calling Vela: those of `compile_flags`, with the real path of the recipe's .ini file."""
    ini = target.vela.ini
    return tuple(
        f"--config={ini}" if flag.startswith("--config=") and ini and ini.is_absolute() else flag
        for flag in compile_flags(target)
    )


def target_json(target: Target) -> dict[str, object]:
    """The target as manifest.json and vela.json have it."""
    return {
        "npu": target.npu,
        **({"cpu": target.cpu} if target.cpu else {}),
        **({"fallback": target.fallback} if target.fallback != "portable" else {}),
        "system_config": target.system_config,
        "memory_mode": target.memory_mode,
        "config": _portable_ini(target.vela.ini) if target.npu != "none" else "",
        "optimise": target.vela.optimise,
        "arena_cache_size_bytes": target.vela.arena_cache_size,
        "flags": list(target.vela.flags),
    }


def _portable_ini(ini: Path | None) -> str:
    """The .ini file without paths of this machine, so that a .pte does not depend on them.

    It begins with "./", because Vela looks up a path of two parts, such as Arm/vela.ini, in its own package.
    """
    if ini is None:
        return STOCK_INI
    return f"./{ini.name if ini.is_absolute() else ini.as_posix()}"
