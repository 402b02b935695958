"""Lanes on the workers of a Dask scheduler: one for each of their threads. It runs no candidate on this machine.

Each group is a step for the build engine's cluster, which has the rules for who may take part and what is sent.
"""

from __future__ import annotations

import itertools
import json
import pickle
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.dask.cluster import RemoteStep
from etbuild.build_engine.dask.worker import Job
from etbuild.build_engine.local import ProcessLost
from etbuild.build_engine.sandbox import link_inputs
from etbuild.build_engine.step import Step, StepKind
from etbuild.errors import MissingTool, StepError
from etbuild.tune.lanes import LaneLost

if TYPE_CHECKING:
    from etbuild.build_engine.dask.cluster import Cluster
    from etbuild.build_engine.server.protocol import ServerSpec
    from etbuild.tune.build import Subject
    from etbuild.tune.group_queue import Group, Json
    from etbuild.tune.lanes import Lanes

KIND = StepKind("candidates", "", "etbuild.tune.program", warm=True, remote=True, floating_point=True)
# Between two looks at which workers there are.
LOOK_S = 2.0
# After so many groups that were lost there, and twice as many as there ever were lanes, this machine builds the rest.
MOST_LOSSES = 4


@dataclass(frozen=True)
class Machines:
    """What the lanes of one search have in common.

    files:  of the subject, relative to the working directory. tools: as of Step.
    server: the workers' compile server; None for none. say: shows the user one line.
    """

    cluster: Cluster
    recipe: str
    subject: Subject
    files: tuple[str, ...]
    tools: tuple[str, ...]
    server: ServerSpec | None
    say: Callable[[str], None]

    def step(self, name: str) -> Step:
        """The step that builds a group. name: of its files."""
        task, figures = f"{name}.pickle", f"{name}.json"
        return Step(f"candidates:{self.recipe}", (task, figures), (*self.files, task), (figures,), self.tools)

    def slots(self) -> int:
        """How many groups the workers can build at once that have said what they are. raises: ProcessLost."""
        return sum(self.cluster.threads(self.step(""), KIND, wait=False).values())


class RemoteLane:
    """Builds groups on the worker that is the least busy. folder: has its files, takes those of groups."""

    remote = True
    _numbers = itertools.count()

    def __init__(self, machines: Machines, folder: Path) -> None:
        self._machines, self._folder = machines, folder
        self._running: RemoteStep | None = None
        self._closed = False

    def build(self, group: Group) -> list[Json]:
        try:
            return self._built(group)
        except (ProcessLost, StepError, MissingTool, OSError, ValueError) as error:
            if not self._closed:
                self._machines.say(f"{error}; this machine builds what was lost")
            raise LaneLost(str(error)) from error

    def close(self) -> None:
        self._closed = True
        if self._running is not None:
            self._running.cancel()

    def _built(self, group: Group) -> list[Json]:
        folder, step = self._folder, self._machines.step(f"group{next(self._numbers)}")
        (folder / step.argv[0]).write_bytes(pickle.dumps((self._machines.subject, tuple(group))))
        with tempfile.TemporaryFile() as log:
            job = Job(step, KIND, None, self._machines.server, ())
            self._running = RemoteStep(self._machines.cluster, job, folder, log.fileno())
            if self._closed:
                raise ProcessLost("the search has ended")
            result = self._running.wait()
            if result.exit:
                log.seek(0)
                printed = log.read().decode(errors="replace").splitlines()
                last = next((line for line in reversed(printed) if line.strip() and not line[0].isspace()), "")
                raise ProcessLost(f"a worker got exit code {result.exit}, wanted figures: {last}")
        figures: list[Json] = json.loads((folder / step.outputs[0]).read_text(encoding="utf-8"))
        return figures


class Recruiter:
    """Adds lanes to a search for the workers that are there, and for those that come while it runs.

    Use it in a `with`, around that of the lanes, whose end is first. folder: for the files of groups.
    """

    def __init__(self, lanes: Lanes, machines: Machines, folder: Path) -> None:
        self._lanes, self._machines, self._folder = lanes, machines, folder
        self._over = threading.Event()
        self._begun = self._most = 0
        self._said = False

    def __enter__(self) -> Recruiter:
        link_inputs(self._machines.files, Path.cwd(), self._folder)
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._machines.cluster.close()
        if self._lanes.submitted and not (self._begun or self._said):
            self._machines.say(f"{self._machines.cluster.address}: no worker took part; this machine built all")

    def _run(self) -> None:
        try:
            while not self._over.is_set() and self._begun - self._lanes.remote() < max(MOST_LOSSES, 2 * self._most):
                slots = self._machines.slots()
                self._most = max(self._most, slots)
                for _ in range(slots - self._lanes.remote()):
                    self._begun += 1
                    self._lanes.add(RemoteLane(self._machines, self._folder))
                self._over.wait(LOOK_S)
            if not self._over.is_set():
                lost = self._begun - self._lanes.remote()
                self._machines.say(f"{lost} groups were lost on other machines; no more workers are taken")
        except (ProcessLost, MissingTool) as lost:
            if not self._over.is_set():
                self._said = True
                self._machines.say(f"{lost}; this machine builds all")
