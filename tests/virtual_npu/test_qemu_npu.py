"""Images with the register driver in a real QEMU, the NPU beside it: results, faults, and every kind of end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etbuild.errors import StepError, UsageError
from etbuild.firmware import simulators
from etbuild.firmware.board_files import qemu_arguments
from etbuild.hardware.boards import Board, board_file, load_board
from etbuild.steps import run
from etbuild.system.parent import ends_with_parent
from etbuild.virtual_npu import session
from tests.firmware.images import Image, build, damaged, section, undefined

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """A linear layer for Ethos-U55-128, for the NPU of corstone-300."""
    folder = tmp_path_factory.mktemp("linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield build(folder, "linear_u55.pte", board="corstone-300")


def board_of(image: Image) -> Board:
    file = board_file(image.board)
    assert file is not None
    return load_board(file)


def options(image: Image, elf: Path | None = None, timeout: str = "60") -> list[str]:
    words = [*image.run_options(elf), "--on", "qemu"]
    words[words.index("--timeout") + 1] = timeout
    return words


def failure(image: Image, elf: Path | None = None, timeout: str = "60") -> str:
    with pytest.raises(StepError) as caught:
        run.main(options(image, elf, timeout))
    return str(caught.value)


def simulated(image: Image, board: Board, limit_s: float = 60) -> simulators.SimulatorResult:
    request = simulators.Request("qemu", board, image.driver, image.npu, image.elf, limit_s)
    return simulators.simulate(request, "qemu")


def children() -> set[int]:
    """Processes that this one has started and that still run."""
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


@pytest.mark.parametrize(
    ("name", "npu", "board"),
    [
        ("linear_u55.pte", "ethos-u55-128", "corstone-300"),
        ("linear_u65_512.pte", "ethos-u65-512", "corstone-300"),
        ("linear_u85_segment.pte", "ethos-u85-256", "qemu-mps3-an547"),
    ],
)
def test_an_image_with_the_register_driver_gives_the_bytes_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, npu: str, board: str
) -> None:
    """For each family; Ethos-U85 on the memory map of Corstone-300."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, name, npu, board, driver="ethosu")

    assert run.main(options(image)) == 0

    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 3, 3)
    assert report["runner"] == f"{board} (NPU beside QEMU)"
    assert report["figures"]["npu_cycles"]["kind"] == "multiply-accumulates at full speed"
    assert report["figures"]["npu_cycles"]["value"] > 0


def test_a_run_with_the_npu_beside_qemu_counts_no_instructions(linear: Image) -> None:
    """At each access to the NPU QEMU's clock goes on to its next timer: 40 accesses were counted as 21 thousand million
    instructions, for a model of any size."""
    run.main(options(linear))

    assert set(json.loads((linear.folder / "run.json").read_text())["figures"]) == {"duration", "npu_cycles"}


