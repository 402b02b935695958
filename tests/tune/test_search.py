"""The search of step tune: what it tries, in which order, and what it remembers."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tuned_figures import figures

from etbuild.errors import UsageError
from etbuild.hardware.target import Target
from etbuild.lint.budget import budget
from etbuild.recipe.data_sections import Calibration, Data, Quantize
from etbuild.recipe.model_sections import Model
from etbuild.recipe.qat_sections import Qat
from etbuild.recipe.recipe import Recipe
from etbuild.steps import tune
from etbuild.tune.progress import Progress
from etbuild.tune.search import Search, Space, Submit
from etbuild.tune.study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etbuild.tune.candidate import Candidate

FOREVER = 1e9
TWO_LAYERS = Space(2)


def made_up(one: Candidate) -> dict[str, Any]:
    """Figures that a candidate's settings alone decide."""
    cycles = 1000 + 500 * (one.scheme == "int16x8") - 100 * one.rewrite - 50 * one.tensor + 20 * one.wide
    return figures(cycles, 30 + 8 * (one.scheme == "int16x8") + one.correct_bias + one.wide - one.tensor)


class Builds:
    """Counts what is built. limit: groups that would bring more candidates than so many are not done in time."""

    def __init__(self, limit: int = 10**6) -> None:
        self.built: list[str] = []
        self._limit = limit

    def __call__(self, group: Sequence[Candidate]) -> Future[list[dict[str, Any]]]:
        done = Future[list[dict[str, Any]]]()
        if len(self.built) + len(group) > self._limit:
            done.set_exception(TimeoutError())
        else:
            self.built += [one.key for one in group]
            done.set_result(list(map(made_up, group)))
        return done


def searched(file: Path, builds: Submit, space: Space = TWO_LAYERS, seed: int = 0, end: float = FOREVER) -> list[str]:
    """The keys of what was tried."""
    search = Search(Study(file), builds, end)
    search.run(space, seed)
    return [one.key for one in search.tried]


def test_the_same_seed_tries_the_same_candidates(tmp_path: Path) -> None:
    """In the same order, each once; another seed tries others. The first is the recipe."""
    orders = [searched(tmp_path / f"{number}", Builds(60), seed=seed) for number, seed in enumerate((0, 0, 1))]

    assert orders[0] == orders[1] != orders[2]
    assert orders[0][0] == "the recipe" and "int16x8" in orders[0][:5]
    assert len(set(orders[0])) == len(orders[0]) > 50


def test_the_order_does_not_depend_on_which_is_built_first(tmp_path: Path) -> None:
    """Two threads, and eight that take different times: what is tried depends on seed and figures alone."""

    def slow(group: Sequence[Candidate]) -> list[dict[str, Any]]:
        time.sleep(sum(map(ord, group[0].key)) % 7 / 500)
        return list(map(made_up, group))

    orders = []
    for threads in (2, 8):
        with ThreadPoolExecutor(threads) as pool:
            left = iter(range(40))

            def submit(group: Sequence[Candidate], pool: Any = pool, left: Any = left) -> Any:
                return pool.submit(slow, group) if next(left, None) is not None else Builds(0)(group)

            orders.append(searched(tmp_path / f"{threads}", submit))

    assert orders[0] == orders[1]
    assert len(orders[0]) > 50


def test_a_longer_search_builds_nothing_again(tmp_path: Path) -> None:
    """It begins with what the shorter one has tried, from the file; a line that was written in half is left out."""
    file = tmp_path / "study.jsonl"
    first, second = Builds(21), Builds(40)
    short = searched(file, first)
    with file.open("a") as text:
        text.write('{"key": "half')

    long = searched(file, second)

    assert set(short) == set(first.built) and len(short) > 15
    assert set(first.built) & set(second.built) == set()
    assert [key for key in long if key in short] == short
    assert len(long) == len(first.built) + len(second.built)


def test_a_search_ends_with_its_budget(tmp_path: Path) -> None:
    """Nothing is begun after it."""
    builds = Builds()

    assert (searched(tmp_path / "none", builds, end=time.monotonic() - 1), builds.built) == ([], [])


def test_what_is_done_at_the_end_counts(tmp_path: Path) -> None:
    """Also behind a proposal that is not done: those after it were tried."""
    builds, numbers, late = Builds(), count(), list[str]()

    def submit(group: Sequence[Candidate]) -> Future[list[dict[str, Any]]]:
        number = next(numbers)
        if number == 25:
            return Builds(0)(group)
        late.extend(one.key for one in group if number > 25)
        return builds(group)

    tried = searched(tmp_path / "study", submit)

    assert set(tried) == set(builds.built)
    assert late and tried[-len(late) :] == late


