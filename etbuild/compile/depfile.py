"""Records what a model, or other code of the user, reads while a step runs it: the depfile of that step.

It sees files opened by Python (imports, open, numpy, torch.load) and by safetensors, folders that are listed, paths
that are looked for, environment variables, and the packages that the model imports. A file that other native code
opens, and the clock, are not seen.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from etbuild.compile.callers import is_users, is_users_call, users_line
from etbuild.compile.imports import Imports
from etbuild.compile.project_names import Project, is_input
from etbuild.compile.source_imports import ModelFinder
from etbuild.system import environment
from etbuild.system.files import sha256
from etbuild.system.provenance import digests

# Their files are no files of a disk.
_MACHINE = ("/proc/", "/sys/", "/dev/")
SUBPROCESS = "a subprocess"
_UNTRACKED = {
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork"), SUBPROCESS),
    **dict.fromkeys(("socket.connect", "socket.getaddrinfo", "urllib.Request"), "the network"),
}


class Reads:
    """What the user's code (the model) reads inside `traced`, which may be entered several times.

    opened:    digest of each file when it was opened, by name.
    facts:     as in etbuild.system.facts, with the values that the model has seen.
    untracked: "file:line: what" for what cannot be tracked.

    subprocesses_declared: the recipe names what subprocesses read.
    origins:               as of Imports.
    key:                   of the recipe, where that is declared; "" when nowhere.
    """

    def __init__(
        self, subprocesses_declared: bool = False, origins: Iterable[str] = (), key: str = "model.reads"
    ) -> None:
        self._subprocesses_declared = subprocesses_declared
        self._key = key
        self.opened: dict[str, str] = {}
        self.untracked: dict[str, None] = {}
        self._project = Project()
        self.facts = self._project.facts
        self._imports = Imports(self._project, origins)
        self._written: set[str] = set()
        self._active = self._is_hooked = False
        self._inside = threading.local()

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Record what this process reads inside this context.

        Python cannot remove an audit hook; after the context it does nothing.
        """
        before = dict(sys.modules)
        finder: Any = ModelFinder(is_users, partial(self._observe, self._imports.looked_up))
        observe_variable = partial(self._observe, self._variable)
        observe_all = partial(self._observe, self._all_variables)
        importlib.invalidate_caches()
        if not self._is_hooked:
            sys.addaudithook(self._hook)
            self._is_hooked = True
        with ExitStack() as patched:
            patched.enter_context(_safetensors_recorded(partial(self._observe, self._read)))
            patched.enter_context(_stat_recorded(partial(self._observe, self._looked_for)))
            patched.enter_context(environment.reads_recorded(observe_variable, observe_all))
            sys.meta_path.insert(0, finder)
            patched.callback(sys.meta_path.remove, finder)
            self._active = True
            try:
                yield
            finally:
                self._active = False
                # By identity: a module of that name may have been there, from another file.
                loaded = {name for name, module in sys.modules.items() if module is not before.get(name)}
                self.opened |= self._imports.record(loaded)

    def _observe(self, event: Callable[..., None], *arguments: Any) -> None:
        """Note an event of the model, and none of what noting it causes."""
        if self._active and not getattr(self._inside, "now", False):
            self._inside.now = True
            try:
                event(*arguments)
            finally:
                self._inside.now = False

    def _read(self, path: Any) -> None:
        """A file is about to be read. path: as `open` accepts it."""
        file = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - Path costs imports within a hook
        name = self._project.name(file)
        if name in self.opened or file in self._written or not is_users(file) or not is_input(name):
            return
        outside = name.startswith("/")
        if outside and (name.startswith(_MACHINE) or users_line() is None):
            return
        try:
            if Path(file).is_file():
                self.opened[name] = sha256(Path(file))
            elif not os.path.lexists(file):
                self._project.note(f"exists://{name}")
        except OSError:
            return

    def files(self) -> tuple[Path, ...]:
        """The files that were opened, relative to the project's root or absolute, sorted."""
        return tuple(Path(name) for name in sorted(self.opened))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._observe(self._open, *arguments)
        elif event in ("os.listdir", "os.scandir"):
            self._observe(self._listed, arguments[0])
        elif event in _UNTRACKED and not (self._subprocesses_declared and _UNTRACKED[event] == SUBPROCESS):
            self._observe(self._cannot_track, _UNTRACKED[event])

    def _open(self, path: Any, mode: str | None, flags: int) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        discards = any(letter in mode for letter in "wx") if mode else bool(flags & (os.O_TRUNC | os.O_EXCL))
        if discards or (not mode and flags & os.O_ACCMODE == os.O_WRONLY):
            self._written.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - as above
        else:
            self._read(path)

    def _listed(self, folder: Any) -> None:
        if not isinstance(folder, int) and is_users_call():
            name = self._project.name(os.path.abspath(os.fsdecode(folder or ".")))  # noqa: PTH100 - as above
            if name.split("/", 1)[0] != "build":
                self._project.note(f"names://{name}")

    def _looked_for(self, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)) and is_users_call():
            file = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - as above
            name = self._project.name(file)
            if file not in self._written and is_users(file) and is_input(name) and not name.startswith(_MACHINE):
                self._project.note(f"exists://{name}")

    def _variable(self, name: str) -> None:
        if is_users_call():
            self._project.note(f"env://{name}")

    def _all_variables(self) -> None:
        if is_users_call():
            self._cannot_track("all environment variables")

    def _cannot_track(self, what: str) -> None:
        remedy = f"; name what it reads in {self._key}" if what == SUBPROCESS and self._key else ""
        if line := users_line():
            self.untracked[f"{self._project.name(line)}: got {what}, which cannot be tracked{remedy}"] = None


