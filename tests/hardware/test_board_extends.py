"""A board's file that extends another: what it has, and how a wrong one is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etbuild.errors import RecipeError
from etbuild.hardware.boards import board_file, board_names, board_of, load_board
from etbuild.recipe.load import load
from etbuild.steps import firmware

RECIPE = """\
model: {builtin: mv2}
targets: [{npu: ethos-u55-128}]
runtime: {board: _mine.yaml}
"""
TWINS = [name for name in board_names() if name.endswith("-qemu")]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def message(folder: Path, name: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_board(folder / f"{name}.yaml", Path(f"{name}.yaml"))
    return str(caught.value)


def test_a_board_has_what_differs_from_the_board_that_it_extends(tmp_path: Path) -> None:
    """Mappings are merged at any depth, null deletes; the lines of a step's command line are complete."""
    write(tmp_path, mine="extends: corstone-300\nnpu: {interrupt: 57}\nuart: null\nsimulators: {fvp: null}\n")

    made = load_board(tmp_path / "mine.yaml", Path("mine.yaml"))

    assert (made.npu.interrupt, made.npu.address, made.uart, made.fvp) == (57, 0x58102000, None, None)
    assert (made.name, made.is_of_user, made.qemu) == ("mine", True, "mps3-an547")
    assert board_of("mine.yaml", made.lines).memory == made.memory
    assert not any(line.startswith("extends") for line in made.lines)


def test_a_board_extends_a_users_board_which_extends_another(tmp_path: Path) -> None:
    """Each names the next relative to itself; the files are those that a change of the recipe depends on."""
    (tmp_path / "deeper").mkdir()
    write(tmp_path, base="extends: corstone-300\nstack_size: 8 KiB\n")
    write(tmp_path / "deeper", mine="extends: ../base.yaml\ntitle: Mine\n")

    made = load_board(tmp_path / "deeper/mine.yaml", Path("deeper/mine.yaml"))

    assert (made.title, made.stack_size) == ("Mine", 8192)
    assert made.user_files == (Path("deeper/mine.yaml"), Path("base.yaml"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: corstone-30\n", 'mine.yaml:1:10: extends: got "corstone-30", wanted one of alif-e8-he, '),
        ("extends: [corstone-300]\n", "mine.yaml:1:10: extends: got a list, wanted one of alif-e8-he, "),
        ("extends: none.yaml\n", "none.yaml: got No such file or directory, wanted a board: "),
        ("extends: mine.yaml\n", 'mine.yaml:1:10: extends: got "mine.yaml", wanted a board that does not extend this'),
        (
            "extends: corstone-300\nstack: 1\n",
            "mine.yaml:2:1: stack: got a key that does not exist, wanted one of title",
        ),
    ],
)
def test_a_wrong_base_is_reported_at_its_location(tmp_path: Path, text: str, expected: str) -> None:
    """And what is wrong in the file itself, as without a base."""
    write(tmp_path, mine=text)

    assert message(tmp_path, "mine").startswith(expected)


def test_a_plan_depends_on_every_file_of_a_users_board(tmp_path: Path) -> None:
    """On those that it extends; the firmware's step reads its sources, headers too."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    write(folder, one=RECIPE, _base="extends: corstone-300\n", _mine="extends: _base.yaml\ninit: [mine.c, mine.h]\n")
    for name in ("mine.c", "mine.h"):
        (folder / name).write_text("")

    recipe = load(folder / "one.yaml", tmp_path, {})
    step = firmware.step(recipe, recipe.targets[0])

    assert {"recipes/one.yaml", "recipes/_mine.yaml", "recipes/_base.yaml"} <= set(map(str, recipe.files))
    assert step is not None
    assert {"recipes/mine.c", "recipes/mine.h"} <= set(step.inputs)


def test_a_source_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    """Where the key is."""
    write(tmp_path, mine="extends: corstone-300\ninit: [clocks.c]\n")

    assert message(tmp_path, "mine") == (
        'mine.yaml:2:7: init: got "clocks.c", which does not exist, wanted files next to the board\'s'
    )


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_differs_from_its_original_in_what_qemu_has_elsewhere(name: str) -> None:
    """Addresses of memory, the interrupt, the clock, who takes the exit code; nothing about the NPU or the sources."""
    twin, original = (load_board(file) for file in map(board_file, (name, name.removesuffix("-qemu"))) if file)

    assert [region.name for region in twin.memory] == [region.name for region in original.memory]
    assert all(mine.size <= its.size for mine, its in zip(twin.memory, original.memory, strict=True))
    assert (twin.placement, twin.init, twin.stack_size) == (original.placement, original.init, original.stack_size)
    assert (twin.npu.address, twin.npu.families, twin.npu.macs) == (
        original.npu.address,
        original.npu.families,
        original.npu.macs,
    )
    assert (twin.npu.secure, twin.npu.privileged) == (original.npu.secure, original.npu.privileged)
    assert 32 <= twin.npu.interrupt < 128
    assert twin.qemu == "mps3-an547"


def test_the_twins_are_those_of_the_boards_of_vendors() -> None:
    """Each of them has one."""
    assert TWINS == ["alif-e8-he-qemu", "alif-e8-hp-qemu", "alif-e8-hp-u85-qemu", "imx93-evk-qemu"]


def test_only_what_differs_is_in_a_twins_file() -> None:
    """So no fact about a board stands in two files."""
    for name in TWINS:
        file = board_file(name)
        assert file is not None
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert len(lines) < 25, json.dumps(lines)
