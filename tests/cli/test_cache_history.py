"""`etbuild cache history`: the last builds of a project, each step with hit or miss and its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etbuild.build_engine.history import FILE, MOST, Build, StepRun, append, last_runs, read
from etbuild.build_engine.workspace import STATE
from etbuild.cli.main import main

MISS = "nothing with these inputs, settings and tools"
FIRST = Build(
    1e9,
    1e9 + 4,
    (
        StepRun("export:net", "ran", 1e9, 1e9 + 2, ("never built",), MISS),
        StepRun("vela:net@u55", "cached", 1e9 + 2, 1e9 + 2.5, ("never built",), "hit"),
        StepRun("run:net@u55", "failed", 1e9 + 3, 1e9 + 4, (), ""),
    ),
)
SECOND = Build(
    1e9 + 60,
    1e9 + 61,
    (StepRun("export:net", "ran", 1e9 + 60, 1e9 + 61, ("input net.py: 1 -> 2", "strict: a -> b"), MISS),),
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / STATE).mkdir(parents=True)
    return tmp_path / STATE


def test_each_step_has_its_hit_or_miss_and_reason(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the reasons of all misses are counted, without values."""
    append(state, FIRST)
    append(state, SECOND)

    assert main(["cache", "history"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"^[\d-]+ [\d:]+  ", "", line) for line in lines] == [
        "4.0 s: 1 hits, 1 misses, 1 failed",
        f"    export:net                                   miss       2.0 s  {MISS}; never built",
        "    vela:net@u55                                 hit        0.5 s  never built",
        "    run:net@u55                                  failed     1.0 s",
        "1.0 s: 0 hits, 1 misses",
        "    export:net                                   miss       1.0 s  "
        f"{MISS}; input net.py: 1 -> 2; strict: a -> b",
        "2 builds: 1 hits, 2 misses",
        f"       1  never built; {MISS}",
        f"       1  input net.py; {MISS}",
    ]


def test_a_damaged_line_of_the_history_is_no_build(state: Path) -> None:
    """A killed build may leave half a line."""
    append(state, FIRST)
    with (state / FILE).open("a") as file:
        file.write('{"begin": 1, "end"\n[]\n')
    append(state, SECOND)

    assert read(state) == (FIRST, SECOND)


def test_the_history_does_not_grow_without_end(state: Path) -> None:
    """The oldest builds go."""
    for number in range(2 * MOST + 1):
        append(state, Build(number, number, ()))

    assert [build.begin for build in read(state)] == list(range(MOST + 1, 2 * MOST + 1))
    assert len((state / FILE).read_text().splitlines()) == MOST


def test_a_failed_run_of_a_step_is_not_its_last(state: Path) -> None:
    """A trace shows what made the outputs."""
    failed = Build(2e9, 2e9, (StepRun("export:net", "failed", 2e9, 2e9, (), ""),))

    assert last_runs((FIRST, SECOND, failed))["export:net"] == SECOND.steps[0]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--builds", "0"], 2, '--builds: got "0", wanted a whole number of 1 to 50\n'),
        (["--builds", "x"], 2, '--builds: got "x", wanted a whole number of 1 to 50\n'),
        (
            [],
            1,
            "build/.etbuild: got no builds, wanted those of a project\n    run it where dodo.py is, after doit\n",
        ),
    ],
)
def test_a_wrong_number_and_a_folder_without_builds_are_refused(
    state: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    """With the remedy."""
    assert main(["cache", "history", *words]) == code
    assert capsys.readouterr().err == says
