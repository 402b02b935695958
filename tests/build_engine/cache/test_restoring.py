"""Outputs that come from the cache: complete, free to be changed, and built again where the store is damaged."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Machine, outputs

FOLDER = """
import os
base = Path('build/r/folder')
(base / 'deep/er').mkdir(parents=True)
(base / 'deep/er/text').write_text('text')
(base / 'zero').write_bytes(b'')
(base / 'tool').write_text('run me')
(base / 'tool').chmod(0o755)
Path('build/r/a.bin').write_text('made')
"""


def test_folders_are_restored_as_they_were(machine: Machine) -> None:
    """Names, content, and which files can be executed."""
    first, second = machine.scripted("first", FOLDER), machine.scripted("second", FOLDER)
    first.run(STEP)

    outcome = second.run(STEP)

    folder = second.workspace.root / "build/r/folder"
    assert outcome.how == "cached"
    assert outputs(second) == outputs(first)
    assert os.access(folder / "tool", os.X_OK) is True
    assert (folder / "deep/er/text").stat().st_mode & 0o111 == 0


def test_an_empty_folder_is_restored_too(machine: Machine) -> None:
    """No file's path contains it."""
    script = "Path('build/r/folder').mkdir()\nPath('build/r/a.bin').write_text('made')"
    machine.scripted("first", script).run(STEP)
    second = machine.scripted("second", script)

    assert second.run(STEP).how == "cached"
    assert list((second.workspace.root / "build/r/folder").iterdir()) == []


def test_a_change_of_a_restored_file_does_not_reach_the_store(machine: Machine) -> None:
    """The user may edit, append to and truncate outputs."""
    first, second, third = (machine.checkout(name) for name in ("first", "second", "third"))
    first.run(STEP)
    second.run(STEP)
    for checkout in (first, second):
        with (checkout.workspace.root / "build/r/a.bin").open("a") as file:
            file.write("edited")

    assert first.run(STEP).how == "cached"
    third.run(STEP)
    assert outputs(first) == outputs(third)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize("kind", ["blobs", "actions", "lists"])
@pytest.mark.parametrize("damage", [truncate, lengthen, flip, Path.unlink])
def test_a_damaged_entry_is_built_again_and_replaced(
    machine: Machine, kind: str, damage: Callable[[Path], None]
) -> None:
    """One run, no message, right outputs; the next checkout finds it."""
    machine.behave(imports=("blocks.py",))
    first = machine.checkout("first")
    first.run(TRACED)
    for path in machine.stored(kind):
        damage(path)
    second, third = machine.checkout("second"), machine.checkout("third")

    assert (second.run(TRACED).how, third.run(TRACED).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


def test_two_checkouts_that_need_the_same_outputs_run_the_step_once(machine: Machine) -> None:
    """The second waits for the first and takes its outputs from the cache."""
    machine.behave("wait")
    checkouts = machine.checkout("first"), machine.checkout("second")
    outcomes: list[str] = []

    threads = [threading.Thread(target=lambda one=one: outcomes.append(one.run(STEP).how)) for one in checkouts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["cached", "ran"]
    assert machine.runs == 1
