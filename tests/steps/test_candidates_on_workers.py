"""Candidates of step tune on a real scheduler's worker, which compiles them with a compile server of its own."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dask_cluster import FakeCluster, wait_for
from project import U55, Project, inside, recipe

from etbuild.recipe.data_sections import Data
from etbuild.steps.server import SERVER
from etbuild.steps.tune import TOOLS
from etbuild.tune.build import Builder, Subject
from etbuild.tune.candidate import Candidate
from etbuild.tune.forks import Fork
from etbuild.tune.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("distributed")
pytestmark = pytest.mark.e2e
PATIENCE_S = 180


@pytest.fixture
def cluster(tmp_path: Path, run_folder: Path) -> Iterator[FakeCluster]:
    """With one worker."""
    servers = {"ETBUILD_SERVER_IDLE_S": "20", "XDG_RUNTIME_DIR": str(run_folder)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = FakeCluster(tmp_path / "cluster", {**os.environ, **servers}, free.getsockname()[1])
    try:
        made.begin()
        made.add("a")
        yield made
    finally:
        made.end()


def test_a_worker_gives_the_figures_of_this_machine(small: Project, tmp_path: Path, cluster: FakeCluster) -> None:
    """It is sent the program and the folder of vectors. When it is killed, this machine builds, and says why."""
    from etbuild.build_engine.dask.cluster import Cluster
    from etbuild.tune.remote import Machines, Recruiter

    exported, vectors = Path("exported.pt2"), Path("vectors")
    shutil.copy(small.root / "build/r/export/exported.pt2", tmp_path)
    (tmp_path / vectors).mkdir()
    work = tmp_path / "work"
    np.save(tmp_path / vectors / "first.npy", np.random.default_rng(0).random((3, 2, 4, 4), np.float32))
    own = recipe(vectors=Data(data=vectors))
    subject = Subject(exported, U55, own.quantize, own.export, own.vectors, ())
    groups = [[Candidate(), Candidate(rewrite=True)], [Candidate(tensor=True)]]
    said: list[str] = []
    lanes = Lanes()
    with inside(tmp_path):
        wanted = [Builder(subject).build(group) for group in groups]
        fork, server = Fork(subject, tmp_path), Cluster(cluster.address, said.append)
        machines = Machines(server, "r", subject, (str(exported), str(vectors)), TOOLS, SERVER, said.append)
        with Recruiter(lanes, machines, work), lanes:
            found = lanes.submit(groups[0]).result(PATIENCE_S)
            assert (found, said, cluster.was_used("a")) == (wanted[0], [], True)

            cluster.kill(cluster.workers["a"])
            later = lanes.submit(groups[1])
            wait_for(lambda: bool(said))
            lanes.add(fork)

            assert later.result(PATIENCE_S) == wanted[1]
    assert wanted[0][0]["sqnr_db"] > 20
    assert said[-1].endswith("; this machine builds what was lost")
