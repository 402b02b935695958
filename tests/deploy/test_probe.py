"""Transport probe: QEMU's gdb stub is loaded by gdb's protocol; pyocd and JLinkExe are recording fakes."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import NEEDS_TOOLS, Lab, qemu
from vendor import Vendor

from etbuild.deploy import gdb_server
from etbuild.deploy.gdb_server import GdbServer, Segment, first_words, segments
from etbuild.errors import StepError

pytestmark = [pytest.mark.e2e, NEEDS_TOOLS]

GDB = "{transport: probe, probe: {program: gdb}}"
PYOCD = "{transport: probe, probe: {program: pyocd, target: cm55}, console: rtt}"
JLINK = "{transport: probe, probe: {program: jlink, target: AE822_M55_HP}, console: rtt}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def stopped_board() -> Iterator[tuple[int, int]]:
    """QEMU without any firmware, stopped; the ports of its gdb stub and of its console."""
    gdb, console = free_port(), free_port()
    serial = f"tcp:127.0.0.1:{console},server=on,wait=off"
    icount = "shift=0,align=off,sleep=off"
    server = f"tcp:127.0.0.1:{gdb}"
    semihosting = "enable=on,target=gdb"
    with qemu("-S", "-gdb", server, "-serial", serial, "-icount", icount, "-semihosting-config", semihosting):
        # The console is there before the stub. It is not tried: QEMU would lose bytes to a connection that was closed.
        wait_for(gdb)
        yield gdb, console


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            threading.Event().wait(0.05)
    raise AssertionError(f"nothing listens on {port}")


@pytest.mark.parametrize("reset", ["", "system_reset"])
def test_an_image_is_loaded_through_a_gdb_server_and_runs(lab: Lab, reset: str) -> None:
    """Its registers are set, or the server resets the processor."""
    with stopped_board() as (gdb, console):
        lab.place(f"{{gdb: 'localhost:{gdb}', serial: 'socket://localhost:{console}'}}")

        assert lab.run(GDB.replace("gdb}", f"gdb, reset: '{reset}'}}")) == 0

    report = json.loads(Path("run.json").read_text())
    assert (report["runner"], report["vectors"], report["bit_exact"]) == ("lab", 3, 3)


def test_segments_are_those_of_the_file(lab: Lab) -> None:
    """At physical addresses; the first words of the code are stack and entry."""
    parts = segments(lab.elf)
    stack, entry = first_words(lab.elf, 0x10000000)

    assert parts[0].address == 0x10000000
    assert 0x30000000 < stack <= 0x30080000
    assert 0x10000000 < entry < 0x10080000 and entry & 1
    assert struct.unpack_from("<2I", parts[0].data) == (stack, entry)


def test_no_gdb_server_is_a_message(lab: Lab) -> None:
    """With how to start one."""
    port = free_port()

    message = lab.failure(GDB, "--gdb", f"localhost:{port}", "--serial", "loop://")

    assert message == (
        f"localhost:{port}: got `Connection refused`, wanted a gdb server\n"
        "    start it: pyocd gdbserver, openocd, JLinkGDBServer, or qemu-system-arm -gdb tcp::PORT"
    )


def test_a_gdb_server_without_a_place_is_a_message(lab: Lab) -> None:
    """Exit code 2: nothing failed."""
    assert lab.failure(GDB, "--serial", "loop://") == (
        "lab: gdb: got nothing, wanted where the board is\n"
        "    set ETBUILD_BOARD_GDB, or gdb of the board in ~/.config/etbuild/boards.yaml, or deploy: {gdb: ...} in the"
        " recipe"
    )


def test_memory_that_is_not_there_is_a_message() -> None:
    """The address is no RAM."""
    with stopped_board() as (port, _):
        server = GdbServer(f"localhost:{port}")
        with pytest.raises(StepError) as caught:
            server.load([Segment(0xF0000000, b"1234")])
        server.close()

    assert "0xf0000000" in str(caught.value)


def test_a_gdb_server_that_dies_in_the_middle_is_a_message(lab: Lab) -> None:
    """The probe's cable is pulled."""
    with stopped_board() as (port, _):
        server = GdbServer(f"localhost:{port}")
    with pytest.raises(StepError) as caught:
        server.load([Segment(0x10000000, b"1234" * 4096)])
    server.close()

    assert str(caught.value).startswith(f"localhost:{port}: got `") and "in the middle" in str(caught.value)


