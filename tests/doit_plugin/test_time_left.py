"""On a terminal doit says what is left of a long build; in a pipe it prints whole lines and nothing that moves."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

import pytest
from built_project import FakeProject

from etbuild.doit_plugin.time_left import TimeLeft, duration


def test_a_terminal_shows_what_is_left(project: FakeProject) -> None:
    """From the first second and a half of a step on; what ran before counts with its time, the others as new."""
    (project.root / "build/.etbuild/steps/vela.net@ethos-u55-128.json").unlink()
    (project.root / "recipes/data/calibration.npz").write_bytes(b"others")
    project.behave({"quantize:net@tosa-u55": "talk"})
    ours, its = pty.openpty()
    process = subprocess.Popen(
        project.command("vela:net"), cwd=project.root, env=project.environment, stdout=its, stderr=its, close_fds=True
    )
    os.close(its)
    shown = read_until(ours, b" steps left", 60)
    project.behave({})
    shown += read_until(ours, None, 60)
    os.close(ours)

    assert process.wait() == 0
    assert b"quantize:net@tosa-u55 " in shown
    assert b"3 of 3 steps left, about 0 s and 1 new" in shown


def read_until(terminal: int, word: bytes | None, limit_s: float) -> bytes:
    """What is printed up to the word, or up to the end."""
    shown, end = b"", time.monotonic() + limit_s
    while (word is None or word not in shown) and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # Linux, when the other side is closed.
                break
            if not part:
                break
            shown += part
    return shown + (os.read(terminal, 200) if word else b"")


def test_a_pipe_gets_lines_alone(project: FakeProject) -> None:
    """No carriage return and no escape sequence, however long it takes."""
    (project.root / "recipes/data/calibration.npz").write_bytes(b"others")
    project.behave({"quantize:net@tosa-u55": "wait"})

    printed = project.doit("vela:net").stdout

    assert ("\r" in printed, "\x1b" in printed, "steps left" in printed) == (False, False, False)


def test_time_left_is_of_the_steps_that_have_not_ended() -> None:
    """Less what the running ones have taken; those that run side by side share it."""
    left = TimeLeft()
    assert left.text({}, 0.0) == ""
    left._left, left._total = {"a": 10.0, "b": 30.0, "c": None}, 4

    assert left.text({"a": 100.0}, 104.0) == "3 of 4 steps left, about 36 s and 1 new"
    assert left.text({"a": 100.0, "b": 100.0}, 140.0) == "3 of 4 steps left, about 0 s and 1 new"
    left.end("a")
    left.end("c")
    assert left.text({}, 0.0) == "1 of 4 steps left, about 30 s"
    left.end("b")
    assert left.text({}, 0.0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "60 min"), (7530, "2 h 6 min")]
)
def test_a_time_is_for_people(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text
