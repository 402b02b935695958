"""`doit view:R`: what is wrong is said before Model Explorer is started; tests/steps starts the real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from built_project import FakeProject


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "80.5"])
def test_a_wrong_port_is_named_before_anything_runs(project: FakeProject, port: str) -> None:
    """Exit code 2."""
    done = project.doit("view:net", f"--port={port}")

    wanted = f'--port: got "{port}", wanted a whole number of 1 to 65535\n    doit view:R --port 8081\n'
    assert (done.returncode, done.stdout, done.stderr, project.ran()) == (2, "", wanted, set())


def test_a_port_of_another_program_is_named(project: FakeProject) -> None:
    """Exit code 2, and nothing is installed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = project.doit("view:net@ethos-u55-128", "--port", str(port), "--no-browser")

    assert done.returncode == 2
    assert done.stderr.startswith(f"--port: got {port}, which another program uses, wanted a free one\n")


def test_without_a_package_index_the_message_says_what_is_missing(tmp_path: Path) -> None:
    """Exit code 3, with what pip printed; the next attempt begins anew."""
    folder = tmp_path / "build/net/ethos-u55-128"
    folder.mkdir(parents=True)
    (folder / "layers.json").write_text('{"layers": []}')
    (folder / "model.pte").write_bytes(b"a program")
    own = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "etbuild.report.view", "--folder", folder, "--profile", tmp_path, "--no-browser"]

    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert done.stderr.startswith("view: Model Explorer: got exit code 1 of pip, wanted its packages installed\n")
    assert "try again when it can be reached\n    | " in done.stderr
    assert "No matching distribution found" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "cache").rglob("installed")) == []
