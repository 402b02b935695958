"""The NPU of a board as data: its registers' address, interrupt, security, and how it is connected to memory.

Each key is one field: see etbuild.config.setting. What the keys become is in etbuild.firmware.npu_settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etbuild.config.setting import section, setting

ADDRESSES: dict[str, Any] = {"minimum": 0, "maximum": 2**32 - 1}
# Names of the NPU catalog; etbuild.hardware.schema replaces the references.
FAMILY = {"$ref": "#/$defs/family"}
_MACS = {"$ref": "#/$defs/macs"}
_ENTRIES: dict[str, Any] = {"minimum": 0, "maximum": 3}


@section("", "Limits of the traffic on one port or counter.", examples=[{"reads": 32, "writes": 16, "burst_bytes": 64}])
@dataclass(frozen=True)
class AxiLimit:
    """At most so many transactions at a time. burst_bytes: where bursts are split."""

    reads: int = setting("Reads in flight at most.", examples=[32], minimum=1, maximum=64)
    writes: int = setting("Writes in flight at most.", examples=[16], minimum=1, maximum=32)
    burst_bytes: int = setting("Where bursts are split. Unit: bytes.", 64, examples=[64], enum=[64, 128, 256])


@section(
    "",
    "How the NPU reaches memory, where it is not as the target's memory mode says. An entry is a number 0 to 3: on U55"
    " and U65 one of AXI_LIMIT0-3, on U85 one of MEM_ATTR0-3; 0 and 1 use the first AXI port, 2 and 3 the second.",
    required=[],
    examples=[{"commands": 1, "weights": 1, "memory_types": [3, 3, 3, 3]}],
)
@dataclass(frozen=True)
class Axi:
    """Differences from what the memory mode says; None or () for none."""

    commands: int | None = setting("Entry for the command stream (QCONFIG).", None, examples=[1], **_ENTRIES)
    weights: int | None = setting("Entry for region 0, weights (REGIONCFG).", None, examples=[1], **_ENTRIES)
    scratch: int | None = setting("Entry for region 1, the scratch (REGIONCFG).", None, examples=[0], **_ENTRIES)
    fast_scratch: int | None = setting(
        "Entry for region 2, the fast scratch (REGIONCFG).", None, examples=[1], **_ENTRIES
    )
    memory_types: tuple[int, ...] = setting(
        "Memory type (AxCACHE) of entries 0 to 3; without it 0, device, not bufferable.",
        (),
        examples=[[3, 3, 3, 3]],
        minItems=4,
        maxItems=4,
        items={"type": "integer", "minimum": 0, "maximum": 15},
    )
    limits: tuple[AxiLimit, ...] = setting(
        "Limits of entries 0 to 3 on U55 and U65; on U85 of its SRAM ports and of its external ports.",
        (),
        examples=[[{"reads": 12, "writes": 16, "burst_bytes": 256}, {"reads": 64, "writes": 32, "burst_bytes": 256}]],
        minItems=2,
        maxItems=4,
    )


@section(
    "",
    "The NPU, or that the firmware emulates one.",
    examples=[{"driver": "emulator", "families": ["u55"]}],
)
@dataclass(frozen=True, kw_only=True)
class NpuPort:
    """How the firmware reaches an NPU. macs: those of fixed hardware, () when any number fits."""

    driver: str = setting(
        "ethosu drives the NPU's registers; emulator is an NPU in software.",
        examples=["ethosu"],
        enum=["ethosu", "emulator"],
    )
    address: int = setting(
        "Base address of its registers; only with driver ethosu. Unit: bytes.",
        0,
        examples=[0x58102000],
        computed=True,
        **ADDRESSES,
    )
    interrupt: int = setting(
        "Number of its interrupt; only with driver ethosu.", 0, examples=[56], computed=True, minimum=0, maximum=479
    )
    families: tuple[str, ...] = setting(
        "Families of NPU that this board can have.",
        examples=[["u55", "u65"]],
        minItems=1,
        uniqueItems=True,
        items=FAMILY,
    )
    macs: tuple[int, ...] = setting(
        "Multiply-accumulates of the NPU, where the hardware is fixed. Unit: 8-bit operations a cycle.",
        (),
        examples=[[128]],
        minItems=1,
        uniqueItems=True,
        items=_MACS,
    )
    secure: bool = setting(
        "Whether the NPU is secure; false where the firmware may use it as non-secure only.", True, examples=[False]
    )
    privileged: bool = setting("Whether the NPU's accesses are privileged.", True, examples=[False])
    timeout_s: float = setting(
        "How long one job of the NPU may take; a recipe can say something else (runtime.npu_timeout_s). Unit: seconds.",
        10.0,
        examples=[10],
        exclusiveMinimum=0,
        maximum=3600,
    )
    axi: Axi = setting("", Axi)
