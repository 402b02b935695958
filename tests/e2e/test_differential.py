"""Random edits, damage and kills: after each, the incremental build has the bytes of a clean build.

Real doit, engine, compile server and caches; the steps are stand-ins, but models are loaded and traced by etbuild. A
failure shows the actions, which hypothesis has shortened where they fail again, and the test's name has the seed.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from differential_machine import Differential, Disturbed
from differential_world import World
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

# hypothesis begins with an example of the simplest steps; it is one of these.
CI = settings(
    max_examples=8,
    stateful_step_count=22,
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
SEEDS = range(25)
SLOW = settings(CI, max_examples=5, stateful_step_count=50, derandomize=False)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Which sources each step consists of, and the versions of tools: looked up once."""
    with tempfile.TemporaryDirectory(prefix="run") as run:
        world = World(tmp_path_factory.mktemp("warm"), Path(run))
        try:
            world.check("A")
        finally:
            world.close()
    return world.user / "etbuild"


def machine(kind: type[Differential], base: Path, warm: Path) -> type[Differential]:
    """A class of its own, because hypothesis makes an instance for each example."""
    return type(kind.__name__, (kind,), {"base": base, "warm": warm, "counts": Counter()})


@pytest.mark.e2e
def test_two_hundred_steps_leave_the_bytes_of_a_clean_build(tmp_path: Path, warm: Path) -> None:
    """The same steps every time; builds that ran something, that ran nothing and that failed are among them."""
    differential = machine(Disturbed, tmp_path, warm)

    run_state_machine_as_test(differential, settings=CI)

    counts = differential.counts
    print(counts)
    assert counts["steps"] >= 200
    assert min(counts[name] for name in ("with steps run", "without", "failing")) >= 10


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("number", SEEDS)
def test_five_thousand_steps_leave_the_bytes_of_a_clean_build(tmp_path: Path, warm: Path, number: int) -> None:
    """So many over all seeds."""
    differential = machine(Disturbed, tmp_path, warm)

    run_state_machine_as_test(seed(number)(differential), settings=SLOW)

    print(differential.counts)
    assert differential.counts["steps"] >= 5000 // len(SEEDS)
