"""Consoles that are memory: SEGGER's RTT and Linux's trace buffer. They are read from QEMU's memory while it runs."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from images import build

from etbuild.firmware.board_files import qemu_arguments
from etbuild.firmware.protocol import Transcript, read_transcript
from etbuild.firmware.toolchain import run_tool
from etbuild.hardware.boards import load_board
from etbuild.system import tools
from etbuild.system.parent import ends_with_parent

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]
TRACE = """\
extends: qemu-mps3-an547
memory:
  dtcm: {size: 256 KiB}
  trace: {address: 0x30040000, size: 64 KiB, npu: false}
uart: {kind: remoteproc-trace, region: trace, address: null}
semihosting: false
"""
RTT = "extends: qemu-mps3-an547\nuart: {kind: rtt, buffer: BUFFER, address: null}\nsemihosting: SEMIHOSTING\n"
LIMIT_S = 60


def read_memory(elf: Path, board: Path, first: int, size: int, done: Callable[[bytes], bool]) -> bytes:
    """The content of the guest's memory as soon as `done` says so of it."""
    ours, its = socket.socketpair()
    with ours, its:
        monitor = ("-chardev", f"socket,id=qmp,fd={its.fileno()}", "-qmp", "chardev:qmp")
        command = [str(tools.program("qemu-system-arm")), *qemu_arguments(load_board(board), elf), *monitor]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], preexec_fn=ends_with_parent()
        )
        its.close()
        try:
            return _polled(ours, elf.parent / "memory", {"val": first, "size": size, "cpu-index": 0}, done)
        finally:
            process.kill()
            process.wait()


def _polled(monitor: socket.socket, file: Path, place: dict[str, int], done: Callable[[bytes], bool]) -> bytes:
    monitor.settimeout(LIMIT_S)
    lines = monitor.makefile("rw")
    lines.readline()

    def execute(command: str, **values: object) -> None:
        lines.write(json.dumps({"execute": command, "arguments": values}) + "\n")
        lines.flush()
        while "return" not in (answer := json.loads(lines.readline())):
            assert "error" not in answer, answer

    execute("qmp_capabilities")
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        execute("memsave", filename=str(file), **place)
        if done(content := file.read_bytes()):
            return content
        time.sleep(0.05)
    raise AssertionError("memory never had what was expected")


def ended(text: bytes) -> Transcript:
    """The transcript of text without a problem."""
    transcript = read_transcript(text)
    assert (transcript.problem, transcript.exit) == ("", 0)
    return transcript


def is_complete(text: bytes) -> bool:
    return not read_transcript(text).problem


def test_a_trace_buffer_has_all_frames_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to its first zero byte, as Linux reads it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(TRACE)
    image = build(tmp_path, "linear_cpu.pte", "", "mine.yaml")

    def text(memory: bytes) -> bytes:
        return memory.partition(b"\0")[0]

    memory = read_memory(
        image.elf, tmp_path / "mine.yaml", 0x30040200, (64 << 10) - 0x210, lambda memory: is_complete(text(memory))
    )

    assert len(ended(text(memory)).vectors) == 3


def test_a_probe_finds_the_control_block_and_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name once in memory, one buffer up and none down, flags 2: the target waits while it is full."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RTT.replace("BUFFER", "32 KiB").replace("SEMIHOSTING", "false"))
    image = build(tmp_path, "linear_cpu.pte", "", "mine.yaml")
    symbols = run_tool(["arm-none-eabi-nm", str(image.elf)]).splitlines()
    block = next(int(line.split()[0], 16) for line in symbols if line.endswith(" _SEGGER_RTT")) - 0x30000000
    base = 0x30000000

    def text(memory: bytes) -> bytes:
        address, size, written = struct.unpack_from("<3I", memory, block + 28)
        return memory[address - base : address - base + written] if size == 32 << 10 else b""

    memory = read_memory(image.elf, tmp_path / "mine.yaml", base, 128 << 10, lambda memory: is_complete(text(memory)))

    assert memory.count(b"SEGGER RTT") == 1
    assert memory[block : block + 16] == b"SEGGER RTT\0\0\0\0\0\0"
    name, _, size, _, read, flags = struct.unpack_from("<6I", memory, block + 24)
    assert (struct.unpack_from("<2I", memory, block + 16), size, read, flags) == ((1, 0), 32 << 10, 0, 2)
    assert name
    assert len(ended(text(memory)).vectors) == 3


def test_a_firmware_ends_without_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is lost, it waits once, and its exit code is that of a run that succeeded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(RTT.replace("BUFFER", "256").replace("SEMIHOSTING", "true"))
    image = build(tmp_path, "linear_cpu.pte", "", "mine.yaml")

    arguments = qemu_arguments(load_board(tmp_path / "mine.yaml"), image.elf)
    done = subprocess.run(
        [str(tools.program("qemu-system-arm")), *arguments],
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_S,
        preexec_fn=ends_with_parent(),
    )

    assert done.returncode == 0
