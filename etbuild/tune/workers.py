"""Opens the lanes of a search: processors of this machine, workers of a Dask scheduler. It chooses no candidate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from etbuild.system.processors import processors
from etbuild.tune.forks import Fork
from etbuild.tune.lanes import Lanes

if TYPE_CHECKING:
    from etbuild.tune.build import Subject
    from etbuild.tune.remote import Machines


@contextmanager
def lanes_of(subject: Subject, machines: Machines | None) -> Iterator[Lanes]:
    """A lane for each processor, and one for each thread of the workers. machines: None for none."""
    forks = [Fork(subject) for _ in range(processors())]  # Before there are threads, with which a fork is not safe.
    lanes = Lanes()
    with ExitStack() as stack:
        if machines is not None:
            from etbuild.tune.remote import Recruiter

            stack.enter_context(Recruiter(lanes, machines))
        stack.enter_context(lanes)
        for fork in forks:
            lanes.add(fork)
        yield lanes
