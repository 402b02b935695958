"""What the benchmarks share: a project with the shipped recipes and a server and a cache of its own, and the peer.

The peer is `python -m executorch.backends.arm.scripts.aot_arm_compiler`, which comes with ExecuTorch: on the same
model, for the same NPU, system config and memory mode. It computes no expected outputs and calibrates on one sample.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.recipe.load import load

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

ROOT = Path(__file__).resolve().parent.parent
PEER = "executorch.backends.arm.scripts.aot_arm_compiler"


@dataclass(frozen=True)
class Run:
    """One command from start to end. peak_bytes: of it and its children, each by itself; no server's."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Bench:
    """A project below `root`. environment: of its commands; nothing is cached unless a variable in it asks for that."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def doit(self, *arguments: str) -> Run:
        return self._timed([_tool("doit"), *arguments])

    def peer(self, recipe: str, target: Target) -> Run:
        """One .pte by aot_arm_compiler."""
        loaded = load(self.root / f"recipes/{recipe}.yaml", self.root, os.environ)
        model = self.root / str(loaded.model.source)
        output = self.root / f"peer/{recipe}_{target.variant}.pte"
        output.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", PEER, "--model_name", str(model), "--delegate", "--quantize"]
        command += ["--target", target.npu, "--system_config", target.system_config]
        # It does not look for modules next to the model.
        command += ["--memory_mode", target.memory_mode, "--output", str(output)]
        return self._timed(command, PYTHONPATH=str(model.parent))

    def targets(self, recipe: str) -> tuple[Target, ...]:
        return load(self.root / f"recipes/{recipe}.yaml", self.root, os.environ).targets

    def clean(self) -> None:
        """As a fresh checkout."""
        shutil.rmtree(self.root / "build", ignore_errors=True)

    def forget(self) -> None:
        """Also what all checkouts share: compiled objects of the firmware, the caches of tool versions and sources."""
        self.clean()
        shutil.rmtree(self.root.parent / "cache", ignore_errors=True)

    def forget_objects(self) -> None:
        """The compiled objects of the firmware."""
        shutil.rmtree(self.root.parent / "cache/etbuild/objects", ignore_errors=True)

    def stop_server(self) -> None:
        self._timed([_tool("etbuild"), "server", "stop"])

    def wait_until_warm(self) -> None:
        """Wait until the server has finished its warm-up."""
        while "warm      yes" not in (status := self._output([_tool("etbuild"), "server", "status"])):
            if "no compile server" in status:
                raise SystemExit(f"{status}wanted the one of the last build; was its source changed meanwhile?")
            time.sleep(0.1)

    def peaks(self) -> dict[str, int]:
        """The peak memory of each step of the last build, in bytes, by the name of the step's record."""
        files = sorted((self.root / "build/.etbuild/steps").glob("*.json"))
        return {file.stem: json.loads(file.read_text())["peak_bytes"] for file in files}

    def _output(self, command: Sequence[str]) -> str:
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def _timed(self, command: Sequence[str], **also: str) -> Run:
        with tempfile.TemporaryFile("w+") as output:
            begin = time.perf_counter()
            environment = {**self.environment, **also}
            process = subprocess.Popen(command, cwd=self.root, env=environment, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{output.read()}")
        return Run(seconds, usage.ru_maxrss * 1024)


@contextmanager
def bench(**environment: str) -> Iterator[Bench]:
    """A bench in a temporary folder, its server stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        root = Path(folder)
        for made in ("run", "cache"):
            (root / made).mkdir()
        own = {"XDG_RUNTIME_DIR": str(root / "run"), "XDG_CACHE_HOME": str(root / "cache"), "ETBUILD_CACHE": "off"}
        # Python writes bytecode, as it does by default.
        users = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        checkout = lay_out(root / "project", {**users, **own, **environment})
        try:
            yield checkout
        finally:
            checkout.stop_server()


def lay_out(root: Path, environment: dict[str, str]) -> Bench:
    """A checkout of the shipped recipes."""
    shutil.copytree(ROOT / "recipes", root / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", root)
    return Bench(root, environment)


def within(most: float, what: str, ours: Sequence[float], theirs: float) -> bool:
    """Print the ratio of our median to theirs; whether it is at most `most`."""
    ratio = statistics.median(ours) / theirs
    spread = f"{min(ours):.2f} to {max(ours):.2f} s" if len(ours) > 1 else f"{ours[0]:.2f} s"
    print(f"{what:<44} {spread:<18} ratio {ratio:.3f}, wanted at most {most}", flush=True)
    return ratio <= most


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
