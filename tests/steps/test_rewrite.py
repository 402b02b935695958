"""Step rewrite: graphs that cost less, what became of each rule, and the streams that Vela makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import U55, recipe

from etbuild.compile.vela import compile_delegate
from etbuild.recipe.rewrite_sections import REWRITE_RULES, Rewrite
from etbuild.steps import rewrite, vela
from tests.rewrite.graphs import Network, saved

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

U85 = replace(U55, npu="ethos-u85-256", system_config="Ethos_U85_SYS_DRAM_Mid", memory_mode="Dedicated_Sram_384KB")


def network() -> bytes:
    """An image of 3 x 16 x 16 as PyTorch has it, padded on two sides, convolved, and averaged."""
    made = Network((1, 3, 16, 16))
    moved = made.transpose(made.pad("x", (0, 0, 0, 0, 0, 1, 0, 1), 3), (0, 2, 3, 1))
    first = made.quantised(made.convolution(moved, 16, (3, 3), 3, stride=(2, 2)))
    return made.file(made.mean(first, 3))


def rewritten(folder: Path, target: Target, rules: tuple[str, ...] = REWRITE_RULES) -> dict[str, Any]:
    (folder / "delegates").mkdir()
    (folder / "delegates/buffers.json").write_text("{}")
    saved(network(), folder / "delegates")
    argv = ["--npu", target.npu, "--system-config", target.system_config, "--memory-mode", target.memory_mode]
    for rule in rules:
        argv += ["--rules", rule]
    lines = {"conv2d": {"line": "net.py:7"}, "rescale": {"line": "net.py:7"}, "reduce_sum_1": {"line": "net.py:9"}}
    (folder / "operators.json").write_text(json.dumps({"delegates": [lines]}))
    files = {"delegates": folder / "delegates", "output": folder / "rewritten", "report": folder / "rewrite.json"}
    files["nodes"] = folder / "operators.json"
    for name, path in files.items():
        argv += [f"--{name}", str(path)]
    assert rewrite.main(argv) == 0
    found: dict[str, Any] = json.loads((folder / "rewrite.json").read_text())
    return found


def test_a_step_names_what_it_reads_and_writes_and_vela_reads_its_graphs() -> None:
    """Without rules there is no step, and Vela reads what step lower wrote."""
    plain, changed = recipe(U55), replace(recipe(U55), rewrite=Rewrite(("pads", "sums")))

    step = rewrite.step(changed, U55)

    assert rewrite.step(plain, U55) is None
    assert rewrite.step(changed, replace(U55, npu="none")) is None
    assert step is not None
    assert step.argv[6:] == (
        *("--rules", "pads", "--rules", "sums", "--delegates", "build/r/tosa-u55/delegates"),
        *("--nodes", "build/r/tosa-u55/operators.json"),
        *("--output", "build/r/ethos-u55-128/rewritten", "--report", "build/r/ethos-u55-128/rewrite.json"),
    )
    graphs = [one.inputs[0] for one in (vela.step(plain, U55), vela.step(changed, U55)) if one]
    assert graphs == ["build/r/tosa-u55/delegates", "build/r/ethos-u55-128/rewritten"]


@pytest.mark.parametrize("target", [U55, U85], ids=["u55", "u85"])
def test_graphs_cost_less_and_each_rule_is_reported(target: Target, tmp_path: Path) -> None:
    """The last kept cost is Vela's estimate for the graph that was written."""
    found = rewritten(tmp_path, target)

    (delegate,) = found["delegates"]
    kept = [row for row in delegate["rules"] if row["kept"]]
    assert (found["kind"], delegate["delegate"]) == ("estimate", 0)
    assert (tmp_path / "rewritten/buffers.json").read_text() == "{}"
    assert [row["rule"] for row in kept][:2] == ["pads", "sums"]
    assert [row["lines"] for row in kept][:2] == [["net.py:7"], ["net.py:9"]]
    assert all(row["cycles"]["after"] < row["cycles"]["before"] for row in kept)
    (tmp_path / "vela").mkdir()
    after = compile_delegate(tmp_path / "rewritten/0.tosa", target, tmp_path / "vela")
    assert after["cycles"]["total"] == kept[-1]["cycles"]["after"]


def test_an_activation_changes_the_estimate_and_no_byte_of_the_stream(tmp_path: Path) -> None:
    """On U55, where Vela's estimate for an operation without one is that of an operation with a table."""
    found = rewritten(tmp_path, U55, ("activations",))

    streams = []
    for name in ("delegates", "rewritten"):
        (tmp_path / f"vela_{name}").mkdir()
        compile_delegate(tmp_path / name / "0.tosa", U55, tmp_path / f"vela_{name}")
        streams.append((tmp_path / f"vela_{name}/0.bin").read_bytes())
    assert [row["kept"] for row in found["delegates"][0]["rules"]] == [True]
    assert streams[0] == streams[1]


def test_equal_graphs_are_rewritten_to_equal_bytes(tmp_path: Path) -> None:
    """Two runs, in two folders."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rewritten(tmp_path / name, U55)

    assert (tmp_path / "a/rewritten/0.tosa").read_bytes() == (tmp_path / "b/rewritten/0.tosa").read_bytes()
