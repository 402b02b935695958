"""A stopped firmware with a gdb server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from images import build

from etbuild.firmware.gdb import gdb_command
from etbuild.firmware.select_sources import RUNTIME
from etbuild.system.parent import ends_with_parent


def test_the_command_for_gdb_can_be_pasted() -> None:
    """gdb finds the runtime's sources and stops at the start of the application."""
    assert gdb_command(Path("build/net/firmware.elf"), 1234) == [
        *("gdb-multiarch", "build/net/firmware.elf"),
        *("-ex", f"directory {RUNTIME.parent}"),
        *("-ex", "target remote 127.0.0.1:1234"),
        *("-ex", "break etb::app::run"),
        *("-ex", "continue"),
    ]


@pytest.mark.e2e
@pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU on this machine")
def test_qemu_answers_a_debugger_before_the_first_instruction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends when the debugger kills it."""
    monkeypatch.chdir(tmp_path)
    image = build(tmp_path, "linear_u55.pte")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "etbuild.firmware.gdb", "--elf", str(image.elf), "--board", image.board]

    words, prepare = [*command, "--port", str(port)], ends_with_parent()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(2)]
        answer = ask(port)
        process.wait(10)
    finally:
        process.kill()
        process.stdout.close()

    assert printed[0].startswith(f"QEMU waits for gdb on port {port}")
    assert answer.startswith(b"+$T")


def ask(port: int) -> bytes:
    """The reason why the target stopped; QEMU is then ended."""
    for attempt in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as gdb:
                gdb.sendall(b"$?#3f")
                answer = b""
                while b"#" not in answer:
                    answer += gdb.recv(100)
                gdb.sendall(b"+$k#6b")
                return answer
        except ConnectionRefusedError:
            if attempt == 199:
                raise
            wait_a_moment()
    raise AssertionError("unreachable")


def wait_a_moment() -> None:
    """Wait 50 ms for QEMU to listen."""
    import select

    select.select([], [], [], 0.05)