def write_depfile(path: Path, reads: Reads, declared: Iterable[Path | None], **more: object) -> None:
    """Write deps.json, as docs/architecture.md describes it, with the digests of all inputs for the manifest.

    declared: inputs that the recipe names; None is ignored.
    more:     further keys for the manifest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {file for file in declared if file is not None}
    inputs = [file for file in reads.files() if file not in known]
    # As `digests` names them: a file outside the project without its folder.
    opened = {
        (file.name if file.is_absolute() else name): digest
        for name, digest in reads.opened.items()
        if (file := Path(name))
    }
    content = {
        "inputs": [file.as_posix() for file in inputs],
        "opened": dict(sorted(reads.opened.items())),
        "facts": dict(sorted(reads.facts.items())),
        "untracked": list(reads.untracked),
        "digests": digests(file for file in known if file.as_posix() not in reads.opened) | opened,
        **more,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


@contextmanager
def _stat_recorded(looked_for: Callable[[Any], None]) -> Iterator[None]:
    """Inside this context what looks for a path calls `looked_for` first: os.stat (Path.exists and os.path.exists use
    it), os.lstat (glob, lexists) and os.access. They raise no audit event."""
    originals: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in ("stat", "lstat", "access")}

    def recorded(original: Callable[..., Any], path: Any, *arguments: Any, **options: Any) -> Any:
        # realpath asks of every folder above a path whether it is a link.
        if not options.get("dir_fd") and sys._getframe(1).f_code.co_name != "_joinrealpath":
            looked_for(path)
        return original(path, *arguments, **options)

    for name, original in originals.items():
        setattr(os, name, partial(recorded, original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


@contextmanager
def _safetensors_recorded(record: Callable[[Any], None]) -> Iterator[None]:
    """Inside this context safetensors.safe_open calls `record` first; it opens files in native code, without an audit
    event."""
    import safetensors
    import safetensors.torch

    original = safetensors.safe_open

    def recorded(filename: Any, *arguments: Any, **options: Any) -> Any:
        record(filename)
        return original(filename, *arguments, **options)

    holders: tuple[Any, ...] = (safetensors, safetensors.torch)
    for holder in holders:
        holder.safe_open = recorded
    try:
        yield
    finally:
        for holder in holders:
            holder.safe_open = original