def test_a_stop_that_meets_an_access_ends_no_qemu(linear: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """The firmware polls while the session stops it after a millisecond: often just as a watchpoint was hit."""
    monkeypatch.setattr(session, "IDLE_S", 0.001)
    board = board_of(linear)

    runs = [simulated(linear, board) for _ in range(8)]

    assert {(run.code, run.problem) for run in runs} == {(0, "")}


def test_memory_that_the_npu_cannot_reach_is_a_bus_fault(linear: Image) -> None:
    """The same image on a board whose NPU does not reach the SRAM: the driver reports its STATUS."""
    board = board_of(linear)
    memory = tuple(replace(region, npu=region.npu and region.name != "sram") for region in board.memory)

    result = simulated(linear, replace(board, memory=memory))

    assert result.code == 15
    assert result.faults[0].startswith("NPU: bus fault at byte ")
    assert "no memory answers at 0x31" in result.faults[0]


def test_the_message_of_a_failed_run_says_what_the_npu_reported(linear: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the firmware's own error."""
    simulate, board = simulators.simulate, board_of(linear)
    memory = tuple(replace(region, npu=region.npu and region.name != "ddr") for region in board.memory)
    monkeypatch.setattr(
        simulators, "simulate", lambda request, on: simulate(replace(request, board=replace(board, memory=memory)), on)
    )

    assert "\n    NPU: bus fault at byte 0 of the command stream: no memory answers the fetch" in failure(linear)


def test_an_image_for_another_npu_is_told_so(linear: Image) -> None:
    """The NPU says in CONFIG which one it is."""
    words = options(linear)
    words[words.index("--npu") + 1] = "ethos-u55-256"

    with pytest.raises(StepError, match="compiled for ethos-u55-128, this NPU is ethos-u55-256"):
        run.main(words)


def test_an_undefined_instruction_is_reported_with_its_source_line(linear: Image) -> None:
    """By the firmware, as without an NPU."""
    elf = damaged(linear, b".text", *undefined(linear, "etb::Program::open"))

    message = failure(linear, elf)

    assert message.startswith("run on corstone-300 (NPU beside QEMU): processor exception 6: undefined instruction")
    assert "    at etb::Program::open(" in message


def test_an_image_that_never_ends_is_stopped(linear: Image) -> None:
    """After run.timeout_s, and no QEMU is left."""
    offset, _ = undefined(linear, "etb::app::crc32")
    before = children()

    message = failure(linear, damaged(linear, b".text", offset, b"\xfe\xe7"), "2")

    assert message == (
        "run on corstone-300 (NPU beside QEMU): got no end after 2 s and 0 vectors, wanted one\n"
        "    raise run.timeout_s if it only needs longer"
    )
    assert children() == before


def test_an_access_to_the_npu_that_is_no_word_ends_the_run(linear: Image) -> None:
    """With the address of the instruction. The load of the driver's read is changed into one of a byte."""
    elf = linear.elf.read_bytes()
    at, _ = section(elf, b".text")
    read = "etb::port::open_npu(etb::npu::Npu const*&)::{lambda(void*, unsigned long)#1}::_FUN"
    function, _ = undefined(linear, read)
    load = elf.index(b"\x08\x68", at + function) - at  # ldr r0, [r1]

    message = failure(linear, damaged(linear, b".text", load, b"\x08\x78"))

    assert "the firmware at pc=0x1000" in message
    assert "NPU register 0x0: got an access of 1 bytes, wanted one aligned word" in message


@pytest.mark.parametrize(
    ("hurt", "problem"),
    [(signal.SIGKILL, "QEMU ended by itself, with signal 9, before the firmware did"), (signal.SIGSTOP, "")],
    ids=["killed", "stopped"],
)
def test_a_qemu_that_is_killed_or_hangs_ends_the_run(linear: Image, hurt: signal.Signals, problem: str) -> None:
    """One that hangs after the time limit; no QEMU is left."""
    before = children()
    offset, _ = undefined(linear, "etb::app::crc32")
    elf, board = damaged(linear, b".text", offset, b"\xfe\xe7"), board_of(linear)
    guest = session.Guest(["qemu-system-arm", *qemu_arguments(board, elf)], board, linear.npu, elf)
    with tempfile.TemporaryFile() as output, session.Machine(guest, output) as machine:
        assert machine.qemu.process is not None
        threading.Timer(0.5, os.kill, (machine.qemu.process.pid, hurt)).start()

        ending = session.Runner(machine).run(time.monotonic() + 3)

    assert ending.problem == problem
    assert (ending.code is None) == (hurt == signal.SIGSTOP)
    assert children() == before


def test_a_qemu_that_does_not_start_is_a_clear_error(linear: Image) -> None:
    """What it printed is in the output."""
    board = board_of(linear)
    with tempfile.TemporaryFile() as output:
        with pytest.raises(StepError, match="QEMU ended before the firmware started"):
            session.run(session.Guest(["qemu-system-arm", "-machine", "none-such"], board, "", linear.elf), output, 5)
        output.seek(0)
        assert b"unsupported machine type" in output.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_step_that_is_ended_leaves_no_qemu(linear: Image, number: signal.Signals) -> None:
    """By Ctrl-C, or by kill -9, after which it can do nothing itself."""
    offset, _ = undefined(linear, "etb::app::crc32")
    elf = damaged(linear, b".text", offset, b"\xfe\xe7")
    command = [sys.executable, "-m", "etbuild.steps.run", *options(linear, elf, "60")]
    process = subprocess.Popen(
        command,
        cwd=linear.folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=ends_with_parent(),
    )

    def qemus() -> list[int]:
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(one) for one in listed if b"qemu" in Path(f"/proc/{one}/cmdline").read_bytes()]

    qemu = awaited(qemus)
    os.kill(process.pid, number)

    assert process.wait(30) != 0
    limit = time.monotonic() + 20
    while any(Path(f"/proc/{one}/exe").exists() for one in qemu):
        assert time.monotonic() < limit


def test_a_machine_without_a_place_for_the_npu_is_a_usage_error(linear: Image) -> None:
    """Named, with those that have one."""
    board = board_of(linear)
    qemu = board.simulators.qemu
    assert qemu is not None
    other = replace(board, simulators=replace(board.simulators, qemu=replace(qemu, machine="mps2-an505")))

    with pytest.raises(UsageError, match="corstone-300: got machine mps2-an505, wanted mps3-an547"):
        simulated(linear, other)


def awaited(found: Callable[[], list[int]]) -> list[int]:
    """What is found within half a minute."""
    for _ in range(300):
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError("nothing was found")
