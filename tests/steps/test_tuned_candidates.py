"""What step tune builds in one process: candidates of a network whose int16x8 form Vela does not take as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import U55, Project, inside, recipe

from etbuild.compile import compiler_imports
from etbuild.compile.exported_program import load_program
from etbuild.errors import StepError
from etbuild.recipe.data_sections import Vectors
from etbuild.steps import export
from etbuild.tune.build import Builder, Subject
from etbuild.tune.candidate import Candidate
from etbuild.tune.narrow import narrow_modules

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e
EXPORTED = Path("build/r/export/exported.pt2")
SOURCE = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, stride=2, padding=1)
            self.second = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.third = torch.nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            x = self.first(x)
            x = torch.relu(x + torch.relu(self.second(x)))
            return x + self.third(x)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net()
        ModelInputs = (torch.randn(1, 2, 8, 8),)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("residual"))
    made.write("model.py", SOURCE)
    made.run(export.step(recipe()))
    compiler_imports.load_executorch()
    return made


def figures(project: Project, candidates: list[Candidate], narrow: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    own: Recipe = recipe(vectors=Vectors(samples=2, seed=1))
    with inside(project.root):
        return Builder(Subject(EXPORTED, U55, own.quantize, own.export, own.vectors, (), narrow)).build(candidates)


def test_a_sum_that_is_read_beside_its_operand_stays_in_int8(exported: Project) -> None:
    """The first convolution's result goes to an addition and another layer: Vela refuses its int16x8 form, so the
    search leaves this one layer in 8 bits, and the measure of all others in 16 is known. An Ethos-U85 takes it."""
    program = load_program(exported.root / EXPORTED)

    assert narrow_modules(program, "tosa-u55") == ("first",)
    assert narrow_modules(program, "tosa-u85") == ()
    (refused,), (built,) = (figures(exported, [Candidate("int16x8")], names) for names in ((), ("first",)))
    assert "could not run on NPU" in refused["why"]
    assert (built["on_cpu"], built["sqnr_db"] > 30) == (0, True)


def test_what_is_behind_lowering_is_measured_on_the_same_lowered_program(
    exported: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One quantisation for all candidates; fewer cycles, or no more memory, and the same error."""
    lowered, calls = Builder._lowered, list[Candidate]()

    def counted(self: Builder, one: Candidate) -> Any:
        calls.append(one)
        return lowered(self, one)

    monkeypatch.setattr(Builder, "_lowered", counted)

    some = [Candidate(), Candidate(rewrite=True), Candidate(rewrite=True, size=True)]
    plain, rewritten, small = figures(exported, some)

    assert len(calls) == 1
    assert rewritten["cycles"] < plain["cycles"]
    assert small["sram_bytes"] <= rewritten["sram_bytes"]
    assert rewritten["sqnr_db"] == small["sqnr_db"] == plain["sqnr_db"]


def test_a_rule_that_changes_results_is_no_candidate(exported: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The streams with and without it must give the same integers on the vectors."""
    from etbuild.host.program import HostProgram

    number = iter(range(100))
    run = HostProgram.run

    def faulty(self: HostProgram, *inputs: Any) -> Any:
        return [one + (next(number) >= 2) for one in run(self, *inputs)]

    monkeypatch.setattr(HostProgram, "run", faulty)

    assert figures(exported, [Candidate(), Candidate(rewrite=True)])[1] == {
        "why": "a rule of rewrite changes the results"
    }


def test_a_setting_that_vela_refuses_leaves_the_others(exported: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe itself too, which shares its lowered program: without its figures there is no search."""
    compiled = Builder._compiled

    def refusing(self: Builder, lowered: Any, one: Candidate) -> Any:
        if one.size:
            raise StepError("Vela: no\nmore")
        return compiled(self, lowered, one)

    monkeypatch.setattr(Builder, "_compiled", refusing)

    plain, small = figures(exported, [Candidate(), Candidate(size=True)])

    assert small == {"why": "Vela: no"}
    assert plain["cycles"] > 0
