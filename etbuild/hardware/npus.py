"""The NPU catalog, read from npus.yaml, and Vela config files, read into the same classes.

It decides which pairs of system config and memory mode are legal.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.config.diagnostics import Diagnostics

TABLE = PACKAGE / "hardware" / "npus.yaml"
# The data file that this module reads.
SOURCES = ("hardware/npus.yaml",)


@dataclass(frozen=True)
class Family:
    """A family of NPUs.

    profile:       what a model is lowered for; see Target.
    address_bits:  width of addresses; an arena is at most 2**address_bits bytes.
    system_config: the default; likewise memory_mode.
    """

    name: str
    title: str
    profile: str
    address_bits: int
    system_config: str
    memory_mode: str


@dataclass(frozen=True)
class Npu:
    """One NPU. macs: 8-bit multiply-accumulates per core and cycle."""

    name: str
    family: Family
    macs: int
    cores: int


@dataclass(frozen=True)
class SystemConfig:
    """A system config of Vela. axi0, axi1: the memory behind each port. family: None in a config file of the user."""

    name: str
    axi0: str
    axi1: str
    clock_hz: int
    family: Family | None = None

    def behind(self, port: str) -> str:
        """The memory behind a port."""
        return self.axi0 if port == "axi0" else self.axi1


@dataclass(frozen=True)
class MemoryMode:
    """A memory mode of Vela. const, arena, cache: the port ("axi0" or "axi1") of each memory area."""

    name: str
    const: str
    arena: str
    cache: str
    cache_bytes: int | None = None


@dataclass(frozen=True)
class Area:
    """A memory area. memories: those that may hold it. reason: why others may not."""

    name: str
    memories: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class VelaConfig:
    """The system configs and memory modes of one config file. source: the name of the file in messages."""

    source: str
    system_configs: Mapping[str, SystemConfig]
    memory_modes: Mapping[str, MemoryMode]


@dataclass(frozen=True)
class NpuCatalog:
    """The contents of npus.yaml. stock: the system configs and memory modes that come with Vela."""

    families: Mapping[str, Family]
    npus: Mapping[str, Npu]
    stock: VelaConfig
    areas: tuple[Area, ...]


@functools.cache
def catalog() -> NpuCatalog:
    """The NPU catalog of etbuild."""
    data = _npus_yaml()
    families = {
        name: Family(name, row["title"], row["profile"], row["address_bits"], **row["default"])
        for name, row in data["families"].items()
    }
    npus = {name: Npu(name, families[row["family"]], row["macs"], row["cores"]) for name, row in data["npus"].items()}
    configs = {
        name: SystemConfig(name, **{**row, "family": families[row["family"]]})
        for name, row in data["system_configs"].items()
    }
    modes = {name: MemoryMode(name, **row) for name, row in data["memory_modes"].items()}
    areas = tuple(Area(name, tuple(row["memories"]), row["reason"]) for name, row in data["areas"].items())
    return NpuCatalog(families, npus, VelaConfig("etbuild's table", configs, modes), areas)


def incompatibility(config: SystemConfig, mode: MemoryMode) -> str:
    """Why Vela rejects this pair, or "" when it is legal."""
    shared = mode.const == mode.arena == mode.cache
    for area in catalog().areas:
        port = getattr(mode, area.name)
        memory = config.behind(port)
        if area.name == "const" and shared and memory == "Sram":
            continue
        if memory not in area.memories:
            return (
                f"{mode.name} puts the {area.name} area behind {port}, "
                f"which is {memory} in {config.name}: {area.reason}"
            )
    return ""


def legal_modes(config: SystemConfig, config_file: VelaConfig) -> tuple[str, ...]:
    """The memory modes that are legal with a system config, in the order of their file."""
    return tuple(name for name, mode in config_file.memory_modes.items() if not incompatibility(config, mode))


def read_vela_ini(file: Path, name: str) -> VelaConfig:
    """The system configs and memory modes of a Vela config file, read with the rules of Vela.

    name:   of the file in messages.
    raises: ValueError with a message of one line, when Vela could not use the file.
    """
    import configparser

    ini = configparser.ConfigParser()
    configs: dict[str, SystemConfig] = {}
    modes: dict[str, MemoryMode] = {}
    try:
        with file.open(encoding="utf-8") as lines:
            ini.read_file(lines)
        for section in ini.sections():
            kind, _, title = section.partition(".")
            if kind == "System_Config":
                configs[title] = _config(title, _options(ini, section))
            elif kind == "Memory_Mode":
                modes[title] = _mode(title, _options(ini, section))
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if not configs or not modes:
        raise ValueError(f"no section [{'Memory_Mode' if configs else 'System_Config'}.NAME]")
    return VelaConfig(name, configs, modes)


def _npus_yaml() -> Any:
    from etbuild.config import yaml_tree

    diagnostics = Diagnostics()
    root = yaml_tree.read(TABLE.read_bytes(), TABLE, diagnostics)
    diagnostics.check([TABLE])
    assert root is not None
    return yaml_tree.plain(root)


def _options(ini: Any, section: str) -> dict[str, str]:
    """The options of a section; its own ones override those that it inherits."""
    seen: list[str] = []
    options: dict[str, str] = {}
    while section not in seen:
        seen.append(section)
        if not ini.has_section(section):
            raise ValueError(f"[{seen[-2]}] inherits [{section}], which is not there")
        own = dict(ini[section])
        options = {**own, **options}
        if "inherit" not in own:
            return options
        section = own["inherit"]
    raise ValueError(f"[{section}] inherits itself")


def _config(name: str, options: Mapping[str, str]) -> SystemConfig:
    memories = ("Sram", "Dram", "OnChipFlash", "OffChipFlash")
    axi0, axi1 = (_choice(name, f"{port}_port", options, memories) for port in ("axi0", "axi1"))
    clock = options.get("core_clock", "1")
    try:
        return SystemConfig(name, axi0, axi1, int(float(clock)))
    except (ValueError, OverflowError):
        raise ValueError(f"core_clock of {name} is {clock}, not a number") from None


def _mode(name: str, options: Mapping[str, str]) -> MemoryMode:
    ports = ("Axi0", "Axi1")
    const, arena, cache = (
        _choice(name, f"{area}_mem_area", options, ports).lower() for area in ("const", "arena", "cache")
    )
    size = options.get("arena_cache_size")
    try:
        return MemoryMode(name, const, arena, cache, None if size is None else int(size))
    except ValueError:
        raise ValueError(f"arena_cache_size of {name} is {size}, not an integer") from None


def _choice(name: str, key: str, options: Mapping[str, str], allowed: tuple[str, ...]) -> str:
    """The value of one option; without it Vela uses the first of the allowed values."""
    value = options.get(key, allowed[0])
    if value not in allowed:
        raise ValueError(f"{key} of {name} is {value}, not one of {', '.join(allowed)}")
    return value
