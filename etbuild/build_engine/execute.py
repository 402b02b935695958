"""Runs one step: in a sandbox of its own, its outputs checked, then moved to their final paths. It decides nothing.

A killed run leaves at most a sandbox, which the next run removes; an output at its final path is always complete.
"""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.build_engine.admission import Admission
from etbuild.build_engine.decision import Reason, Record
from etbuild.build_engine.depfile import Depfile, read_depfile
from etbuild.build_engine.launch import Launcher, Programs, Way, say
from etbuild.build_engine.local import ProcessLost
from etbuild.build_engine.sandbox import link_inputs
from etbuild.build_engine.step_outputs import open_output
from etbuild.build_engine.unchanged import inputs_unchanged, value
from etbuild.build_engine.workspace import Workspace, file_name
from etbuild.errors import EtbuildError, MissingTool, StepError, UsageError
from etbuild.system import environment
from etbuild.system.digests import Digests
from etbuild.system.programs import last_lines

if TYPE_CHECKING:
    from etbuild.build_engine.cache.cache import Cache
    from etbuild.build_engine.step import Step


class Outcome(NamedTuple):
    """How a step ended.

    how:     "ran", "cached" or "up to date".
    seconds: of its process, or of its restoring.
    cache:   "hit", or why the build cache did not have its outputs; "" for a step that was up to date.
    """

    how: str
    seconds: float
    why: tuple[Reason, ...]
    cache: str = ""


class Executor:
    """Runs the steps of one workspace. Safe to share between threads."""

    def __init__(self, workspace: Workspace, programs: Programs):
        self.workspace = workspace
        self.launcher = Launcher(programs)
        self._kinds = programs.kinds
        self._admission = Admission()
        self._guard = threading.Lock()
        self._cache: Cache | None = None
        self._restoring: Path | None = None
        self._open = ExitStack()

    @property
    def cache(self) -> Cache:
        """The cache that the environment asks for; loaded when the first step is not up to date."""
        from etbuild.build_engine.cache.cache import Cache

        with self._guard:
            if self._cache is None:
                self._cache = Cache.of(environment.cache_settings())
            return self._cache

    def run(self, step: Step, forced: bool = False) -> Outcome:
        """Bring the step's outputs up to date, from the cache if it has them.

        forced: run even when nothing changed, whatever the cache has.
        raises: StepError when its command fails or an output is missing; MissingTool when the command reports that.
        """
        workspace = self.workspace
        with workspace.locked(step):
            workspace.digests.forget(*step.inputs, *step.outputs)
            why = workspace.reasons(step) or ((Reason("asked for"),) if forced else ())
            if not why:
                return Outcome("up to date", 0.0, ())
            self._require_inputs(step)
            begin = time.perf_counter()
            key = self.cache.key(step, workspace.current)
            with self.cache.claimed(key, step.name):
                record = None if forced or step.local else self._restore(step, key)
                how, seconds, found = "cached", round(time.perf_counter() - begin, 3), "hit"
                if record is None:
                    record = self._build(step, key)
                    how, seconds, found = "ran", record.seconds, _miss(step, key, forced)
            workspace.write_record(step, record)
        return Outcome(how, seconds, why, found)

    def save(self) -> None:
        """Remove temporary folders and write cache files; no step runs any more."""
        with self._guard:
            self._open.close()
            self._restoring = None
        self.workspace.save()

    def _require_inputs(self, step: Step) -> None:
        for path in step.inputs:
            if self.workspace.digests.of(path) is None:
                raise StepError(f"{path}: got no such file, wanted an input of {step.name}")
            for found, what in self.workspace.digests.unreadable(path).items():
                # An editor's lock is a hidden link to nothing. A pipe would block whoever opens it.
                if not (what.startswith("a link") and Path(found).name.startswith(".")):
                    raise StepError(f"{found}: got {what}, wanted a file\n    remove it, or fetch the file it links to")

    def _restore(self, step: Step, key: str) -> Record | None:
        """Copy the step's outputs from the cache; None when it does not have all of them."""
        action = self.cache.find(step, key, self.workspace.current)
        if action is None:
            return None
        # One folder for all steps: creating and removing one for each would take longer than the rest.
        with self._guard:
            if self._restoring is None:
                self._restoring, _ = self._open.enter_context(self.workspace.sandboxes.opened("cache"))
            folder = self._restoring
        copies = {path: folder / f"{file_name(step)}.{number}" for number, path in enumerate(step.outputs)}
        try:
            if not self.cache.fetch(step, key, action, copies):
                return None
            self.workspace.place_outputs(copies, action.record.outputs)
        finally:
            for copy in copies.values():
                self.workspace.sandboxes.discard(copy)
        return action.record

    def _build(self, step: Step, key: str) -> Record:
        """Run the step with the first available launcher; with the next one when its process is lost."""
        *ways, last = self.launcher.ways(step)
        for way in ways:
            try:
                return self._admit(step, key, way)
            except ProcessLost as lost:
                who = "this machine" if way == "dask" else "a plain process"
                say(f"{step.name}: {lost}; {who} does it")
        return self._admit(step, key, last)

    def _admit(self, step: Step, key: str, way: Way) -> Record:
        """Delay the step until its memory is available; on a Dask worker it needs none here."""
        if way == "dask":
            return self._attempt(step, key, way)
        last = self.workspace.record(step)
        expected = (last.peak_bytes if last else 0) or self._kinds[step.kind].first_run_bytes
        with self._admission.admitted(expected):
            return self._attempt(step, key, way)

    def _attempt(self, step: Step, key: str, way: Way) -> Record:
        workspace = self.workspace
        before = {path: workspace.digests.of(path) or "" for path in step.inputs}
        started = time.time_ns()
        with workspace.sandboxes.opened(step.kind) as (sandbox, alive):
            _fill(step, workspace.root, sandbox)
            log = workspace.log(step)
            result = self.launcher.run(step, (sandbox, log, alive), way)
            if result.exit:
                raise self._failure(step, result.exit, log)
            outputs = _check_outputs(step, sandbox)
            if still := open_output(step, sandbox):
                raise StepError(still)
            read = read_depfile(step, sandbox)
            before |= {path: read.seen[path] for path in before if path in read.seen}
            discovered = {name: value(workspace, name, read, started) for name in read.discovered}
            tools_used, source = workspace.current.tools(step), workspace.source(step)
            measured = round(result.seconds, 3), result.peak_bytes
            record = Record(step.argv, tools_used, source, before, discovered, outputs, *measured)
            if not step.local and _is_tracked(step, read) and inputs_unchanged(workspace, record, started):
                self.cache.store(step, key, record, sandbox)
            workspace.place_outputs({name: sandbox / name for name in outputs}, outputs)
        return record

    def _failure(self, step: Step, code: int, log: Path) -> EtbuildError:
        root = self.workspace.root
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        text = "\n".join(
            [
                f"{step.name} {how}",
                f"    run it alone: cd {shlex.quote(str(root))} && {command_line(step, self._kinds[step.kind].module)}",
                *(f"    | {line}" for line in last_lines(log.read_text(errors="replace"))),
                f"    full log: {log.relative_to(root)}",
                *_lost_output(log, root),
            ]
        )
        if code == UsageError.exit_code and step.local:  # It is not known where the device is: nothing failed.
            return UsageError(text)
        return MissingTool(text) if code == MissingTool.exit_code else StepError(text)


