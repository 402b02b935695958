"""What client and server of the warm compile server say to each other, and where they meet. It imports no compiler.

One Unix stream socket a request. Every message is a 4-byte little-endian length and JSON; the first of a step carries
two descriptors (the log, and the sandbox's lock). Closing the socket is how a client stops its step.
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

from etbuild.system import tools

MESSAGE_BYTES = 4 << 20
# Of the 107 bytes of a Unix socket's path what is left beside "/etbuild/", a name of 16 digits and ".<process>".
FOLDER_BYTES = 107 - 9 - 16 - 11
# Read by native libraries or Python when they are loaded, so a server serves only those who set them alike.
NATIVE_SETTINGS = (
    *("OMP_", "MKL_", "KMP_", "GOMP_", "TORCH", "PYTORCH", "LD_", "MALLOC_", "ATEN_", "ONEDNN_", "DNNL_", "OPENBLAS_"),
    *("NPY_", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE"),
)


def socket_path(environment: Mapping[str, str]) -> Path:
    """Where the server for this interpreter, these packages and these settings listens; its folder is private.

    raises: OSError when the folder is not ours alone.
    """
    settings = sorted((name, value) for name, value in environment.items() if name.startswith(NATIVE_SETTINGS))
    path = environment.get("PYTHONPATH", "")
    # By what it is, not by which of its names (python, python3) started this process.
    interpreter = [sys.prefix, os.path.realpath(sys.executable), sys.version]
    identity = json.dumps([interpreter, path, tools.installed(), _own_source(), settings])
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return private_folder() / f"{name}.sock"


def private_folder() -> Path:
    """The user's own run-time folder for servers, made with mode 0700.

    raises: PermissionError when somebody else owns it or can look into it.
    """
    folder = _run_time_folder() or Path(tempfile.gettempdir()) / f"etbuild-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{folder}: got owner {status.st_uid}, mode {status.st_mode & 0o777:o}, wanted ours, 700")
    return folder


def _run_time_folder() -> Path | None:
    """Below XDG_RUNTIME_DIR, if that is ours: sudo hands on the user's, and su leads to one that was never made.

    None also where a socket's path would be longer than the system takes.
    """
    base = tools.variable("XDG_RUNTIME_DIR")
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
    if sent < len(data):  # To send nothing is an error where the other side has answered and gone.
        connection.sendall(data[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, object], list[int]]:
    """One message and the descriptors that came with it.

    raises: ConnectionError when the other side went away, ValueError when it said something else.
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
        raise ValueError("a message without end of brackets") from error
    if not isinstance(message, dict):
        raise ValueError("a message that is not an object")
    return message


def _some(connection: socket.socket, count: int) -> bytes:
    data = connection.recv(min(count, 1 << 16))
    if not data:
        raise ConnectionError("the other side closed")
    return data


def _own_source() -> list[str]:
    """The server's own code: a change of it needs a new server, a change of a step does not."""
    folder = Path(__file__).parent
    rehearsal = folder.parent / "data/rehearsal"
    files = [*sorted(folder.glob("*.py")), folder.parent / "stack.py", folder.parent / "tuning.py"]
    files += [rehearsal / "small.yaml", rehearsal / "models/small.py"]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
