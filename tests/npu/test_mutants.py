"""Deliberate bugs: the committed streams catch each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.npu import directed, mutants, program

TESTS = [test for path in sorted(directed.FOLDER.glob("*.toml")) for test in program.read(path)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The emulator as it is."""
    return mutants.base_objects(tmp_path_factory.mktemp("objects"))


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_deliberate_bug_is_caught(mutant: mutants.Mutant, objects: dict[str, Path], tmp_path: Path) -> None:
    """Some stream fails or gives other bytes."""
    emulator = mutants.mutated(mutant, objects, tmp_path)

    assert any(outcome.code or differences for outcome, differences in (test.run(emulator) for test in TESTS))
