"""A debugger on a firmware whose NPU is beside QEMU, as `doit debug` starts it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etbuild.firmware.protocol import read_transcript
from etbuild.system.parent import ends_with_parent
from etbuild.virtual_npu.gdb_client import GdbClient
from etbuild.virtual_npu.gdb_link import Stop
from etbuild.virtual_npu.packets import Stream
from tests.firmware.images import Image, build, undefined

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]
TEXT = 0x10000000
SOFTWARE = 0


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield build(folder, "linear_u55.pte", board="corstone-300")


@contextmanager
def served(image: Image) -> Iterator[tuple[subprocess.Popen[bytes], GdbClient]]:
    """The server's process, and a debugger that is connected to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "etbuild.firmware.gdb", "--elf", str(image.elf), "--board", image.board]
    command += ["--driver", image.driver, "--npu", image.npu, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, preexec_fn=ends_with_parent())
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(2)]
        assert printed[0].startswith(f"QEMU waits for gdb on port {port}".encode())
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            client = GdbClient(Stream(connection, "server", 30))
            client.start()
            yield process, client
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def soon() -> float:
    return time.monotonic() + 30


def address_of(image: Image, function: str) -> int:
    offset, _ = undefined(image, function)
    (vectors,) = [
        int(line.split()[3], 16)
        for line in subprocess.run(
            ["arm-none-eabi-readelf", "-S", "-W", image.elf], capture_output=True, text=True, check=True
        )
        .stdout.replace("[ ", "[")
        .splitlines()
        if " .text " in line
    ]
    return vectors + offset


def test_a_debugger_sees_its_own_stops_and_none_of_the_npus(linear: Image) -> None:
    """A breakpoint behind the first job, a step, and the end of the program; the results are those of any run."""
    with served(linear) as (process, debugger):
        behind = address_of(linear, "etb::port::npu_cycles")
        debugger.insert(SOFTWARE, 2, behind)
        debugger.resume()

        assert debugger.wait(soon()) == Stop(5)
        assert debugger.register("pc") == behind
        debugger.remove(SOFTWARE, 2, behind)
        debugger.resume(step=True)
        assert debugger.wait(soon()) == Stop(5)
        debugger.resume()
        assert debugger.wait(soon()) == Stop(0, exited=True)

        assert process.stdout is not None
        transcript = read_transcript(process.stdout.read())
        assert (process.wait(30), transcript.problem, len(transcript.vectors)) == (0, "", 3)


def test_a_step_over_an_access_to_the_npu_is_one_step(linear: Image) -> None:
    """The debugger stands behind the load, whose register has the value."""
    with served(linear) as (_, debugger):
        load = address_of(linear, "etb::port::open_npu(etb::npu::Npu const*&)::{lambda(void*, unsigned long)#1}::_FUN")
        debugger.insert(SOFTWARE, 2, load)
        debugger.resume()
        debugger.wait(soon())
        debugger.remove(SOFTWARE, 2, load)
        code = b""
        while code != b"\x08\x68":  # ldr r0, [r1]: ID
            code = debugger.read(debugger.register("pc"), 2)
            debugger.resume(step=True)
            assert debugger.wait(soon()).signal == 5

        assert debugger.register("r0") == 0x10104001


def test_ctrl_c_of_the_debugger_stops_the_firmware(linear: Image) -> None:
    """While it runs."""
    with served(linear) as (_, debugger):
        debugger.write(debugger.register("pc"), b"\xfe\xe7")  # a branch to itself
        debugger.resume()
        time.sleep(0.2)
        debugger.interrupt()

        assert debugger.wait(soon()).signal == 2


@pytest.mark.parametrize("how", ["kill", "hang up", "Ctrl-C"])
def test_no_qemu_is_left_when_the_debugger_goes(linear: Image, how: str) -> None:
    """Or when the user ends the server."""
    with served(linear) as (process, debugger):
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if how == "kill":
            debugger.send(b"k")
        elif how == "hang up":
            with socket.socket(fileno=os.dup(debugger.fileno())) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        else:
            process.send_signal(signal.SIGINT)
        process.wait(30)

        assert listed
        assert not any(Path(f"/proc/{one}").exists() for one in listed)