def _miss(step: Step, key: str, forced: bool) -> str:
    """Why a step that ran was not in the build cache. key: "" without a cache."""
    if not key:
        return "no cache: ETBUILD_CACHE is off"
    if step.local:
        return "not asked: its result is of this machine or moment"
    return "not asked: doit -a" if forced else "nothing with these inputs, settings and tools"


def command_line(step: Step, module: str) -> str:
    """The step's command as a shell takes it, in the project's root."""
    return shlex.join(["python", "-m", module, *step.argv])


def _lost_output(log: Path, root: Path) -> tuple[str, ...]:
    """Why the log may lack the end of the step's output: nothing can be written to it now."""
    try:
        with log.open("ab") as file:
            file.write(b"\n")
    except OSError as error:
        name = log.relative_to(root)
        return (f"{name}: got {error.strerror}, wanted the step's whole output\n    make room, then build again",)
    return ()


def _fill(step: Step, root: Path, sandbox: Path) -> None:
    """Link the step's inputs into the sandbox under their own relative paths, and create its outputs' folders."""
    link_inputs((path for path in step.inputs if not path.startswith("/")), root, sandbox)
    for path in step.outputs:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
    if step.depfile:
        _link_project(root, sandbox)


def _link_project(folder: Path, sandbox: Path) -> None:
    """Link the rest of the project: a model may import and open anything of it except build/."""
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "build":
            continue
        link = sandbox / entry.name
        if not link.exists():
            link.symlink_to(entry)
        elif link.is_dir() and not link.is_symlink():
            _link_project(entry, link)


def _is_tracked(step: Step, read: Depfile) -> bool:
    """Whether another run that reads the same would write the same; what cannot be compared is reported."""
    if read.untracked:
        more = f", and {len(read.untracked) - 1} more" if len(read.untracked) > 1 else ""
        say(f"{step.name}: {read.untracked[0]}{more}\n    the result is not stored in the cache")
    return not read.untracked


def _check_outputs(step: Step, sandbox: Path) -> Mapping[str, str]:
    digests = Digests(sandbox, sandbox / "digests.json")
    found: dict[str, str] = {}
    for path in step.outputs:
        digest = digests.of(path)
        if digest is None:
            raise StepError(f"{step.name}: its command ended well but did not write {path}")
        found[path] = digest
    return found
