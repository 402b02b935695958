"""Where clients and compile server meet, and messages that are none."""

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from running_server import socket_path

from etbuild.build_engine.server import client, protocol
from etbuild.steps.server import SERVER


@pytest.mark.usefixtures("run_folder")
def test_doit_and_the_command_line_find_the_same_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though doit puts the project's folder first in its sys.path, where a script has its own."""
    before = socket_path()

    monkeypatch.syspath_prepend(tmp_path)

    assert socket_path() == before


@pytest.mark.usefixtures("run_folder")
def test_another_name_of_the_interpreter_finds_the_same_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts of one environment may begin with python or with python3."""
    (tmp_path / "python").symlink_to(sys.executable)
    before = socket_path()

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert socket_path() == before


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONOPTIMIZE", "OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES"]
)
def test_a_client_whose_imports_would_differ_gets_another_server(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read once, when the compilers are imported, is part of a server's name."""
    before = socket_path()

    monkeypatch.setenv(name, "1")

    assert socket_path() != before


def test_a_folder_that_others_can_see_is_refused(run_folder: Path) -> None:
    """A socket there could be somebody else's."""
    (run_folder / "etbuild").mkdir(mode=0o755)
    (run_folder / "etbuild").chmod(0o755)

    with pytest.raises(PermissionError, match="wanted ours, 700"):
        protocol.private_folder()


def test_a_run_time_folder_of_another_user_is_not_used(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo passes on the variable: a folder that root creates there would lock the user out until the next boot."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)

    with pytest.raises(PermissionError, match=f"^{tmp_path}/etbuild-{uid + 1}: "):
        protocol.private_folder()
    assert list(run_folder.iterdir()) == []


def test_a_run_time_folder_that_cannot_be_created_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has logged in: the folder for temporary files is used."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file/run"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert protocol.private_folder() == tmp_path / f"etbuild-{os.getuid()}"


def test_a_run_time_folder_with_a_path_too_long_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Unix socket's path has at most 107 bytes."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 25)))
    monkeypatch.setattr("tempfile.tempdir", "/tmp")

    folder = protocol.private_folder()

    assert folder == Path(f"/tmp/etbuild-{os.getuid()}")


@pytest.mark.usefixtures("server")
def test_a_malformed_message_harms_no_other_client() -> None:
    """The next client is served."""
    deep = (200_000).to_bytes(4, "little") + b"[" * 200_000
    for malformed in (b"", b"\xff\xff\xff\xff", b"\x05\x00\x00\x00hello", b"\x02\x00\x00\x00[]", deep):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(socket_path()))
            connection.sendall(malformed)

    assert client.ask(SERVER, "status") is not None


def test_a_client_that_stops_sending_leaves_no_descriptor(tmp_path: Path) -> None:
    """Descriptors that came with its first bytes are closed again."""
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "log").open("wb") as log:
        socket.send_fds(ours, [b"\x09\x00"], [log.fileno()])
        theirs.settimeout(0.01)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(TimeoutError):
            protocol.receive(theirs)

        assert len(list(Path("/proc/self/fd").iterdir())) == before
