"""The messages between client and compile server, and the path of the socket where they meet. It imports no compiler.

One Unix stream socket a request. Every message is a 4-byte little-endian length and JSON; the first one of a step
carries two descriptors (the log, and the lock of the sandbox). Closing the socket is how a client cancels its step.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from etbuild import PACKAGE
from etbuild.system import environment, tools
from etbuild.system.files import sha256

MESSAGE_BYTES = 4 << 20
# The owner's right to read a socket means nothing to the system; a server sets it when it begins to answer.
SERVES = 0o400
# A Unix socket's path has at most 107 bytes; this is what remains after "/etbuild/", 16 digits and ".<process>".
FOLDER_BYTES = 107 - 9 - 16 - 11
# Read by native libraries or Python when they are loaded, so a server only serves clients with equal values.
NATIVE_SETTINGS = (
    *("OMP_", "MKL_", "KMP_", "GOMP_", "TORCH", "PYTORCH", "LD_", "MALLOC_", "ATEN_", "ONEDNN_", "DNNL_", "OPENBLAS_"),
    *("NPY_", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE"),
)


class ServerSpec(NamedTuple):
    """A compile server's program. module: `python -m MODULE --socket PATH`.

    sources: its files and folders (of .py files), relative to the package; changed content needs another server.
    """

    module: str
    sources: tuple[str, ...]


def socket_path(spec: ServerSpec, variables: Mapping[str, str]) -> Path:
    """Where the server for this interpreter, these packages and these variables listens; its folder is private.

    raises: OSError when the folder is not ours alone.
    """
    settings = sorted((name, value) for name, value in variables.items() if name.startswith(NATIVE_SETTINGS))
    path = variables.get("PYTHONPATH", "")
    # The real executable, not the name (python, python3) that started this process.
    interpreter = [sys.prefix, os.path.realpath(sys.executable), sys.version]
    identity = json.dumps([interpreter, path, tools.installed(), spec.module, _digests(spec), settings])
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return private_folder() / f"{name}.sock"


def serves(path: Path) -> bool:
    """Whether the server of this socket has done its imports; until then it does not answer."""
    try:
        return bool(path.stat().st_mode & SERVES)
    except OSError:
        return False


def private_folder() -> Path:
    """The user's own run-time folder for servers, created with mode 0700.

    raises: PermissionError when somebody else owns it or can look into it.
    """
    folder = _run_time_folder() or Path(tempfile.gettempdir()) / f"etbuild-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{folder}: got owner {status.st_uid}, mode {status.st_mode & 0o777:o}, wanted ours, 700")
    return folder


def _run_time_folder() -> Path | None:
    """Below XDG_RUNTIME_DIR, if that is ours: sudo passes on the user's, and su one that was never created.

    None also where a socket's path would be longer than the system allows.
    """
    base = environment.variable("XDG_RUNTIME_DIR")
    if base is None or len(os.fsencode(base)) > FOLDER_BYTES:
        return None
    try:
        Path(base).mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(base) / "etbuild" if Path(base).stat().st_uid == os.getuid() else None
    except OSError:
        return None


def send(connection: socket.socket, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
    data = json.dumps(message).encode()
    data = len(data).to_bytes(4, "little") + data
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
    sent = connection.sendmsg([data], ancillary)
    if sent < len(data):  # Sending nothing is an error when the other side has answered and closed.
        connection.sendall(data[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, object], list[int]]:
    """One message and the descriptors that came with it.

    raises: ConnectionError when the other side closed, ValueError for anything but a message.
    """
    size = array("i").itemsize
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(4 * size))
    descriptors = array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % size])
    try:
        while len(head) < 4:
            head += _some(connection, 4 - len(head))
        length = int.from_bytes(head, "little")
        if length > MESSAGE_BYTES:
            raise ValueError(f"a message of {length} bytes")
        body = b""
        while len(body) < length:
            body += _some(connection, length - len(body))
        message = _parsed(body)
    except (OSError, ValueError):
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return message, list(descriptors)


def _parsed(body: bytes) -> dict[str, object]:
    try:
        message = json.loads(body)
    except RecursionError as error:
        raise ValueError("a message nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("a message that is not an object")
    return message


def _some(connection: socket.socket, count: int) -> bytes:
    data = connection.recv(min(count, 1 << 16))
    if not data:
        raise ConnectionError("the other side closed")
    return data


def _digests(spec: ServerSpec) -> list[str]:
    files: list[Path] = []
    for source in (PACKAGE / name for name in spec.sources):
        files += sorted(source.rglob("*.py")) if source.is_dir() else [source]
    return [sha256(file) for file in files]
