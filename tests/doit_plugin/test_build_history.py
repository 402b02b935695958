"""Every build leaves what it did in the history; one with nothing to do leaves nothing."""

from __future__ import annotations

from built_project import ALL, FakeProject

from etbuild.build_engine.history import read
from etbuild.build_engine.workspace import STATE


def test_a_build_is_in_the_history_and_one_with_nothing_to_do_is_not(project: FakeProject) -> None:
    """Also a failed step, with the reasons of the others."""
    state = project.root / STATE
    (first,) = read(state)
    project.doit()
    unchanged = read(state)
    (project.root / "recipes/data/calibration.npz").write_bytes(b"others")
    project.behave({"lower:net@tosa-u55": "nothing"})
    project.doit()

    *before, last = read(state)
    off = "no cache: ETBUILD_CACHE is off"
    assert unchanged == tuple(before) == (first,)
    assert {(step.name, step.how, step.cache, *step.why) for step in first.steps} == {
        (name, "ran", off, "never built") for name in ALL
    }
    assert [(step.name, step.how) for step in last.steps][:1] == [("quantize:net@tosa-u55", "ran")]
    assert last.steps[0].why[0].startswith("input recipes/data/calibration.npz: ")
    assert [step.name for step in last.steps if step.how == "failed"] == ["lower:net@tosa-u55"]
    assert all(step.begin <= step.end for step in last.steps)
