"""Opens the lanes of a search: processors of this machine, workers of a Dask scheduler. It chooses no candidate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from etbuild.host.library import warm_library
from etbuild.system.processors import processors
from etbuild.tune.forks import Fork
from etbuild.tune.lanes import Lanes

if TYPE_CHECKING:
    from etbuild.tune.build import Subject
    from etbuild.tune.remote import Machines


@contextmanager
def lanes_of(subject: Subject, machines: Machines | None) -> Iterator[Lanes]:
    """A lane for each processor, and one for each thread of the workers. machines: None for none.

    raises: StepError where this machine cannot run a program on the host, which is no reason against a candidate.
    """
    warm_library()
    with ExitStack() as stack:
        # In the step's sandbox, which is removed also after the step was killed.
        files = TemporaryDirectory(prefix=".tune-", dir=Path.cwd(), ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(files))
        # Before there are threads, with which a fork is not safe.
        forks = [Fork(subject, folder) for _ in range(processors())]
        lanes = Lanes(machines.say if machines else print)
        if machines is not None:
            from etbuild.tune.remote import Recruiter

            stack.enter_context(Recruiter(lanes, machines, folder))
        stack.enter_context(lanes)
        for fork in forks:
            lanes.add(fork)
        yield lanes
