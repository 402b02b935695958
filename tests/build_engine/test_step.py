"""Steps: paths for those who run them, names for those who decide."""

import pickle
from pathlib import Path

import pytest

from etbuild.build_engine.step import Step

STEP = Step("vela:net@a", ("--x",), (Path("in"),), (Path("build/out"),), ("ethos-u-vela",))


def kept() -> Step:
    return Step.kept(
        name="vela:net@a", argv=("--x",), reads=("in",), writes=("build/out",), tools=("ethos-u-vela",), depfile=None
    )


def test_a_kept_step_is_the_step() -> None:
    """Whichever is asked first."""
    assert kept() == STEP
    assert (kept().inputs, kept().outputs) == (STEP.inputs, STEP.outputs)
    assert (STEP.reads, STEP.writes) == (kept().reads, kept().writes) == (("in",), ("build/out",))


def test_a_kept_step_can_be_sent() -> None:
    """To a worker, as any other."""
    assert pickle.loads(pickle.dumps(kept())) == STEP


def test_a_step_has_nothing_else() -> None:
    """As every dataclass."""
    with pytest.raises(AttributeError, match="Step has no other"):
        STEP.other  # noqa: B018
