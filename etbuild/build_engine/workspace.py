"""One project on disk: digests, records of steps, logs, locks and sandboxes. It runs nothing.

Below build/.etbuild/: sandbox/ (one folder a running step), logs/ (one file a step), steps/ (records), locks/, and the
cache files digests.json, freshness.json, plan.json and noop/.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.build_engine.decision import CurrentState, Reason, Record, reasons
from etbuild.build_engine.freshness import FreshnessCache
from etbuild.build_engine.noop import Evidence
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.step_sources import StepSources
from etbuild.system import environment, tools
from etbuild.system.digests import Digests, stat_of
from etbuild.system.facts import Facts
from etbuild.system.files import locked, write_atomic

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step, StepKind
    from etbuild.system.digests import StatKey

STATE = Path("build/.etbuild")


class Workspace:
    """Safe to share between threads.

    root:     the folder with dodo.py and recipes/; every path of a step is relative to it.
    kinds:    the kinds of its steps.
    versions: version by name of the tools of a step.
    """

    def __init__(
        self,
        root: Path,
        kinds: Mapping[str, StepKind],
        versions: Callable[[Step], Mapping[str, str]] | None = None,
    ):
        self.root = root
        self.kinds = kinds
        self.state = root / STATE
        self.sandboxes = Sandboxes(self.state / "sandbox")
        self.digests = Digests(root, self.state / "digests.json")
        self.sources = StepSources(self.digests, environment.cache_folder() / "sources.json")
        self.facts = Facts(self.digests)
        self._versions = versions or ToolVersions()
        self.current = CurrentState(self.facts.of, self._versions, self.source)
        self._freshness = FreshnessCache(self.current, self.state / "freshness.json")

    def record(self, step: Step) -> Record | None:
        """The record of the step's last successful run; None when there is none, or it is damaged."""
        try:
            return Record.from_json(self._record_file(step).read_bytes())
        except OSError:
            return None

    def write_record(self, step: Step, record: Record) -> None:
        write_atomic(self._record_file(step), record.to_json())

    def reasons(self, step: Step) -> tuple[Reason, ...]:
        """Why the step would run now; the same answer that the executor acts on."""
        if self.kinds[step.kind].always:
            return (Reason("asked for"),)
        stat = self.digests.record_stat(f"{STATE}/steps/{file_name(step)}.json")
        if stat is not None and self._freshness.is_up_to_date(step, stat):
            return ()
        record = self.record(step)
        found = reasons(step, record, self.current)
        if stat is not None and record is not None and not found:
            self._freshness.store(step, stat, record)
        return found

    def source(self, step: Step) -> Mapping[str, str]:
        """Digest of each of our own files that the step's program consists of."""
        return self.sources.of(self.kinds[step.kind].module)

    def forget(self, step: Step) -> None:
        """Remove the step's record, so that it runs next time."""
        self._record_file(step).unlink(missing_ok=True)

    def clean(self, step: Step) -> None:
        """Remove the step's outputs, record and log."""
        self.forget(step)
        self.log(step).unlink(missing_ok=True)
        for path in step.outputs:
            self._remove_output(Path(path))
        self.digests.forget(*step.outputs)

    def clean_stale(self, steps: tuple[Step, ...], dryrun: bool) -> None:
        """Remove the outputs of steps that are not among these: their recipe or variant no longer exists."""
        live = {self._record_file(step).name for step in steps}
        wanted = {path for step in steps for path in step.outputs}
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

    def place_outputs(self, made: Mapping[str, Path], digests: Mapping[str, str]) -> None:
        """Move outputs from where they were made to their final paths; an equal output keeps its file and times."""
        for name, digest in digests.items():
            self.digests.forget(name)
            if self.digests.of(name) == digest:
                continue
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if made[name].is_dir() or (target.is_dir() and not target.is_symlink()):
                self.sandboxes.discard(target)
            made[name].replace(target)
            self.digests.forget(name)

    def log(self, step: Step) -> Path:
        """Where the output of the step's last run is."""
        return self.state / "logs" / f"{file_name(step)}.log"

    def locked(self, step: Step) -> AbstractContextManager[None]:
        """Hold the step's lock: one process at a time runs it. The kernel frees it when its holder dies."""
        return locked(self.state / "locks" / f"{file_name(step)}.lock", step.name)

    def evidence(self, stats: Mapping[str, StatKey | None]) -> Evidence | None:
        """What the run so far depended on; None when tool versions are not the machine's. stats: of further files."""
        if not isinstance(self._versions, ToolVersions):
            return None
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE.name]
        code = {file: stat_of(file) for module in modules if (file := module.__file__)}
        return Evidence({**code, **self.digests.stats_seen, **stats}, self._versions.asked)

    def save(self) -> None:
        """Write the cache files that make the next run faster; no step runs any more."""
        self.digests.save()
        self._freshness.save()
        with suppress(OSError):
            self.sources.save()

    def _remove_output(self, path: Path) -> None:
        """Remove an output, and the folders that are then empty, up to build/."""
        self.sandboxes.discard(self.root / path)
        with suppress(OSError):
            for folder in path.parents[:-2]:
                (self.root / folder).rmdir()

    def _record_file(self, step: Step) -> Path:
        return self.state / "steps" / f"{file_name(step)}.json"


class ToolVersions:
    """The version of each tool of a step, asked for once a run."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], dict[str, str]] = {}

    @property
    def asked(self) -> dict[str, str]:
        """Every tool that was asked for, with its version."""
        return {name: version for found in self._found.values() for name, version in found.items()}

    def __call__(self, step: Step) -> dict[str, str]:
        if step.tools not in self._found:
            self._found[step.tools] = {name: tools.version(name) for name in ("python", *step.tools)}
        return self._found[step.tools]


def file_name(step: Step) -> str:
    """The step's name as a file name without suffix."""
    return step.name.replace(":", ".", 1).replace("/", "_")
