"""What clean builds of a project write: the answers that incremental builds are compared with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from stand_in_environment import VELA, Environment

# As etbuild.system.environment gives them to every step.
FIXED = {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Clean(NamedTuple):
    """How a clean build ended. outputs: what each consists of, as text; none when it failed."""

    code: int
    printed: str
    outputs: Mapping[str, str]


class CleanBuilds:
    """Clean builds of checkouts in copies. One of sources, packages and variables as before is not made again.

    base: a folder of its own; plans: a folder for the steps of recipes.
    """

    def __init__(self, python: Environment, base: Path, plans: Path):
        self._python, self._base, self._plans = python, base, plans
        self._known: dict[str, Clean] = {}
        self._process: subprocess.Popen[str] | None = None
        self.made = 0

    def start(self, root: Path, outside: Path, variables: dict[str, str]) -> Callable[[], Clean]:
        """Begin one of the checkout as it is now; call the result to wait for it."""
        packages = [path for name in ("pack", "deep", VELA) for path in self._python.site.glob(f"{name}*")]
        state = [sources_digest(root), sources_digest(outside), *map(sources_digest, sorted(packages))]
        key = "\n".join([*state, json.dumps(sorted(variables.items()))])
        if key in self._known:
            return lambda: self._known[key]
        self.made += 1
        copy = self._base / f"{self.made}"
        shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns("build", ".git"))
        # A recipe is wrong when a file that it names is missing.
        names = "\0".join(path.name for path in sorted((copy / "recipes").rglob("*")))
        recipes = b"".join(path.read_bytes() for path in sorted((copy / "recipes").glob("*.yaml")))
        plan = self._plans / hashlib.sha256(names.encode() + recipes).hexdigest()
        if not plan.exists() and not self._planned(copy, plan):
            self._known[key] = Clean(2, "no plan", {})
            return lambda: self._known[key]
        log = self._base / f"{self.made}-log"
        asked = {"root": str(copy), "plan": str(plan), "env": {"PATH": os.environ["PATH"], **variables, **FIXED}}
        self._ask(json.dumps(asked | {"log": str(log)}))

        def wait() -> Clean:
            assert self._process is not None and self._process.stdout is not None
            code, printed = int(self._process.stdout.readline()), log.read_text()
            assert code in (0, 1), printed
            steps = json.loads(plan.read_text())
            found = {output: tree(copy / output) for step in steps for output in step["outputs"]}
            for folder in self._base.glob(f"{copy.name}*"):
                shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
            self._known[key] = Clean(code, printed, {} if code else found)
            return self._known[key]

        return wait

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _planned(self, copy: Path, plan: Path) -> bool:
        words = [str(self._python.python), "-m", "clean_build", "plan", str(copy), str(plan)]
        done = subprocess.run(
            words, cwd=copy, env={"PATH": os.environ["PATH"], **FIXED}, capture_output=True, check=False
        )
        assert done.returncode in (0, 2), done.stderr.decode()
        return done.returncode == 0

    def _ask(self, line: str) -> None:
        if self._process is None:
            words, pipe = [str(self._python.python), "-m", "clean_build"], subprocess.PIPE
            self._process = subprocess.Popen(words, cwd=self._base, env=FIXED, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def sources_digest(path: Path) -> str:
    """Of a file, or of all files and links of a folder but those that builds and git write."""
    total = hashlib.sha256(path.name.encode() if path.is_file() else b"")
    if not path.is_dir():
        total.update(path.read_bytes())
    for at, folders, files in os.walk(path):
        folders[:] = sorted(folder for folder in folders if folder not in ("build", ".git", "__pycache__"))
        for name in (*sorted(files), *folders):
            file = Path(at) / name
            total.update(f"{file.relative_to(path)}\0".encode())
            if file.is_symlink():
                total.update(str(file.readlink()).encode())
            elif file.is_file():
                total.update(file.read_bytes())
    return total.hexdigest()


def tree(path: Path) -> str:
    """The content of a file, or of all files of a folder, as text."""
    if path.is_dir():
        inner = sorted(file for file in path.rglob("*") if not file.is_dir())
        return " | ".join(f"{file.relative_to(path)}={tree(file)}" for file in inner) or "an empty folder"
    if not path.exists():
        return "nothing"
    text = path.read_bytes().decode(errors="replace")
    return text if path.stat().st_mode & 0o777 == 0o644 else f"{path.stat().st_mode:o} {text}"
