"""The sections of a recipe about the firmware that is built for a target, and where it runs: runtime, run.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etbuild.config.setting import Bytes, section, setting
from etbuild.hardware.board import Board


@section("runtime", "The firmware that is built for a board.", examples=[{"board": "qemu-mps3-an547"}])
@dataclass(frozen=True)
class Runtime:
    """The firmware that is built. stack_size: bytes. prefix, source: of ExecuTorch, for engine executorch."""

    board: Board = setting(
        "A board that comes with etbuild (docs/boards.md has their table), or the path of a board's file.",
        examples=["qemu-mps3-an547"],
        required=True,
        minLength=1,
        type="string",
    )
    engine: str = setting(
        "etbuild: our own runtime, with what the model needs and no more; executorch: ExecuTorch's, from an installed"
        " prefix.",
        "etbuild",
        examples=["etbuild"],
        enum=["etbuild", "executorch"],
    )
    npu: str = setting(
        "ethosu drives the board's NPU, which is beside QEMU there; emulator brings one in software. Without it: what"
        " the board says.",
        "",
        examples=["emulator"],
        computed=True,
        enum=["ethosu", "emulator"],
    )
    prefix: Path | None = setting(
        "Where ExecuTorch's runtime is installed, with engine: executorch; without it the environment's"
        " EXECUTORCH_PREFIX.",
        None,
        examples=["~/executorch-prefix"],
        minLength=1,
    )
    source: Path | None = setting(
        "ExecuTorch's source that the prefix was built from, with engine: executorch: the firmware then contains the"
        " operators that the model calls, and no others.",
        None,
        examples=["~/executorch"],
        minLength=1,
    )
    stack_size: int = setting(
        "Size of the firmware's stack; without it the board's.",
        0,
        examples=[16384],
        unit="bytes",
        computed=True,
        minimum=1024,
        maximum=67108864,
    )
    npu_timeout_s: float = setting(
        "How long one job of the NPU may take before the firmware gives up; without it what the board says.",
        0.0,
        examples=[60],
        unit="seconds",
        computed=True,
        exclusiveMinimum=0,
        maximum=3600,
    )
    planned_memory: Mapping[str, str] = setting(
        "Region of the board that the tensors of a memory id lie in, by memory id from 1 to 8. Without it the region of"
        " the arena, and for 3, ExecuTorch's planned fast memory, that of the firmware's variables.",
        dict,
        examples=[{"2": "dtcm"}],
        wanted="a mapping of memory ids to regions",
        items={"type": "string"},
        propertyNames={"pattern": "^[1-8]$"},
    )


@section("run", "Where the built program is run.", examples=[{"on": "host", "timeout_s": 60}])
@dataclass(frozen=True)
class Run:
    """Where and how the built program is run."""

    on: str = setting(
        "host: on this machine, the NPU emulated; qemu, fvp: the firmware in a simulator of its board; board: on the"
        " board itself, which its section deploy reaches; auto: the board's FVP where it is found, else QEMU where the"
        " firmware can run there, else the host; none: not at all."
        " Without it: auto where the recipe has a board, else host.",
        "host",
        examples=["auto"],
        computed=True,
        always=True,
        enum=["auto", "host", "qemu", "fvp", "board", "none"],
    )
    timeout_s: float = setting(
        "How long all vectors together may take.",
        60,
        examples=[60],
        unit="seconds",
        option="--timeout",
        always=True,
        exclusiveMinimum=0,
        maximum=86400,
    )
    fvp: Path | None = setting(
        "The FVP's program, where it is not on PATH nor in FVP_PATH.",
        None,
        examples=["~/FVP/FVP_Corstone_SSE-300_Ethos-U55"],
        minLength=1,
    )
    timing_adapters: bool = setting(
        "Whether an FVP slows memory down to what the system is meant to have; false is faster, and its cycles mean"
        " less.",
        True,
        examples=[False],
        off="--no-timing-adapters",
    )
    tolerance: float = setting(
        "How far float outputs may be from the expected ones, as a part of the largest magnitude among them; 0 asks"
        " for the same bits, which is right for everything that the NPU computes. Without it: 0, or 1e-5 where a target"
        " has no NPU.",
        0.0,
        examples=[1e-05],
        computed=True,
        minimum=0,
        maximum=1,
    )
    memory_limit: Bytes = setting(
        "On the host: the most memory that the .pte may ask for altogether, what is recorded of a wrong delegate"
        " included. Unit: bytes, or text with KiB, MiB or GiB.",
        Bytes(2 << 30),
        examples=["4 GiB"],
    )
    etdump: bool = setting(
        "Also write run.etdp, an ETDump of all vectors for ExecuTorch's Inspector, and its buffer run.debug.bin.",
        False,
        examples=[True],
    )
