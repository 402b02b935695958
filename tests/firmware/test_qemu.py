"""Real images in real QEMU: correct results, and a message and exit code for each kind of failure."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from images import BOARD, Image, build, damaged, section, undefined

from etbuild.errors import StepError
from etbuild.firmware import simulators
from etbuild.firmware.protocol import read_transcript
from etbuild.hardware.boards import board_file, load_board
from etbuild.steps import run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """A linear layer for Ethos-U55-128, on the emulated NPU."""
    folder = tmp_path_factory.mktemp("linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield build(folder, "linear_u55.pte")


def failure(image: Image, elf: Path | None = None) -> str:
    with pytest.raises(StepError) as caught:
        run.main(image.run_options(elf))
    return str(caught.value)


def exit_code(image: Image, elf: Path | None = None) -> int | None:
    """The exit code of QEMU, set through semihosting."""
    file = board_file(image.board)
    assert file is not None
    request = simulators.Request("qemu", load_board(file), image.driver, image.npu, elf or image.elf, 20)
    return simulators.run(simulators.command(request, "qemu"), 20).code


@pytest.mark.parametrize(
    ("name", "npu"),
    [
        ("linear_u55.pte", "ethos-u55-128"),
        ("linear_u65_512.pte", "ethos-u65-512"),
        ("linear_u85_segment.pte", "ethos-u85-256"),
        ("linear_cpu.pte", ""),
        ("numbers_cpu.pte", ""),
        ("open_number_5_cpu.pte", ""),
    ],
)
def test_an_image_gives_the_bytes_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, npu: str
) -> None:
    """For each family, with a delegate inline and in a segment, and without one; with inputs that are no tensors."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, name, npu)

    assert run.main(image.run_options()) == 0

    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 3, 3)
    assert report["figures"]["instructions"]["kind"] == "QEMU instruction count"
    assert 0 < report["memory"]["stack_used"] < report["memory"]["stack"]


def test_the_number_of_instructions_does_not_depend_on_the_machine(linear: Image) -> None:
    """It is the same in every run."""
    counts = set()
    for _ in range(2):
        run.main(linear.run_options())
        counts.add(json.loads((linear.folder / "run.json").read_text())["figures"]["instructions"]["value"])

    assert len(counts) == 1


def test_a_truncated_model_is_rejected(linear: Image) -> None:
    """Its second half is zero."""
    _, size = section(linear.elf.read_bytes(), b".model")
    elf = damaged(linear, b".model", size // 2, bytes(size - size // 2))

    assert "exit code 11, the model is damaged or needs what is not linked: " in failure(linear, elf)
    assert exit_code(linear, elf) == 11


def test_a_stream_for_another_family_is_rejected(linear: Image) -> None:
    """Its CONFIG word is that of an Ethos-U85-256."""
    model = (linear.folder / "model.pte").read_bytes()
    elf = damaged(linear, b".model", model.index(b"COP1") + 8, struct.pack("<I", 0x20000118))

    assert "exit code 13, the model is for another NPU, or data of it is missing: EthosUBackend: compiled for" in (
        failure(linear, elf)
    )
    assert exit_code(linear, elf) == 13


def test_damaged_vectors_are_rejected(linear: Image) -> None:
    """By their CRC, before the model is read."""
    elf = damaged(linear, b".test_vectors", 120, b"\xff")

    assert failure(linear, elf).endswith(
        "exit code 10, the test vectors are damaged or for another model: test vectors: damaged, their CRC is wrong (0)"
    )
    assert exit_code(linear, elf) == 10


def test_truncated_vectors_are_rejected(linear: Image) -> None:
    """By the size in their header."""
    elf = damaged(linear, b".test_vectors", 20, struct.pack("<I", 1 << 20))

    assert "test vectors: not all of them are here, of bytes (1048576)" in failure(linear, elf)


def test_a_stack_that_is_too_small_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the core's stack limit; the message has a remedy."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, "linear_u55.pte", stack=1024)

    assert "stack overflow\n" in failure(image)
    assert failure(image).endswith("raise runtime.stack_size")
    assert exit_code(image) == 21


def test_an_undefined_instruction_is_reported_with_its_source_line(linear: Image) -> None:
    """In the function that opens the program."""
    elf = damaged(linear, b".text", *undefined(linear, "etb::Program::open"))

    message = failure(linear, elf)

    assert "processor exception 6: undefined instruction\n    cfsr=00010000" in message
    assert "    at etb::Program::open(" in message
    assert exit_code(linear, elf) == 20


def test_an_image_that_never_ends_is_stopped(linear: Image) -> None:
    """After run.timeout_s, with the number of vectors that were done."""
    offset, _ = undefined(linear, "etb::app::crc32")
    elf = damaged(linear, b".text", offset, b"\xfe\xe7")  # a branch to itself
    options = linear.run_options(elf)
    options[options.index("--timeout") + 1] = "1"

    with pytest.raises(StepError) as caught:
        run.main(options)

    assert str(caught.value) == (
        "run on qemu-mps3-an547 (emulated NPU): got no end after 1 s and 0 vectors, wanted one\n"
        "    raise run.timeout_s if it only needs longer"
    )


def test_wrong_results_name_the_first_difference(linear: Image) -> None:
    """Every element of golden is changed by 1."""
    with np.load(linear.folder / "golden.npz") as file:
        arrays = dict(file)
    np.savez(linear.folder / "wrong.npz", **{**arrays, "output_0": arrays["output_0"] + np.float32(1)})
    options = linear.run_options()
    options[options.index("--golden") + 1] = str(linear.folder / "wrong.npz")

    with pytest.raises(StepError) as caught:
        run.main(options)

    assert "run on qemu-mps3-an547 (emulated NPU): vector 0, output 0: element [0, 0]: got " in str(caught.value)


def test_an_image_for_real_hardware_reports_the_missing_npu_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """corstone-300 boots in QEMU alone, which does not have its NPU."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, "linear_u55.pte", board="corstone-300")
    monkeypatch.setattr(
        simulators, "simulate", lambda request, on: simulators.run(simulators.command(request, on), request.limit_s)
    )

    with pytest.raises(StepError) as caught:
        run.main([*image.run_options(), "--on", "qemu"])

    assert str(caught.value) == (
        "run on corstone-300 (NPU beside QEMU): exit code 15, the NPU is missing, does not answer or reported an error:"
        " no NPU answers at its address: ID is (0)"
    )
    assert exit_code(image) == 15


def test_images_stay_within_their_size_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """budget.json has the limits; the change since the last entry is printed."""
    monkeypatch.chdir(tmp_path)
    budget = json.loads((Path(__file__).parent / "budget.json").read_text())
    above = []
    for name, limits in budget.items():
        build(tmp_path, "linear_u55.pte", board=name)
        figures = json.loads((tmp_path / "sizes.json").read_text())
        for figure, (limit, last) in limits.items():
            change = f"{figures[figure] - last:+,} since it was noted"
            print(f"{name}: {figure} {figures[figure]:,} ({change}), at most {limit:,}")
            if figures[figure] > limit:
                above.append(f"{name}: {figure}: got {figures[figure]:,}, wanted at most {limit:,}")

    assert above == []


def test_the_console_is_one_transcript_and_nothing_else(linear: Image) -> None:
    """No text of a library and no echo."""
    file = board_file(BOARD)
    assert file is not None
    request = simulators.Request("qemu", load_board(file), "emulator", linear.npu, linear.elf, 20)

    transcript = read_transcript(simulators.run(simulators.command(request, "qemu"), 20).output)

    assert (transcript.problem, transcript.text, transcript.exit) == ("", "", 0)
