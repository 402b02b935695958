"""Expands the targets of a recipe, checks them against the NPU catalog, and names them. It compiles nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path

from etbuild.config.diagnostics import did_you_mean, one_of, quoted
from etbuild.errors import EtbuildError
from etbuild.hardware.npus import Family, MemoryMode, SystemConfig, VelaConfig, catalog, incompatibility, legal_modes
from etbuild.hardware.target import CPU_PROFILES, WITH_CORTEX_M, Target, Vela

# Flags of Vela that etbuild sets, and the setting for each; vela.flags must not repeat them. Vela accepts any unique
# prefix of a flag.
SETTING_OF_FLAG = {
    "--accelerator-config": "npu",
    "--system-config": "system_config",
    "--memory-mode": "memory_mode",
    "--config": "vela.ini",
    "--optimise": "vela.optimise",
    "--arena-cache-size": "vela.arena_cache_size",
    "--output-dir": "",
    "--output-format": "",
}

# All NPUs with all system configs, memory modes and goals of the catalog are 1452.
MAX_COMBINATIONS = 2000


@dataclass(frozen=True)
class TargetSpec:
    """One entry of `targets` as written: the alternatives of each setting, () when the setting is absent.

    matrix:   some setting is a list, so illegal combinations are left out instead of reported.
    own_file: the contents of the user's vela.ini; None without one.
    """

    npu: tuple[str, ...]
    system_config: tuple[str, ...] = ()
    memory_mode: tuple[str, ...] = ()
    optimise: tuple[str, ...] = ()
    arena_cache_size: tuple[int, ...] = ()
    ini: Path | None = None
    flags: tuple[str, ...] = ()
    matrix: bool = False
    own_file: VelaConfig | None = None
    cpu: tuple[str, ...] = ()
    fallback: str = ""


class IllegalTargetError(EtbuildError):
    """A target that cannot be built. key: the wrong setting, relative to the target; "" for the target as a whole."""

    exit_code = 2

    def __init__(self, key: str, got: str, wanted: str, remedy: str = "") -> None:
        self.key, self.got, self.wanted, self.remedy = key, got, wanted, remedy
        text = f"{key or 'target'}: got {got}, wanted {wanted}"
        super().__init__(f"{text}\n    {remedy}" if remedy else text)


def expand(spec: TargetSpec) -> tuple[Target, ...]:
    """The targets of one entry, each once; `named` gives them unique variants, together with those of other entries.

    raises: IllegalTargetError for a name that does not exist, an illegal pair, or a matrix without a legal target.
    """
    config_file = spec.own_file or catalog().stock
    for name in spec.system_config:
        _check_name("system_config", name, config_file.system_configs, config_file.source, _families(spec))
    for name in spec.memory_mode:
        _check_name("memory_mode", name, config_file.memory_modes, config_file.source, ())
    settings = (spec.npu, spec.system_config, spec.memory_mode, spec.optimise, spec.arena_cache_size)
    combinations = math.prod(len(values) or 1 for values in settings)
    if combinations > MAX_COMBINATIONS:
        raise IllegalTargetError("", f"a matrix of {combinations} combinations", f"at most {MAX_COMBINATIONS}")
    targets: dict[Target, None] = {}
    first_illegal: IllegalTargetError | None = None
    _check_cpu(spec)
    for npu in spec.npu:
        if npu == "none":
            targets |= dict.fromkeys(_on_cpu(spec))
            continue
        for choice in _choices(spec):
            try:
                targets[_with_fallback(_resolved(npu, choice, config_file), spec.fallback)] = None
            except IllegalTargetError as illegal:
                if not spec.matrix:
                    raise
                first_illegal = first_illegal or illegal
    if first_illegal and not targets:
        remedy = f"{first_illegal.key}: got {first_illegal.got}, wanted {first_illegal.wanted}"
        raise IllegalTargetError("", "a matrix without a legal target", "at least one", remedy)
    return tuple(targets)


def named(targets: Sequence[Target]) -> tuple[Target, ...]:
    """The same targets with variants that are unique in one recipe."""
    values: dict[str, list[set[str]]] = {}
    for target in targets:
        columns = values.setdefault(target.npu, [set() for _ in _settings(target)])
        for column, setting in zip(columns, _settings(target), strict=True):
            column.add(setting)
    taken: set[str] = set()
    return tuple(replace(target, variant=_free_name(target, values[target.npu], taken)) for target in targets)


def flag_problem(flag: str) -> str:
    """Why this flag is not allowed in vela.flags, or ""."""
    name = flag.partition("=")[0]
    for managed, setting in SETTING_OF_FLAG.items():
        if managed.startswith(name):
            return f"use {setting} for it" if setting else "etbuild decides where and what Vela writes"
    return ""


def _families(spec: TargetSpec) -> tuple[Family, ...]:
    npus = catalog().npus
    return tuple({npus[name].family: None for name in spec.npu if name in npus})


def _check_name(
    key: str,
    name: str,
    names: Mapping[str, SystemConfig] | Mapping[str, MemoryMode],
    source: str,
    families: tuple[Family, ...],
) -> None:
    """Check that the config file has a name; the message lists those for the families.

    raises: IllegalTargetError.
    """
    if name in names:
        return
    offered = [
        other
        for other, row in names.items()
        if not isinstance(row, SystemConfig) or row.family is None or row.family in families
    ] or list(names)
    suffix = "" if source == catalog().stock.source else f" of {source}"
    raise IllegalTargetError(key, quoted(name), one_of(offered) + suffix, did_you_mean(name, offered))


def _choices(spec: TargetSpec) -> Iterator[tuple[str, str, Vela]]:
    for config, mode, optimise, arena in product(
        spec.system_config or ("",), spec.memory_mode or ("",), spec.optimise or ("Performance",),
        spec.arena_cache_size or (None,),
    ):  # fmt: skip
        yield config, mode, Vela(spec.ini, optimise, arena, spec.flags)


def _check_cpu(spec: TargetSpec) -> None:
    """raises: IllegalTargetError for a processor where every target has an NPU."""
    if spec.cpu and "none" not in spec.npu:
        remedy = "beside an NPU, fallback: cortex_m keeps more of what the NPU does not take in integers"
        raise IllegalTargetError("cpu", quoted(spec.cpu[0]), "npu: none with it", remedy)
    if spec.fallback and set(spec.npu) == {"none"}:
        remedy = "without an NPU nothing falls back; cpu: names a processor that computes in int8"
        raise IllegalTargetError("fallback", quoted(spec.fallback), "an NPU beside it", remedy)


def _with_fallback(target: Target, fallback: str) -> Target:
    if fallback != "cortex_m":
        return target
    return replace(target, profile=target.profile + WITH_CORTEX_M, fallback=fallback)


def _on_cpu(spec: TargetSpec) -> list[Target]:
    """The targets without an NPU. In a matrix the other settings are for the other targets."""
    written = {
        "system_config": spec.system_config,
        "memory_mode": spec.memory_mode,
        "vela": spec.ini or spec.optimise or spec.arena_cache_size or spec.flags,
    }
    for key, value in written.items():
        if value and not spec.matrix:
            got = "settings" if key == "vela" else quoted(str(getattr(spec, key)[0]))
            raise IllegalTargetError(key, got, "nothing", "npu: none runs the whole model on the CPU")
    return [Target(cpu or "cpu", "none", CPU_PROFILES.get(cpu, "cpu"), cpu=cpu) for cpu in spec.cpu or ("",)]


def _resolved(npu: str, choice: tuple[str, str, Vela], config_file: VelaConfig) -> Target:
    config_name, mode_name, vela = choice
    family = catalog().npus[npu].family
    config = _config(config_name, family, config_file)
    mode = _mode(mode_name, config, family, config_file)
    limit = 2**family.address_bits
    if vela.arena_cache_size is not None and vela.arena_cache_size > limit:
        raise IllegalTargetError("vela.arena_cache_size", str(vela.arena_cache_size), f"at most {limit} on {npu}")
    return Target(npu, npu, family.profile, config.name, mode.name, vela)


def _config(name: str, family: Family, config_file: VelaConfig) -> SystemConfig:
    own_file = config_file is not catalog().stock
    offered = [other for other, row in config_file.system_configs.items() if row.family in (None, family)]
    if own_file and not name:
        remedy = "a config file of your own has no defaults"
        raise IllegalTargetError("system_config", "nothing", f"{one_of(offered)} of {config_file.source}", remedy)
    config = config_file.system_configs[name or family.system_config]
    if config.family not in (None, family):
        remedy = f"{name} is for {config.family.title}" if config.family else ""
        raise IllegalTargetError("system_config", quoted(name), one_of(offered) + f" for {family.title}", remedy)
    return config


def _mode(name: str, config: SystemConfig, family: Family, config_file: VelaConfig) -> MemoryMode:
    legal = one_of(legal_modes(config, config_file)) if legal_modes(config, config_file) else "another system_config"
    if config_file is not catalog().stock and not name:
        remedy = "a config file of your own has no defaults"
        raise IllegalTargetError("memory_mode", "nothing", f"{legal} of {config_file.source}", remedy)
    mode = config_file.memory_modes[name or family.memory_mode]
    reason = incompatibility(config, mode)
    if reason:
        got = quoted(name) if name else f"nothing (which means {mode.name})"
        raise IllegalTargetError("memory_mode", got, f"{legal} with {config.name}", reason)
    return mode


def _free_name(target: Target, columns: Sequence[set[str]], taken: set[str]) -> str:
    """The variant: the NPU, and the settings in which targets of this NPU differ; with a number when it is taken."""
    parts = [setting for setting, column in zip(_settings(target), columns, strict=True) if len(column) > 1 and setting]
    words = [re.sub(r"[^A-Za-z0-9_.-]+", "-", part).strip("-")[:48] for part in parts]
    name = "+".join([(target.cpu or "cpu") if target.npu == "none" else target.npu, *words])
    if name in taken:
        name = next(copy for number in count(2) if (copy := f"{name}+{number}") not in taken)
    taken.add(name)
    return name


def _settings(target: Target) -> tuple[str, ...]:
    vela = target.vela
    return (
        vela.ini.stem if vela.ini else "",
        target.system_config,
        target.memory_mode,
        vela.optimise,
        "" if vela.arena_cache_size is None else f"arena_{vela.arena_cache_size}",
        "-".join(flag.lstrip("-") for flag in vela.flags),
        target.fallback,
    )
