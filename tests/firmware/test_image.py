"""Building an image: equal bytes in every folder, errors when it does not fit, texts and sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images import write_inputs

from etbuild.errors import StepError
from etbuild.firmware.elf_texts import Texts
from etbuild.firmware.toolchain import run_tool
from etbuild.steps import firmware

OPTIONS = [
    *("--board", "qemu-mps3-an547", "--driver", "emulator", "--stack", "16384"),
    *("--pte", "model.pte", "--manifest", "manifest.json", "--vectors", "golden.npz", "--output", "."),
]


@pytest.mark.e2e
def test_an_image_does_not_depend_on_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output is equal, each time from an empty cache."""
    made = []
    for place in ("here", "there/deeper"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache of {place}"))
        write_inputs(folder, "linear_cpu.pte")
        assert firmware.main(OPTIONS) == 0
        made.append({str(file): file.read_bytes() for file in sorted(Path().rglob("*")) if file.is_file()})

    assert set(made[0]) >= {"firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "sizes.json"}
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []
    assert str(tmp_path).encode() not in b"".join(made[0].values())


@pytest.mark.e2e
def test_a_stack_larger_than_its_memory_is_an_error_before_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a table of the region."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    options = [*OPTIONS]
    options[options.index("--stack") + 1] = "1000000"

    with pytest.raises(StepError) as caught:
        firmware.main(options)

    assert str(caught.value).startswith(
        "model.pte: does not fit on QEMU mps3-an547\ndtcm of the board has 524,288 bytes, 475,712 too few"
    )


@pytest.mark.e2e
def test_a_stack_that_leaves_no_room_for_variables_is_found_by_the_linker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same table."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    options = [*OPTIONS]
    options[options.index("--stack") + 1] = "524288"

    with pytest.raises(StepError) as caught:
        firmware.main(options)

    assert "dtcm of the board has 524,288 bytes, " in str(caught.value)
    assert "    for stack: a smaller runtime.stack_size" in str(caught.value)


@pytest.mark.e2e
def test_the_texts_of_errors_are_not_in_the_loaded_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in a section of the ELF file that is not loaded."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    assert firmware.main(OPTIONS) == 0

    text = b"test vectors: damaged, their CRC is wrong"
    assert text in Path("firmware.elf").read_bytes()
    assert text not in Path("firmware.bin").read_bytes()
    assert Texts(Path("firmware.elf")).at(0)


ONE_FLASH = """\
title: Everything in flash
cpu: {core: cortex-m55, clock_hz: 32000000, cache_line: 32, counter: systick}
memory:
  flash: {address: 0x10000000, size: 512 KiB, cacheable: false}
  ram: {address: 0x30000000, size: 512 KiB}
placement:
  {code: flash, data: ram, stack: ram, model: flash, vectors: flash, arena: ram, scratch: ram, fast_scratch: ram}
stack_size: 16 KiB
npu: {driver: emulator, families: [u55]}
uart: {kind: cmsdk, address: 0x59303000, clock_hz: 25000000, baud: 115200}
semihosting: true
bin_alignment: 16
"""


@pytest.mark.e2e
def test_the_binary_is_everything_that_lies_in_the_memory_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code, model, vectors and the initial values of variables, at their places; its size is a multiple of 16."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    Path("mine.yaml").write_text(ONE_FLASH)
    assert firmware.main([*OPTIONS, "--board", "mine.yaml"]) == 0

    binary = Path("firmware.bin").read_bytes()
    model = Path("model.pte").read_bytes()
    rows = {row["section"]: row for row in json.loads(Path("sizes.json").read_text())["sections"]}
    at = rows[".model"]["address"] - 0x10000000
    assert binary[at : at + len(model)] == model
    run_tool(["arm-none-eabi-objcopy", "-O", "binary", "firmware.elf", "all.bin"])
    assert binary.startswith(Path("all.bin").read_bytes())
    assert len(binary) % 16 == 0
    assert len(binary) - Path("all.bin").stat().st_size < 16


@pytest.mark.e2e
def test_sizes_are_those_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model has the size of the .pte, and the code that of firmware.bin up to alignment."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    assert firmware.main(OPTIONS) == 0

    figures = json.loads(Path("sizes.json").read_text())

    assert figures["model_bytes"] == Path("model.pte").stat().st_size
    assert 0 <= Path("firmware.bin").stat().st_size - figures["code_bytes"] < 16
    assert figures["largest_frames"][0]["bounded"]
