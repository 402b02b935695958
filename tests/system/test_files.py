"""Waiting for another process is told after a while."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etbuild.system import files
from etbuild.system.files import hold

HOLDER = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it is told to end."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_lock_that_is_free_is_taken_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The usual case."""
    with (tmp_path / "lock").open("w") as file:
        hold(file, "lower:net")

    assert capsys.readouterr() == ("", "")


def test_whoever_waits_long_is_told_what_for(
    tmp_path: Path,
    holder: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the lock is taken, when its holder ends."""
    monkeypatch.setattr(files, "TELL_S", 0.01)
    said: list[str] = []
    told = threading.Event()

    def take_down(text: str, **_: object) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr(files, "print", take_down, raising=False)
    with (tmp_path / "lock").open("w") as file:
        waiting = threading.Thread(target=hold, args=(file, "lower:net"))
        waiting.start()
        seen = told.wait(10)
        holder.communicate("\n")
        waiting.join(10)

    assert seen and not waiting.is_alive()
    assert said == ["lower:net: waiting for another build that does it"]
