"""Locks between processes: a process that waits for long prints what it waits for."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etbuild.system import files
from etbuild.system.files import lock

HOLDER = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it reads a line."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_is_taken_without_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The usual case."""
    with (tmp_path / "lock").open("w") as file:
        lock(file, "lower:net")

    assert capsys.readouterr() == ("", "")


def test_a_process_that_waits_for_long_prints_what_for(
    tmp_path: Path,
    holder: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It gets the lock when the holder ends."""
    monkeypatch.setattr(files, "WAIT_MESSAGE_S", 0.01)
    messages: list[str] = []
    printed = threading.Event()

    def record(text: str, **_: object) -> None:
        messages.append(text)
        printed.set()

    monkeypatch.setattr(files, "print", record, raising=False)
    with (tmp_path / "lock").open("w") as file:
        waiting = threading.Thread(target=lock, args=(file, "lower:net"))
        waiting.start()
        seen = printed.wait(10)
        holder.communicate("\n")
        waiting.join(10)

    assert seen and not waiting.is_alive()
    assert messages == ["lower:net: waiting for another build that runs it"]
