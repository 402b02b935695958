"""A program ends with the one that started it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTER = """
import subprocess, sys
from etbuild.system.parent import ends_with_parent
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=ends_with_parent())
print(child.pid, flush=True)
child.wait()
"""
THEN = """
import os, subprocess, sys
from etbuild.system.parent import ends_with_parent
prepare = ends_with_parent(lambda: os.chdir("/"))
subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"], preexec_fn=prepare, check=True)
"""


def alive(pid: int) -> bool:
    """A zombie is none: whoever inherits it may never ask for its code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_ends_with_its_parent(number: signal.Signals) -> None:
    """However the parent ends."""
    parent = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    os.kill(parent.pid, number)
    parent.wait(30)
    parent.stdout.close()

    limit = time.monotonic() + 20
    while alive(child):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_more_can_be_done_before_the_program() -> None:
    """In its process."""
    done = subprocess.run([sys.executable, "-c", THEN], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout == "/\n"


def test_whoever_starts_qemu_lets_it_end_with_itself() -> None:
    """Every file, of the tests too, that makes QEMU's arguments and starts a program."""
    files = [file for folder in ("etbuild", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    texts = {file: file.read_text() for file in files if file != Path(__file__)}
    starts = re.compile(r"subprocess\.(run|Popen)\(")
    found = [file for file, text in texts.items() if "qemu_arguments(" in text and starts.search(text)]

    assert len(found) > 4
    assert [str(file.relative_to(ROOT)) for file in found if "ends_with_parent(" not in texts[file]] == []
