"""A Linux board on loopback: an ssh server with a file tree that behaves like remoteproc, QEMU as its processor.

Its vices are those of the real one: `state` refuses what does not fit, an unknown firmware is an error of the write,
the trace buffer is a ring that is there only while the processor runs.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from etbuild.firmware.board_files import qemu_arguments
from etbuild.hardware.boards import board_file, load_board
from etbuild.system import tools
from etbuild.system.parent import ends_with_parent

PROC = "sys/class/remoteproc/remoteproc0"
DEBUG = "sys/kernel/debug/remoteproc/remoteproc0"
_ECHO = re.compile(r"^echo '?([^'>]*?)'? > (/sys/\S+)$")


@dataclass
class Behaviour:
    """Of the board. copy_delay_s: for each part of a copy; ring: bytes of the trace buffer; silent: nothing runs.
    keeps: a start leaves in the trace buffer what was there."""

    copy_delay_s: float = 0.0
    ring: int = 1 << 20
    silent: bool = False
    keeps: bool = False
    trace: bool = True
    stops: bool = True
    commands: list[str] = field(default_factory=list)


class RemoteProcessor:
    """The files of remoteproc below a folder, with what the kernel does on a write; QEMU is the processor."""

    def __init__(self, root: Path, behaviour: Behaviour):
        self.root, self.behaviour = root, behaviour
        self._running: subprocess.Popen[bytes] | None = None
        for folder in ("lib/firmware", PROC):
            (root / "tree" / folder).mkdir(parents=True)
        (self.tree / PROC / "state").write_text("offline\n")
        (self.tree / PROC / "firmware").write_text("rproc-imx-rproc-fw\n")

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def state(self) -> str:
        return (self.tree / PROC / "state").read_text().strip()

    def write(self, text: str, path: str) -> tuple[int, bytes, bytes]:
        """What the kernel does with a write to a file of remoteproc."""
        name, state = path.rpartition("/")[2], self.state
        if not (self.tree / path[1:]).exists():
            return 2, b"", b"sh: can't create " + path.encode() + b": nonexistent directory"
        if name == "firmware":
            if state != "offline":
                return _refused("Device or resource busy")
            (self.tree / path[1:]).write_text(text + "\n")
            return 0, b"", b""
        if text == "start":
            return self._start() if state == "offline" else _refused("Device or resource busy")
        if text == "stop" and state == "running":
            if self.behaviour.stops:
                self.end()
            return 0, b"", b""
        return _refused("Invalid argument")

    def _start(self) -> tuple[int, bytes, bytes]:
        elf = self.tree / "lib/firmware" / (self.tree / PROC / "firmware").read_text().strip()
        if not elf.is_file():
            return _refused("No such file or directory")
        if elf.read_bytes()[:4] != b"\x7fELF":
            return _refused("Invalid argument")
        (self.tree / PROC / "state").write_text("running\n")
        if self.behaviour.trace:
            (self.tree / DEBUG).mkdir(parents=True, exist_ok=True)
            (self.tree / DEBUG / "trace0").write_bytes(b"")
        if not self.behaviour.keeps:
            (self.root / "console").write_bytes(b"")
        if not self.behaviour.silent:
            file = board_file("qemu-mps3-an547")
            assert file is not None
            command = [str(tools.program("qemu-system-arm")), *qemu_arguments(load_board(file), elf)]
            with (self.root / "console").open("wb") as console:
                self._running = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=ends_with_parent(),
                )
        return 0, b"", b""

    def fill_trace(self) -> None:
        """The trace buffer as it is now: a ring with what the processor has printed."""
        file = self.tree / DEBUG / "trace0"
        if file.exists():
            printed, ring = (self.root / "console").read_bytes(), self.behaviour.ring
            text = bytearray(printed[:ring])
            for at in range(max(ring, len(printed) - ring), len(printed)):
                text[at % ring] = printed[at]
            file.write_bytes(text)

    def end(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None
        (self.tree / PROC / "state").write_text("offline\n")
        (self.tree / DEBUG / "trace0").unlink(missing_ok=True)


class LinuxBoard:
    """The server runs in a thread from `start` to `stop`."""

    def __init__(self, root: Path):
        self.root = root
        self.behaviour = Behaviour()
        self.port = 0
        self.key, self.known_hosts = root / "key", root / "known_hosts"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Any = None
        self._connections: list[Any] = []
        self._processor = RemoteProcessor(root, self.behaviour)

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def firmware(self) -> list[str]:
        """The names in /lib/firmware."""
        return sorted(file.name for file in (self.tree / "lib/firmware").iterdir())

    @property
    def state(self) -> str:
        return self._processor.state

    @property
    def place(self) -> str:
        """The settings of a user who may log in."""
        return f"{{host: root@127.0.0.1:{self.port}, key: {self.key}, known_hosts: {self.known_hosts}}}"

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)

    def stop(self) -> None:
        self._processor.end()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def drop(self) -> None:
        """Close every connection from the board's side, as a reboot does."""
        for connection in self._connections:
            self._loop.call_soon_threadsafe(connection.abort)

    async def _listen(self) -> None:
        host_key, client_key = (
            asyncssh.generate_private_key("ssh-ed25519"),
            asyncssh.generate_private_key("ssh-ed25519"),
        )
        client_key.write_private_key(str(self.key))
        self.key.chmod(0o600)
        client_key.write_public_key(str(self.root / "authorized"))
        board = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, connection: Any) -> None:
                board._connections.append(connection)

        self._server = await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(self.root / "authorized"),
            process_factory=self._process,
            encoding=None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        public = host_key.export_public_key().decode().strip()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")

    async def _close(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0.05)

    async def _process(self, process: Any) -> None:
        self.behaviour.commands.append(process.command)
        with suppress(asyncssh.Error, OSError, BrokenPipeError):
            code, output, error = await self._run(process)
            process.stdout.write(output)
            process.stderr.write(error)
            process.exit(code)

    async def _run(self, process: Any) -> tuple[int, bytes, bytes]:
        command = process.command
        if written := _ECHO.match(command):
            return await self._loop.run_in_executor(None, self._processor.write, *written.groups())
        if "/sys/kernel/debug" in command:
            self._processor.fill_trace()
        local = re.sub(r"(?<![\w.])/(lib|sys)/", rf"{self.tree}/\1/", command)
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-c", local),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert shell.stdin is not None
        if command.startswith("cat >"):
            while data := await process.stdin.read(16384):
                shell.stdin.write(data)
                await shell.stdin.drain()
                await asyncio.sleep(self.behaviour.copy_delay_s)
        shell.stdin.close()
        output, error = await shell.communicate()
        return shell.returncode or 0, output, error.replace(str(self.tree).encode(), b"")


def _refused(text: str) -> tuple[int, bytes, bytes]:
    return 1, b"", f"sh: write error: {text}".encode()
