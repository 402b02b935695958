"""Step vela: the streams are those of ExecuTorch's own call of Vela, the figures are Vela's."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from project import U55, U65, U85, Project, inside, recipe

from etbuild.compile.vela_flags import compile_flags, vela_flags
from etbuild.errors import StepError
from etbuild.hardware.target import Target, Vela
from etbuild.pte.vela import BLOCKS, Block, blocks_of, move_weights_out, pack
from etbuild.steps import vela


def test_a_step_names_what_it_reads_and_writes() -> None:
    """A target of its own ini; the graphs are those of its profile."""
    target = replace(U55, vela=Vela(Path("configs/my.ini"), "Size", 65536, ("--disable-chaining",)))

    step = vela.step(recipe(target), target)

    assert step.argv == (
        *("--npu", "ethos-u55-128", "--system-config", "Ethos_U55_High_End_Embedded"),
        *("--memory-mode", "Shared_Sram", "--ini", "configs/my.ini", "--optimise", "Size"),
        *("--arena-cache-size", "65536", "--vela-flag=--disable-chaining"),
        *("--delegates", "build/r/tosa-u55/delegates", "--output", "build/r/ethos-u55-128/vela"),
        *("--report", "build/r/ethos-u55-128/vela.json"),
    )
    assert step.inputs == (Path("build/r/tosa-u55/delegates"), Path("configs/my.ini"))


def test_the_flags_of_a_pte_are_those_of_aot_arm_compiler() -> None:
    """Its two first, then the recipe's, then what ExecuTorch's compile spec adds."""
    assert compile_flags(replace(U55, vela=Vela(optimise="Size"))) == (
        *("--verbose-operators", "--verbose-cycle-estimate", "--optimise=Size"),
        *("--accelerator-config=ethos-u55-128", "--config=Arm/vela.ini", "--output-format=raw"),
        *("--system-config=Ethos_U55_High_End_Embedded", "--memory-mode=Shared_Sram"),
    )


def test_an_ini_outside_the_project_stays_out_of_the_pte() -> None:
    """Vela gets its real place, the .pte its name."""
    target = replace(U55, vela=Vela(Path("/home/someone/my.ini")))

    assert "--config=./my.ini" in compile_flags(target)
    assert "--config=/home/someone/my.ini" in vela_flags(target)


def test_a_block_is_padded_to_sixteen_bytes() -> None:
    """As ExecuTorch's own packing does it: the length is the data's, an empty block has no padding."""
    assert pack((Block("cmd_data", b"abc"),)) == struct.pack("<16sIB11x", b"cmd_data", 3, 0) + b"abc" + bytes(13)
    assert pack((Block("vela_end_stream", b""),)) == struct.pack("<16sIB11x", b"vela_end_stream", 0, 0)


def test_blocks_survive_packing() -> None:
    """What pack makes, blocks_of reads; lengths on and next to the alignment."""
    blocks = stream_of(*(bytes(range(size)) for size in (0, 1, 15, 16, 17, 32, 0)))

    assert without_offsets(blocks_of(pack(blocks))) == blocks


def test_weights_moved_out_leave_their_key() -> None:
    """The key is the digest of placement and data."""
    blocks = stream_of(b"", b"c", b"w" * 20, b"", b"", b"", b"")

    stream, weights = move_weights_out(pack(blocks), "model")

    moved = (*blocks[:2], Block("weight_data", None, weights.key), *blocks[3:])
    assert without_offsets(blocks_of(stream)) == moved
    assert weights.data == b"w" * 20
    assert len(weights.key) == 64


def stream_of(*payloads: bytes) -> tuple[Block, ...]:
    return tuple(Block(name, payload) for name, payload in zip(BLOCKS, payloads, strict=True))


def without_offsets(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    return tuple(replace(block, offset=0) for block in blocks)


@pytest.mark.e2e
@pytest.mark.parametrize("target", [U55, U65, U85], ids=lambda target: target.npu)
def test_streams_are_those_of_executorch(split: Project, tmp_path: Path, target: Target) -> None:
    """Byte for byte what executorch.backends.arm.arm_vela makes of the same graph and flags."""
    from executorch.backends.arm.arm_vela import vela_compile

    graphs = split.root / "build/r/tosa-u55/delegates"
    (tmp_path / "out").mkdir()
    made = [vela.compile_delegate(graphs / f"{n}.tosa", target, tmp_path / "out")["delegate"] for n in range(2)]

    wanted = [vela_compile((graphs / f"{n}.tosa").read_bytes(), list(compile_flags(target))) for n in made]
    assert [(tmp_path / f"out/{n}.bin").read_bytes() for n in made] == [one.processed_bytes for one in wanted]


@pytest.mark.e2e
def test_every_delegate_keeps_its_files(split: Project) -> None:
    """Vela gives all of them the same names; here none overwrites another."""
    names = sorted(file.name for file in (split.root / "build/r/ethos-u55-128/vela").iterdir())

    assert names == sorted(
        f"{n}{end}" for n in (0, 1) for end in (".bin", "_debug.xml", "_per-layer.csv", "_summary.csv")
    )


@pytest.mark.e2e
def test_figures_are_given_per_delegate_layer_and_in_total(small: Project) -> None:
    """MACs are those of the layers: 4 filters of 3x3x2 at 16 places, and 64 times 3."""
    report = small.json("build/r/ethos-u55-128/vela.json")

    (delegate,) = report["delegates"]
    assert report["kind"] == "estimate"
    assert sum(layer["macs"] for layer in delegate["layers"]) == delegate["macs"] == report["total"]["macs"]
    assert delegate["macs"] == 4 * 3 * 3 * 2 * 16 + 64 * 3
    assert report["total"]["memory_bytes"]["sram"] == delegate["scratch_bytes"]
    assert report["total"]["memory_bytes"]["off_chip_flash"] >= delegate["weight_bytes"] > 0


def delegate(constant: int, memory: int, scratch: int) -> dict[str, Any]:
    areas = ("sram", "dram", "on_chip_flash", "off_chip_flash")
    return {
        "macs": 10,
        "cycles": dict.fromkeys(
            ("npu", "sram_access", "dram_access", "on_chip_flash_access", "off_chip_flash_access", "total"), 7
        ),
        "inference_time_s": 0.5,
        "memory_bytes": dict.fromkeys(areas, 0) | {"sram": scratch, "dram": memory},
        "constant_bytes": dict.fromkeys(areas, 0) | {"dram": constant},
        "scratch_bytes": scratch,
        "fast_scratch_bytes": 0,
        "weight_bytes": constant,
        "command_bytes": 3,
    }


def test_delegates_share_working_memory_and_add_up_constants() -> None:
    """They run one after the other: of scratch the largest counts, of weights all."""
    total = vela.total([delegate(100, 130, 16), delegate(200, 220, 64)])

    assert total["memory_bytes"] == {"sram": 64, "dram": 330, "on_chip_flash": 0, "off_chip_flash": 0}
    assert (total["macs"], total["inference_time_s"], total["scratch_bytes"]) == (20, 1.0, 64)


def test_no_delegate_costs_nothing() -> None:
    """A model that stayed on the CPU altogether."""
    assert vela.total([])["memory_bytes"] == {"sram": 0, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 0}


@pytest.mark.e2e
def test_vela_fails_in_its_own_words(small: Project, tmp_path: Path) -> None:
    """With the command to paste."""
    target = replace(U55, memory_mode="Dedicated_Sram")

    with pytest.raises(StepError) as caught, inside(small.root):
        vela.compile_delegate(Path("build/r/tosa-u55/delegates/0.tosa"), target, tmp_path)

    first, command = str(caught.value).splitlines()
    assert first == (
        "build/r/tosa-u55/delegates/0.tosa: Vela: "
        "Invalid configuration of arena_mem_area=OffChipFlash (must be Sram or Dram)"
    )
    assert command.startswith(
        "    vela --verbose-operators --verbose-cycle-estimate --accelerator-config=ethos-u55-128 "
    )


@pytest.mark.e2e
def test_a_broken_graph_is_told_from_a_broken_vela(tmp_path: Path) -> None:
    """The graph's path comes first."""
    (tmp_path / "0.tosa").write_bytes(b"nothing of the kind")

    with pytest.raises(StepError, match=r"0\.tosa: Vela: Compilation failed: "):
        vela.compile_delegate(tmp_path / "0.tosa", U55, tmp_path)