def test_a_gdb_server_that_is_silent_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another debugger may use it."""
    monkeypatch.setattr(gdb_server, "LIMIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StepError) as caught:
        GdbServer(f"127.0.0.1:{silent.getsockname()[1]}")

    assert "got no answer within 0.3 s, wanted a gdb server\n" in str(caught.value)


@pytest.fixture
def vendor(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    return Vendor(lab.root / "bin", monkeypatch)


@pytest.mark.parametrize(
    ("section", "writer", "reader", "words"),
    [
        (PYOCD, "pyocd", "pyocd", "load --no-wait --target cm55 --frequency 4000000 "),
        (
            JLINK,
            "JLinkExe",
            "JLinkRTTLogger",
            "-Device AE822_M55_HP -If SWD -Speed 4000 -AutoConnect 1 -ExitOnError 1 ",
        ),
    ],
)
def test_a_probe_writes_the_hex_file_and_rtt_is_the_console(
    lab: Lab, vendor: Vendor, section: str, writer: str, reader: str, words: str
) -> None:
    """The frames are those that QEMU prints, through the program's output."""
    vendor.add(writer, says="Programming done")
    vendor.add(reader, says="Programming done", console=lab.console())

    assert lab.run(section) == 0

    first = vendor.calls(writer)[0]
    assert first.startswith(words)
    assert "firmware.hex" in first or 'firmware.hex"\nr\ng\nexit' in vendor.script


def test_a_serial_number_chooses_the_probe(lab: Lab, vendor: Vendor) -> None:
    """From the environment, the user's file or the recipe."""
    vendor.add("pyocd")

    assert lab.deploy(PYOCD, "--probe", "0080100") == 0

    assert "--uid 0080100" in vendor.calls("pyocd")[0]


@pytest.mark.parametrize(
    ("section", "program", "says", "code", "expected"),
    [
        (
            PYOCD,
            "pyocd",
            "No available debug probes are connected",
            0,
            "No available debug probes are connected` and exit",
        ),
        (PYOCD, "pyocd", "0000714 C No ACK received [__main__]", 1, "`0000714 C No ACK received [__main__]`"),
        (JLINK, "JLinkExe", "Cannot connect to target.", 0, "`Cannot connect to target.` and exit code 0"),
        (JLINK, "JLinkExe", "Connecting to J-Link via USB...FAILED: x", 0, "FAILED: x` and exit code 0"),
        (JLINK, "JLinkExe", "O.K.", 3, "got exit code 3"),
    ],
)
def test_a_probe_that_fails_is_a_message_whatever_its_exit_code(
    lab: Lab, vendor: Vendor, section: str, program: str, says: str, code: int, expected: str
) -> None:
    """With the command, its last lines, and what to look at."""
    vendor.add(program, says=says, code=code)

    message = lab.failure(section)

    assert message.startswith(f"{program}: got ") and expected in message
    assert f"\n    | {says}\n" in message
    assert f"\n    {program} " in message


def test_a_program_that_is_not_installed_is_exit_code_3(lab: Lab, vendor: Vendor) -> None:
    """With where to get it."""
    vendor.only_these()

    message = lab.failure(JLINK)

    assert message == (
        "JLinkExe: got no such program on PATH, wanted one\n"
        "    J-Link Software from SEGGER; is the probe connected, and the board on?"
    )


def test_a_cable_that_is_pulled_while_rtt_is_read_is_noticed(lab: Lab, vendor: Vendor) -> None:
    """The program that reads it ends."""
    vendor.add("JLinkExe")
    vendor.add("JLinkRTTLogger", says="ERROR: Connection to J-Link lost", code=1)

    message = lab.failure(JLINK)

    assert message.startswith("JLinkRTTLogger: got `ERROR: Connection to J-Link lost`, wanted it to succeed\n")
    assert message.endswith("0 vectors were done\n    | ERROR: Connection to J-Link lost")
