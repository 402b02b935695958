"""One case of each function of ExecuTorch's Arm tests, in several processes that take turns on what CI has.

The cases are in fastest.txt, which `python -m etbuild.arm_suite` writes from the seconds that they took; what they have
to give is in docs/compatibility.json. No process starts others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from etbuild.arm_suite.results import name_of

CASES = Path(__file__).with_name("fastest.txt")
TABLE = Path(__file__).parents[2] / "docs/compatibility.json"
SHARDS = 3


def names() -> list[str]:
    return CASES.read_text(encoding="utf-8").splitlines()


def verdicts(table: Path) -> dict[str, list[object]]:
    """By name: the verdict, and that of each comparison with the TOSA reference model."""
    rows = json.loads(table.read_text(encoding="utf-8"))["results"]
    return {
        name_of(row["file"], row["function"], row["case"]): [
            row["verdict"],
            *(found[0] for found in row.get("tosa", [])),
        ]
        for row in rows
        if row["function"]
    }


def shards() -> list[list[str]]:
    """Files of the suite, each in one list; about the same number of functions in each."""
    lists: list[list[str]] = [[] for _ in range(SHARDS)]
    counts = [0] * SHARDS
    files = {file: len(list(group)) for file, group in groupby(names(), lambda name: name.partition("::")[0])}
    for file, count in sorted(files.items(), key=lambda pair: -pair[1]):
        least = counts.index(min(counts))
        lists[least].append(file)
        counts[least] += count
    return lists


def test_every_function_of_the_table_has_one_case() -> None:
    """Another release of ExecuTorch has other functions: then fastest.txt has to be written again."""
    functions = [name.partition("[")[0] for name in names()]

    assert functions == sorted({name.partition("[")[0] for name in verdicts(TABLE)})


@pytest.mark.e2e
@pytest.mark.parametrize("shard", range(SHARDS))
def test_one_case_of_each_function_is_as_in_the_table(tmp_path: Path, shard: int) -> None:
    """What passes there passes here, and every delegate that ran is equal to TOSA bit by bit."""
    files = shards()[shard]
    chosen = [name for name in names() if name.partition("::")[0] in files]
    command = [sys.executable, "-m", "etbuild.arm_suite", "--jobs", "1", "--cases", str(CASES)]

    done = subprocess.run(
        [*command, "--output", str(tmp_path), *files],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    committed = verdicts(TABLE)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["results"]
    # Files that import a package that is not installed, which is a known cause: else the exit code is 1.
    without = {row["file"] for row in rows if not row["function"]}
    assert verdicts(tmp_path / "table.json") == {
        name: committed[name] for name in chosen if name.partition("::")[0] not in without
    }
