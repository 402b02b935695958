"""Two checkouts of a project with all that their builds depend on, and what a clean build of them writes.

The builds are real: doit, engine, compile server and caches. What the steps compute is a stand-in, see
stand_in_site.py.
"""

from __future__ import annotations

import difflib
import os
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clean_builds import CleanBuilds, tree
from differential_files import FILES, RECIPE, recipe_text
from key_pairs import Pair
from noop_entries import STANDARD
from reading_model import LOOKS, source
from stand_in_environment import Environment
from started_builds import Build, Builds


@dataclass
class World:
    """Everything below `base`. run: the folder of the servers' sockets; warm: an earlier world's caches of tools."""

    base: Path
    run: Path
    warm: Path | None = None
    journal: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    server: bool = True
    processes: int = 1

    def __post_init__(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        self.python = Environment(self.base / "env")
        self.python.install("deep", 1, 1)
        self.python.install("pack", 1, 1, "deep")
        self.outside, self.orders, clean = (self.base / name for name in ("outside", "orders", "clean"))
        plans = (self.warm or self.user / "etbuild") / "plans"
        self.clean_builds = CleanBuilds(self.python, clean, plans)
        self.builds = Builds(self.python.python, self.base / "printed")
        for folder in (self.orders, clean, self.builds.folder, self.user / "etbuild"):
            folder.mkdir(parents=True)
        for file in ("sources.json", "programs.json") if self.warm else ():
            shutil.copy(self.warm / file, self.user / "etbuild")
        plans.mkdir(exist_ok=True)
        self.variables: dict[str, str] = {}
        self.modes = {"A": "shared", "B": "shared"}
        self.roots = {"A": self.base / "A", "B": self.base / "B"}
        (self.base / "remote.key").write_text(Pair.of(1).private)
        for where in self.roots:
            self._create(where)

    @property
    def user(self) -> Path:
        """The user's cache folder."""
        return self.base / "cache"

    def store(self, where: str) -> Path:
        """The local store of a checkout."""
        return self.base / ("own" if self.modes[where] == "own" else "store")

    def path(self, where: str, name: str) -> Path:
        """A file of a checkout by its name in FILES."""
        place = FILES[name][0]
        return self.outside / place[8:] if place.startswith("OUTSIDE/") else self.roots[where] / place

    def write_model(self, where: str, looks: tuple[str, ...] = tuple(LOOKS)) -> None:
        for place, depth in (("recipes/models/net.py", 2), ("pkg/mod.py", 1)):
            write(self.roots[where] / place, source(looks, self.outside, depth))

    def environment(self, where: str) -> dict[str, str]:
        """Of a build of a checkout."""
        found = {"PATH": os.environ["PATH"], "HOME": str(self.base), "XDG_CACHE_HOME": str(self.user)}
        found |= {"XDG_RUNTIME_DIR": str(self.run), "STAND_IN_ORDERS": str(self.orders)}
        found |= {"ETBUILD_SERVER": "on" if self.server else "off", "ETBUILD_SERVER_IDLE_S": "120"}
        mode = self.modes[where]
        found["ETBUILD_CACHE"] = "off" if mode == "off" else str(self.store(where))
        if mode == "remote":
            # The local store is one that others do not have.
            found["ETBUILD_CACHE"] = str(self.base / f"store of {where}")
            found["ETBUILD_REMOTE_CACHE"] = f"file://{self.base}/remote"
            found["ETBUILD_REMOTE_CACHE_PRIVATE_KEY"] = str(self.base / "remote.key")
        return found | self.variables

    def start(self, where: str, *words: str, **more: str) -> Build:
        """doit in a checkout. more: variables of its environment."""
        self.counts["builds"] += 1
        return self.builds.start(words, self.roots[where], self.environment(where) | more, self.orders / "doit.pid")

    def doit(self, where: str, *words: str, **more: str) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        several = ("-n", "2") if self.processes == 2 and not words else ()
        return self.start(where, *several, *words, **more).wait()

    def ran(self) -> list[str]:
        """The kinds of the steps that have run since the last call."""
        file = self.orders / "ran"
        found = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        self.counts["steps run"] += len(found)
        return found

    def check(self, where: str) -> None:
        """Build the checkout; its outputs, or its failure, are those of a clean build."""
        for order in self.orders.glob("*.json"):
            order.unlink()
        wait = self.clean_builds.start(self.roots[where], self.outside, self.variables)
        code, printed = self.doit(where)
        ran = self.ran()
        clean = wait()
        self.counts["checks"] += 1
        self.counts["with steps run" if ran else "without"] += 1
        self.counts["failing"] += bool(clean.code)
        told = f"{printed}\nran {ran}\nclean build: {clean.printed}"
        # A missing file is a wrong recipe, or where the plan is known already, a step that fails.
        assert bool(code) == bool(clean.code), f"doit ended with {code}, a clean build with {clean.code}\n{told}"
        assert "Traceback" not in printed, told
        found = {output: tree(self.roots[where] / output) for output in clean.outputs}
        wrong = [difference(name, found[name], text) for name, text in clean.outputs.items() if found[name] != text]
        assert not wrong, "\n".join([f"{len(wrong)} outputs differ from a clean build's", *wrong, told])

    def servers(self) -> list[int]:
        """The processes of all compile servers of this world."""
        found = []
        mark = f"--socket\0{self.run}".encode()
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and mark in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def close(self) -> None:
        self.builds.close()
        self.clean_builds.close()
        self.counts["clean builds"] += self.clean_builds.made
        for pid in self.servers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _create(self, where: str) -> None:
        root = self.roots[where]
        for name, (_, text, present) in FILES.items():
            if present and not self.path(where, name).exists():
                write(self.path(where, name), text.format(1))
        self.write_model(where)
        write(root / "dodo.py", STANDARD)
        write(root / ".gitignore", "build/\n")
        write(root / RECIPE, recipe_text(0))
        (root / "recipes/models/linked.py").symlink_to(self.outside / "linked.py")
        git(root, "init", "--quiet", "--initial-branch=main")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def difference(name: str, found: str, wanted: str) -> str:
    """What a message says of one output."""
    lines = [line for line in difflib.ndiff(found.splitlines(), wanted.splitlines()) if line[:1] in "+-"]
    return "\n".join([f"{name}: - got, + wanted", *(f"    {line}" for line in lines)])


def git(root: Path, *words: str) -> bool:
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0", "-c", "core.hooksPath=/dev/null")
    return subprocess.run(["git", *who, *words], cwd=root, capture_output=True, check=False).returncode == 0
