"""The NPUs and how they are fed, from data/npus.yaml. It compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vela:
    """Vela's own settings. ini: a config file of the user's; optimise: Performance or Size;
    arena_cache_size: bytes; flags: further command-line flags, as Vela takes them."""

    ini: Path | None = None
    optimise: str = "Performance"
    arena_cache_size: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One target of a recipe, fully resolved.

    variant: its name within the recipe and its folder below build/<recipe>/: the NPU, with "+..." for
             each setting that differs where a recipe lists one NPU several times.
    npu:     "ethos-u55-128", or "none": the whole model on the CPU.
    profile: what lowering depends on: "tosa-u55" (U55 and U65), "tosa-u85" or "cpu".
    """

    variant: str
    npu: str
    profile: str
    system_config: str = ""
    memory_mode: str = ""
    vela: Vela = Vela()