def test_a_candidate_that_killed_its_processes_is_tried_again(tmp_path: Path) -> None:
    """By the next search, as the memory may be there then; in this one it cannot be built."""
    file, builds = tmp_path / "study", Builds(20)

    def lost(group: Sequence[Candidate]) -> Future[list[dict[str, Any]]]:
        done = builds(group)
        if group[0].scheme != "int16x8":
            return done
        done = Future()
        done.set_result([{"lost": "signal 9"}] * len(group))
        return done

    search = Search(Study(file), lost, FOREVER)
    search.run(Space(2), 0)

    assert search.study.known["int16x8"] == {"why": "signal 9"}
    assert "the recipe" in Study(file).known
    assert "int16x8" not in Study(file).known


def test_a_search_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a period, with the best until then; none before the recipe is known."""
    monkeypatch.setattr("etbuild.tune.progress.PERIOD_S", 0.0)
    lines: list[str] = []
    end = time.monotonic() + 100
    search = Search(Study(tmp_path / "study"), Builds(60), end, Progress(end, lines.append))

    search.run(Space(2), 0)

    assert lines[0].endswith(" of 100 s: 1 settings tried, the best: 1,000 cycles, 30.0 dB, the recipe")
    assert len(lines) == len(search.tried)
    assert f" of 100 s: {len(lines)} settings tried, the best: " in lines[-1]


def test_a_search_is_planned_for_an_npu_without_code_of_the_user() -> None:
    """Its builds run none; the profile, which a target has from its NPU, is an option of its own."""
    target = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
    own = Recipe("net", (Path("recipes/net.yaml"),), Model(source=Path("net.py")), (target,))
    trained = replace(own, quantize=Quantize(qat=Qat(source=Path("train.py"))))

    planned = tune.step(own)

    data = replace(own, vectors=Data(data=Path("recipes/data")))
    calibration = Calibration(data=Path("recipes/data/first.npz"))
    nested = tune.step(replace(data, quantize=Quantize(calibration=calibration)))

    assert planned is not None and nested is not None
    assert [path for path in nested.inputs if "data" in path] == ["recipes/data"]
    assert ("--profile", "tosa-u55") in list(pairwise(planned.argv))
    assert (planned.local, planned.outputs) == (True, ("build/net/tune.json", "build/net/tune.patch"))
    assert tune.step(trained) is None
    assert tune.step(replace(own, targets=(Target("cpu", "none", "cpu"),))) is None


def test_a_budget_is_a_number_of_seconds() -> None:
    """As that of lint; the message names the task."""
    with pytest.raises(UsageError) as raised:
        budget("300s", "tune")

    assert str(raised.value) == (
        '--budget: got "300s", wanted a whole number of 1 to 86400, in seconds\n    doit tune:R --budget 60'
    )


def test_settings_that_share_a_lowered_program_are_tried_together(tmp_path: Path) -> None:
    """With rules of rewrite and without: what is behind lowering takes a second."""
    groups: list[list[str]] = []
    builds = Builds(10)

    def submit(group: Sequence[Candidate]) -> Future[list[dict[str, Any]]]:
        groups.append([one.key for one in group])
        return builds(group)

    searched(tmp_path / "study", submit)

    assert groups[:4] == [
        ["the recipe", "rewrite"],
        ["int16x8"],
        ["correct_bias", "correct_bias, rewrite"],
        ["adaround", "adaround, rewrite"],
    ]


def test_least_memory_is_tried_with_every_setting_where_the_recipe_leaves_it_open(tmp_path: Path) -> None:
    """It takes a run of Vela; the sampler does not propose it by itself."""
    tried = searched(tmp_path / "study", Builds(120), Space(2, size=True))

    assert tried[:4] == ["the recipe", "the recipe, optimise Size", "int16x8", "int16x8, optimise Size"]
    assert "correct_bias, rewrite, optimise Size" in tried
    assert len(set(tried)) == len(tried) > 110


def test_nothing_is_equalised_in_a_model_without_such_layers(tmp_path: Path) -> None:
    """Each such setting would fail, and take a place of one that does not."""
    tried = searched(tmp_path / "study", Builds(80), Space(2, equalise=False))

    assert len(tried) > 70
    assert [key for key in tried if "equalise" in key] == []
