"""Runs one step: alone in a folder of its own, its outputs checked, then moved into place. It decides nothing.

Below build/.etbuild/: sandbox/ (one folder a running step), logs/ (one file a step), steps/ (records), locks/.
A killed run leaves at most a sandbox, which the next run removes; outputs in place are always whole files.
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.build_engine.admission import Room
from etbuild.build_engine.decision import Present, Reason, Record, reasons
from etbuild.build_engine.freshness import Agreements
from etbuild.build_engine.launch import Processes, ServerLost, Way, module_command, say
from etbuild.build_engine.noop import Basis, stamp_of
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.step_sources import Sources
from etbuild.errors import EtbuildError, MissingTool, StepError
from etbuild.system import tools
from etbuild.system.atomic import write_whole
from etbuild.system.digests import Digests
from etbuild.system.files import hold

if TYPE_CHECKING:
    from etbuild.build_engine.cache.cache import Cache
    from etbuild.build_engine.step import Step
    from etbuild.system.digests import Stamp

STATE = Path("build/.etbuild")
LAST_LINES = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a step. how: "ran", "cached" or "up to date"; seconds: of its process, or of its restoring."""

    how: str
    seconds: float
    why: tuple[Reason, ...]


class Workspace:
    """One project on disk: its digests, its records, its running steps. Safe to share between threads.

    root:     the folder with dodo.py and recipes/; every path of a step is relative to it.
    command:  the process that does a step; None: its own module, from the warm server where one may serve.
    versions: of the tools that a step names.
    """

    def __init__(
        self,
        root: Path,
        command: Callable[[Step], list[str]] | None = None,
        versions: Callable[[Step], Mapping[str, str]] | None = None,
    ):
        self.root = root
        self.processes = Processes(command, tools.scheduler())
        self._room = Room()
        self.state = root / STATE
        self.sandboxes = Sandboxes(self.state / "sandbox")
        self.digests = Digests(root, self.state / "digests.json")
        self.sources = Sources(self.digests, tools.cache_folder() / "sources.json")
        self._versions = versions or ToolVersions()
        self.present = Present(self.digests.of, self._versions, self.source)
        self._agreements = Agreements(self.present, self.state / "agreements.json")
        self._guard = threading.Lock()
        self._cache: Cache | None = None
        self._staging: Path | None = None
        self._held = ExitStack()

    @property
    def cache(self) -> Cache:
        """The cache that the environment asks for, looked up when the first step is not up to date."""
        from etbuild.build_engine.cache.cache import Cache

        with self._guard:
            if self._cache is None:
                self._cache = Cache.of(tools.cache_settings())
            return self._cache

    def record(self, step: Step) -> Record | None:
        try:
            return Record.from_json(self._record_file(step).read_bytes())
        except OSError:
            return None

    def reasons(self, step: Step) -> tuple[Reason, ...]:
        """Why the step would run now; the same answer that `run` acts on."""
        name = f"{STATE}/steps/{_file_name(step)}.json"
        stamp = self.digests.note(name)
        if stamp is not None and self._agreements.holds(step, stamp):
            return ()
        record = self.record(step)
        found = reasons(step, record, self.present)
        if stamp is not None and record is not None and not found:
            self._agreements.note(step, stamp, record)
        return found

    def source(self, step: Step) -> Mapping[str, str]:
        return self.sources.of(f"etbuild.steps.{step.kind}")

    def run(self, step: Step, forced: bool = False) -> Outcome:
        """Bring the step's outputs up to date, from the cache where it knows them.

        forced: run even when nothing changed, whatever the cache knows.
        raises: StepError when its command fails or an output is missing, MissingTool when the command says so.
        """
        with self._locked(step):
            self.digests.forget(*step.inputs, *step.outputs)
            why = self.reasons(step) or ((Reason("asked for"),) if forced else ())
            if not why:
                return Outcome("up to date", 0.0, ())
            self._require_inputs(step)
            begin = time.perf_counter()
            key = self.cache.key(step, self.present)
            with self.cache.claimed(key, step.name):
                record = None if forced else self._restore(step, key)
                how, seconds = "cached", round(time.perf_counter() - begin, 3)
                if record is None:
                    record = self._build(step, key)
                    how, seconds = "ran", record.seconds
            write_whole(self._record_file(step), record.to_json())
        return Outcome(how, seconds, why)

    def forget(self, step: Step) -> None:
        """Drop the step's record, so that it runs next time."""
        self._record_file(step).unlink(missing_ok=True)

    def clean(self, step: Step) -> None:
        """Remove what the step wrote, and its record and log."""
        self.forget(step)
        self.log(step).unlink(missing_ok=True)
        for path in step.outputs:
            self._remove_output(path)
        self.digests.forget(*step.outputs)

    def save(self) -> None:
        """Keep between runs what makes the next one faster; no step runs any more."""
        with self._guard:
            self._held.close()
            self._staging = None
        self.digests.save()
        self._agreements.save()
        with suppress(OSError):
            self.sources.save()

    def basis(self, looked: Mapping[str, Stamp | None]) -> Basis | None:
        """What the run so far rests on; None when its versions are not the machine's. looked: what else was read."""
        if not isinstance(self._versions, ToolVersions):
            return None
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE.name]
        code = {file: stamp_of(file) for module in modules if (file := module.__file__)}
        return Basis({**code, **self.digests.looked, **looked}, self._versions.asked)

    def log(self, step: Step) -> Path:
        return self.state / "logs" / f"{_file_name(step)}.log"

    def clean_dead(self, steps: tuple[Step, ...], dryrun: bool) -> None:
        """Remove what was written by steps that are no longer among these: a recipe or a variant is gone."""
        live = {self._record_file(step).name for step in steps}
        wanted = {str(path) for step in steps for path in step.outputs}
        for file in sorted((self.state / "steps").glob("*.json")):
            record = Record.from_json(file.read_bytes()) if file.name not in live else None
            for name in record.outputs if record else ():
                if name in wanted or not (self.root / name).exists():
                    continue
                print(f"{file.stem}: removing {name}")
                if not dryrun:
                    self._remove_output(Path(name))
            if file.name not in live and not dryrun:
                file.unlink()

    def _remove_output(self, path: Path) -> None:
        """Remove an output, and the folders that are empty without it, up to build/."""
        self.sandboxes.discard(self.root / path)
        with suppress(OSError):
            for folder in path.parents[:-2]:
                (self.root / folder).rmdir()

    def _record_file(self, step: Step) -> Path:
        return self.state / "steps" / f"{_file_name(step)}.json"

    def _require_inputs(self, step: Step) -> None:
        for path in step.inputs:
            if self.digests.of(path) is None:
                raise StepError(f"{path}: got no such file, wanted an input of {step.name}")

    def _restore(self, step: Step, key: str) -> Record | None:
        """Put what the cache has of the step into place; None when it has not all of it."""
        action = self.cache.find(step, key, self.present)
        if action is None:
            return None
        # One folder for all of them: to make and remove one for each step would take longer than the rest.
        with self._guard:
            if self._staging is None:
                self._staging, _ = self._held.enter_context(self.sandboxes.opened("cache"))
            folder = self._staging
        places = {str(path): folder / f"{_file_name(step)}.{number}" for number, path in enumerate(step.outputs)}
        try:
            if not self.cache.fetch(step, key, action, places):
                return None
            self._commit(places, action.record.outputs)
        finally:
            for place in places.values():
                self.sandboxes.discard(place)
        return action.record

    def _build(self, step: Step, key: str) -> Record:
        """Do the step's work in the first way that there is; in the next one when that is lost."""
        *ways, last = self.processes.ways(step)
        for way in ways:
            try:
                return self._in_room(step, key, way)
            except ServerLost as lost:
                who = "this machine" if way == "dask" else "a plain process"
                say(f"{step.name}: {lost}; {who} does it")
        return self._in_room(step, key, last)

    def _in_room(self, step: Step, key: str, way: Way) -> Record:
        """Hold the step back until its memory is there; what a worker does needs none here."""
        if way == "dask":
            return self._attempt(step, key, way)
        last = self.record(step)
        with self._room.taken(step.kind, last.peak_bytes if last else 0):
            return self._attempt(step, key, way)

    def _attempt(self, step: Step, key: str, way: Way) -> Record:
        before = {str(path): self.digests.of(path) or "" for path in step.inputs}
        started = time.time_ns()
        with self.sandboxes.opened(step.kind) as (sandbox, alive):
            self._fill(step, sandbox)
            log = self.log(step)
            ended = self.processes.run(step, sandbox, log, alive, way)
            if ended.exit:
                raise _failure(step, ended.exit, log, self.root)
            outputs = _check_outputs(step, sandbox)
            discovered = {path: self._settled(path, started) for path in _discovered(step, sandbox)}
            tools_used, source = self.present.tools(step), self.source(step)
            seconds = round(ended.seconds, 3)
            record = Record(step.argv, tools_used, source, before, discovered, outputs, seconds, ended.peak_bytes)
            if self._undisturbed(record, started):
                self.cache.keep(step, key, record, sandbox)
            self._commit({name: sandbox / name for name in outputs}, outputs)
        return record

    def _undisturbed(self, record: Record, started_ns: int) -> bool:
        """Whether all that the run read stood still meanwhile, so that its outputs are true for others too."""
        read = {**record.inputs, **{str(PACKAGE / file): digest for file, digest in record.source.items()}}
        still = all(self._settled(path, started_ns) == digest for path, digest in read.items())
        return still and all(record.discovered.values())

    def _settled(self, path: str, started_ns: int) -> str:
        """The digest of a file read during the run; "" when it changed since the run began."""
        try:
            changed = (self.root / path).stat().st_ctime_ns > started_ns
        except OSError:
            return ""
        self.digests.forget(path)
        return "" if changed else self.digests.of(path) or ""

    def _commit(self, places: Mapping[str, Path], outputs: Mapping[str, str]) -> None:
        """Move outputs from where they were made into place; what has the same content stays, with its times."""
        for name, digest in outputs.items():
            self.digests.forget(name)
            if self.digests.of(name) == digest:
                continue
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if places[name].is_dir():
                self.sandboxes.discard(target)
            places[name].replace(target)
            self.digests.forget(name)

    @contextmanager
    def _locked(self, step: Step) -> Iterator[None]:
        """One run of a step at a time, over all processes; freed by the kernel when its holder dies."""
        file = self.state / "locks" / f"{_file_name(step)}.lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as lock:
            hold(lock, step.name)
            yield

    def _fill(self, step: Step, sandbox: Path) -> None:
        """Give the sandbox the step's inputs under their own relative names, and its outputs' folders."""
        for path in step.inputs:
            if not path.is_absolute():
                (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
                (sandbox / path).symlink_to(self.root / path)
        for path in step.outputs:
            (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
        if step.depfile is not None:
            _show(self.root, sandbox)


class ToolVersions:
    """The version of each tool of a step, asked for once a run."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    @property
    def asked(self) -> dict[str, str]:
        """Every tool that was asked for, with its version."""
        return {name: version for known in self._known.values() for name, version in known.items()}

    def __call__(self, step: Step) -> dict[str, str]:
        if step.tools not in self._known:
            self._known[step.tools] = {name: tools.version(name) for name in ("python", *step.tools)}
        return self._known[step.tools]


def command_line(step: Step) -> str:
    """The step's command as a shell takes it, in the project's root."""
    return shlex.join(["python", *module_command(step)])


def _file_name(step: Step) -> str:
    return step.name.replace(":", ".", 1).replace("/", "_")


def _show(shown: Path, sandbox: Path) -> None:
    """Show the rest of the project in the sandbox: a model may import and open anything of it but build/."""
    for entry in shown.iterdir():
        if entry.name.startswith(".") or entry.name == "build":
            continue
        place = sandbox / entry.name
        if not place.exists():
            place.symlink_to(entry)
        elif place.is_dir() and not place.is_symlink():
            _show(entry, place)


def _check_outputs(step: Step, sandbox: Path) -> dict[str, str]:
    digests = Digests(sandbox, sandbox / "digests.json")
    found: dict[str, str] = {}
    for path in step.outputs:
        digest = digests.of(path)
        if digest is None:
            raise StepError(f"{step.name}: its command ended well but did not write {path}")
        found[str(path)] = digest
    return found


def _discovered(step: Step, sandbox: Path) -> tuple[str, ...]:
    if step.depfile is None:
        return ()
    import json

    try:
        paths = json.loads((sandbox / step.depfile).read_text())["inputs"]
        return tuple(sorted({str(path) for path in paths} - {str(path) for path in step.inputs}))
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(f'{step.name}: {step.depfile}: got {error}, wanted {{"inputs": [path, ...]}}') from error


def _failure(step: Step, code: int, log: Path, root: Path) -> EtbuildError:
    lines = log.read_text(errors="replace").splitlines()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    text = "\n".join(
        [
            f"{step.name} {how}",
            f"    run it alone: cd {shlex.quote(str(root))} && {command_line(step)}",
            *(f"    | {line}" for line in lines[-LAST_LINES:]),
            f"    full log: {log.relative_to(root)}",
        ]
    )
    return MissingTool(text) if code == MissingTool.exit_code else StepError(text)
