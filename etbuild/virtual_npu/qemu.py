"""QEMU as a child process with its gdb stub, machine protocol and test protocol connected, its main memory shared.

It makes no file and no name in the file system: sockets and memory are passed to QEMU as open files.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.system.parent import ends_with_parent
from etbuild.virtual_npu.gdb_client import GdbClient
from etbuild.virtual_npu.memory import Shared
from etbuild.virtual_npu.packets import ConnectionEndedError, Stream
from etbuild.virtual_npu.qemu_clients import Qmp, Qtest

if TYPE_CHECKING:
    from etbuild.virtual_npu.machines import Machine

# Of one answer of QEMU, which takes microseconds on an idle machine.
ANSWER_S = 60.0
_NAMES = {"gdb": "QEMU's gdb stub", "qmp": "QEMU's machine protocol", "qtest": "QEMU's test protocol"}
_SERIAL = "uart"
_STORE = b"\x01\x60"  # str r1, [r0]


class Qemu:
    """A QEMU that stands before its first instruction. As a context it ends QEMU, whatever happens; if this process is
    killed, or the thread that made it ends, the kernel ends it.

    arguments: QEMU's program and its arguments for the board and the firmware.
    output:    gets what the firmware and QEMU print.
    prepare:   called in the child process before QEMU starts.
    serial:    connect the machine's second UART, and switch it on.
    raises:    StepError when QEMU ends at once, or does not answer.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        machine: Machine,
        output: IO[Any],
        prepare: Callable[[], None] | None = None,
        answer_s: float = ANSWER_S,
        serial: bool = False,
    ) -> None:
        pairs = {name: socket.socketpair() for name in (*_NAMES, *([_SERIAL] if serial else []))}
        memory = os.memfd_create("ram", os.MFD_CLOEXEC)
        self._open = [end for pair in pairs.values() for end in pair]
        self._memory = memory
        self._serial: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        try:
            os.ftruncate(memory, machine.ram_bytes)
            files = {name: pair[1].fileno() for name, pair in pairs.items()}
            self.process = subprocess.Popen(
                [*arguments, *_connections(files, memory, machine.ram_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_parent(prepare),
                pass_fds=[*files.values(), memory],
            )
            for pair in pairs.values():
                pair[1].close()
            streams = {name: Stream(pairs[name][0], label, answer_s) for name, label in _NAMES.items()}
            self.shared = Shared(memory, machine.ram, machine.ram_bytes)
            self.qmp = Qmp(streams["qmp"])
            self.processor = GdbClient(streams["gdb"])
            self.processor.start()
            self.qtest = Qtest(streams["qtest"])
            if serial:
                self._open_serial(pairs[_SERIAL][0], machine.serial)
        except ConnectionEndedError as error:
            self.close()
            raise StepError("QEMU ended before the firmware started") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Qemu:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def received(self) -> bytes:
        """What the machine's second UART has sent since the last call; b"" without it."""
        data = b""
        with suppress(BlockingIOError, ConnectionError):
            while self._serial is not None and (part := self._serial.recv(1 << 16)):
                data += part
        return data

    def _open_serial(self, connection: socket.socket, data: int) -> None:
        """CTRL and BAUDDIV of the CMSDK UART whose data register this is."""
        connection.setblocking(False)
        self._serial = connection
        for offset, value in ((16, 16), (8, 1)):
            # By the processor: registers of devices take nothing from a debugger.
            self.processor.execute(_STORE, ANSWER_S, data + offset, value)

    def ended(self, limit_s: float) -> int | None:
        """The exit code of a QEMU that is about to end; None if it does not within the limit."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(limit_s)
        return None

    def close(self) -> None:
        """Kill it with its children, and give everything back."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for end in self._open:
            end.close()
        if self._memory >= 0:
            os.close(self._memory)
        self._memory, self._serial = -1, None


def _connections(files: dict[str, int], memory: int, memory_bytes: int) -> list[str]:
    """QEMU's arguments for open files; -qtest wants a device of its own name."""
    labels = {name: "qtest" if name == "qtest" else f"npu-{name}" for name in files}
    sockets = [text for name, file in files.items() for text in ("-chardev", f"socket,id={labels[name]},fd={file}")]
    backend = f"memory-backend-file,id=npu-ram,size={memory_bytes},mem-path=/proc/self/fd/{memory},share=on"
    return [
        *sockets,
        *("-gdb", "chardev:npu-gdb", "-mon", "chardev=npu-qmp,mode=control"),
        *("-qtest", "chardev:qtest", "-qtest-log", "none"),
        *(("-serial", f"chardev:npu-{_SERIAL}") if _SERIAL in files else ()),
        *("-object", backend, "-machine", "memory-backend=npu-ram", "-S"),
    ]
