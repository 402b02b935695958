"""Step fit: boards side by side, the target that suits each, and why one does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from project import U55, Project, recipe

from etbuild.hardware.boards import load_board
from etbuild.recipe.runtime_sections import Runtime
from etbuild.report.fit_table import fit_table
from etbuild.steps import fit

MANIFEST = "build/r/ethos-u55-128/manifest.json"


@pytest.fixture
def project(small: Project, tmp_path: Path) -> Project:
    """A copy of the compiled project."""
    shutil.copytree(small.root, tmp_path / "project")
    return Project(tmp_path / "project")


def rows(project: Project, **parts: Any) -> dict[str, Any]:
    project.run(fit.step(recipe(**parts)))
    return {row["board"]: row for row in project.json("build/r/fit.json")["boards"]}


def with_manifest(project: Project, **memory: int) -> None:
    manifest = project.json(MANIFEST)
    (project.root / MANIFEST).write_text(json.dumps(manifest | {"memory": manifest["memory"] | memory}))


@pytest.mark.e2e
def test_each_board_gets_the_target_that_suits_its_npu(project: Project) -> None:
    """One of the recipe's where there is one; else one that is compiled for the board, with the default settings."""
    found = rows(project)

    npus = {
        name: (row["fits"], row["target"] and row["target"]["npu"], row.get("variant")) for name, row in found.items()
    }
    assert npus == {
        "alif-e8-he": (True, "ethos-u55-128", "ethos-u55-128"),
        "alif-e8-hp": (True, "ethos-u55-256", None),
        "alif-e8-hp-u85": (False, None, None),
        "corstone-300": (True, "ethos-u55-128", "ethos-u55-128"),
        "corstone-320": (False, None, None),
        "imx93-evk": (True, "ethos-u65-256", None),
        "qemu-mps3-an547": (True, "ethos-u55-128", "ethos-u55-128"),
    }
    vela = project.json("build/r/ethos-u55-128/vela.json")["total"]
    assert found["corstone-300"]["inference"] == {
        "value": vela["inference_time_s"], "unit": "s", "kind": "estimate", "source": "vela",
    }  # fmt: skip
    assert found["corstone-300"]["sizes"]["pte"] == project.json(MANIFEST)["pte"]["bytes"]
    assert found["corstone-320"]["reason"] == "not lowered for Ethos-U85: add a target with npu: ethos-u85-256"
    assert sorted(path.name for path in project.root.iterdir()) == ["build", "model.py"]


@pytest.mark.e2e
def test_what_is_compiled_here_is_the_pte_that_a_target_would_give(project: Project) -> None:
    """To the byte: sizes of another target's .pte are no estimate."""
    from dataclasses import replace

    from etbuild.steps import pte, vela

    found = rows(project)["alif-e8-hp"]
    target = replace(U55, variant="ethos-u55-256", npu="ethos-u55-256")
    project.run(vela.step(recipe(target), target), pte.step(recipe(target), target))

    manifest = project.json("build/r/ethos-u55-256/manifest.json")
    assert found["sizes"] == {
        "pte": manifest["pte"]["bytes"],
        "planned": manifest["memory"]["planned_bytes"],
        "scratch": manifest["memory"]["scratch_bytes"],
        "fast_scratch": manifest["memory"]["fast_scratch_bytes"],
    }


@pytest.mark.e2e
def test_another_memory_mode_is_tried_where_the_recipes_does_not_fit(project: Project) -> None:
    """As if the scratch had 3 MiB; Corstone-300 has 2 MiB of SRAM."""
    with_manifest(project, scratch_bytes=3 << 20)

    row = rows(project)["corstone-300"]

    assert (row["fits"], row["variant"], row["target"]["memory_mode"]) == (True, None, "Sram_Only")


@pytest.mark.e2e
def test_a_board_that_is_too_small_says_where_and_by_how_much(project: Project) -> None:
    """A board of the user is among them; whatever is tried, its model does not fit."""
    file = project.write("tiny.yaml", "extends: alif-e8-he\nmemory: {mram: {size: 1 KiB}}\n")
    board = load_board(project.root / file, file)

    row = rows(project, runtime=Runtime(board=board, stack_size=board.stack_size))["tiny"]

    assert not row["fits"]
    (short,) = row["shortages"]
    assert short["region"] == "mram"
    assert short["missing"] == sum(short["parts"].values()) - 1024 > 0
    assert "model" in short["parts"]


def test_the_table_says_which_boards_fit_and_why_not() -> None:
    """The whole text."""
    target = {"npu": "ethos-u55-128", "memory_mode": "Shared_Sram"}
    sizes = {"pte": 64320, "planned": [3920], "scratch": 17920, "fast_scratch": 0}
    known = {"target": target, "variant": "ethos-u55-128", "sizes": sizes, "inference": {"value": 0.000183}}
    short = {"region": "mram", "bytes": 1024, "missing": 63296, "parts": {"model": 64320}}
    boards = [
        {"board": "one", "fits": True, **known, "shortages": []},
        {"board": "two", "fits": False, **known, "variant": None, "inference": None, "shortages": [short]},
        {"board": "three", "fits": False, "target": None, "reason": "not lowered for Ethos-U85: add a target"},
    ]

    assert (
        fit_table({"recipe": "r", "boards": boards})
        == """\
            fits            NPU  memory mode  .pte bytes  planned  scratch  Vela's estimate
r on one     yes  ethos-u55-128  Shared_Sram      64,320    3,920   17,920         0.183 ms
r on two      no  ethos-u55-128  Shared_Sram      64,320    3,920   17,920                   other
r on three    no
two: mram has 1,024 bytes, 63,296 too few for model 64,320
three: not lowered for Ethos-U85: add a target
fits: model, planned buffers, the NPU's scratch and the stack; code and test vectors come on top
Vela's estimate: of one inference at the clock of its system config, not measured
other: no target of the recipe; compiled for the board
all figures: build/r/fit.json"""
    )
