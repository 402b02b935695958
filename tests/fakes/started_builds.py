"""Builds that a test has started: doit in a new process, or forked from one that has imported it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

DOIT = Path(sys.executable).with_name("doit")
# doit writes its own process number first.
SHELL = ("sh", "-c", 'echo $$ > "$0"; exec "$@" > "$OUT" 2>&1')
TIMEOUT_S = 300


@dataclass
class Build:
    """One that runs, or has ended. out: what it prints; pid: a file with its process number."""

    out: Path
    pid: Path
    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """At once; what it has started lives on."""
        with suppress(OSError, ValueError):
            os.kill(int(self.pid.read_text()), signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        if self.process is not None:
            code = self.process.wait(TIMEOUT_S)
            return code, self.out.read_text() if self.out.exists() else ""
        end, answer = time.monotonic() + TIMEOUT_S, self.out.with_name(f"{self.out.name}.code")
        while not answer.exists():
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"doit hangs\n{self.out.read_text()}")
            time.sleep(0.002)
        return int(answer.read_text()), self.out.read_text()


@dataclass
class Builds:
    """python: which runs doit; folder: for what the builds print."""

    python: Path
    folder: Path
    count: int = 0
    _forks: subprocess.Popen[str] | None = field(default=None)

    def start(self, words: Sequence[str], root: Path, environment: Mapping[str, str], pid: Path) -> Build:
        """Every eighth one is a new process."""
        self.count += 1
        build = Build(self.folder / f"out{self.count}", pid)
        pid.unlink(missing_ok=True)
        if self.count % 8 == 0:
            command = [*SHELL, str(pid), str(self.python), str(DOIT), *words]
            variables = {**environment, "OUT": str(build.out)}
            build.process = subprocess.Popen(command, cwd=root, env=variables, stdin=subprocess.DEVNULL)
            return build
        if self._forks is None:
            command, own = [str(self.python), "-m", "doit_forks"], {"PATH": os.environ["PATH"]}
            self._forks = subprocess.Popen(command, cwd=self.folder, env=own, stdin=subprocess.PIPE, text=True)
        assert self._forks.stdin is not None
        request = {"argv": list(words), "cwd": str(root), "env": dict(environment)}
        self._forks.stdin.write(json.dumps({**request, "out": str(build.out), "pid": str(pid)}) + "\n")
        self._forks.stdin.flush()
        return build

    def close(self) -> None:
        if self._forks is not None:
            assert self._forks.stdin is not None
            self._forks.stdin.close()
            self._forks.wait()
