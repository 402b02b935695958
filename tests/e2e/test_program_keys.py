"""passes, partition.exclude and memory_planning in one recipe: built by real doit, exact on the host and in QEMU, and
each change runs what depends on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]

DODO = """
    from etbuild.tasks import Project
    project = Project(__file__)
    DOIT_CONFIG = project.doit_config
"""
MODEL = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.up = torch.nn.Upsample(scale_factor=3, mode="nearest")
            self.second = torch.nn.Conv2d(4, 2, 3)
            self.last = torch.nn.Conv2d(2, 2, 3)

        def forward(self, x):
            return self.last(self.second(self.up(torch.abs(self.first(x)))))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""
PASSES = """
    from executorch.exir.dialects._ops import ops
    from executorch.exir.pass_base import ExportPass
    from replaced import REPLACED

    class Replace(ExportPass):
        def call_operator(self, op, args, kwargs, meta):
            name = REPLACED.get(op.name()) if hasattr(op, "name") else None
            return super().call_operator(getattr(ops.edge.aten, name).default if name else op, args, kwargs, meta)
"""
REPLACED = 'REPLACED = {"aten::abs": "relu"}\n'
PLANNER = """
    from executorch.exir.passes import MemoryPlanningPass

    class Fast(MemoryPlanningPass):
        def run(self, graph_module, graph_signature=None):
            for node in graph_module.graph.nodes:
                if "upsample" in str(node.target):
                    node.meta["spec"].mem_id = 2
            return super().run(graph_module, graph_signature)
"""
RECIPE = """
    model: {source: model.py}
    quantize: {scheme: int8}
    passes: [{at: edge, source: passes.py, entry: Replace}]
    partition: {exclude: [{module_name: last}]}
    memory_planning: {source: planner.py, entry: Fast}
    targets:
      - {npu: ethos-u55-128, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
    runtime: {board: qemu-mps3-an547, planned_memory: {2: dtcm}}
    run: {on: qemu}
"""


@dataclass(frozen=True)
class Built:
    root: Path
    environment: dict[str, str]

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip())

    def doit(self, *words: str) -> str:
        command = [sys.executable, "-m", "doit", *words]
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode in ((0, 1) if words[0] == "why" else (0,)), done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, name: str) -> Any:
        return json.loads((self.root / "build/r" / name).read_text())

    def why(self) -> dict[str, str]:
        """The first reason of each step that would run for sure, by kind."""
        lines = self.doit("why", "build:r").splitlines()
        return {
            line.partition(":")[0]: reason.strip()
            for line, reason in zip(lines, [*lines[1:], ""], strict=True)
            if line.endswith(" runs")
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    root = tmp_path_factory.mktemp("keys")
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run")),
        "ETBUILD_SERVER": "off",
    }
    made = Built(root, environment)
    for name, text in {
        "dodo.py": DODO,
        "recipes/model.py": MODEL,
        "recipes/passes.py": PASSES,
        "recipes/replaced.py": REPLACED,
        "recipes/planner.py": PLANNER,
        "recipes/r.yaml": RECIPE,
    }.items():
        made.write(name, text)
    made.doit("build:r")
    yield made


def test_the_firmware_is_exact_with_a_buffer_in_the_dtcm(built: Built) -> None:
    """In QEMU, with the NPU beside it: a planned buffer lies outside of the arena."""
    report = built.json("ethos-u55-128/run.json")
    sizes = built.json("ethos-u55-128/sizes.json")

    assert (report["on"], report["bit_exact"], report["vectors"]) == ("qemu", 4, 4)
    (region,) = [row for row in sizes["regions"] if ".planned_2" in row["sections"]]
    planned = built.json("ethos-u55-128/manifest.json")["memory"]["planned_bytes"]
    assert (region["region"], region["sections"][".planned_2"]) == ("dtcm", planned[1])
    assert report["memory"]["planned"] == sum(planned)


def test_the_same_program_is_exact_on_the_host(built: Built) -> None:
    """Where all planned buffers are ordinary memory."""
    import numpy as np

    from etbuild.host.program import HostProgram

    golden = np.load(built.root / "build/r/tosa-u55/golden.npz")
    program = HostProgram(built.root / "build/r/ethos-u55-128/model.pte")
    for number, vector in enumerate(golden["input_0"]):
        (output,) = program.run(vector)
        assert np.array_equal(output, golden["output_0"][number])


def test_each_key_has_changed_the_program(built: Built) -> None:
    """The pass has replaced abs, and the last convolution is on the CPU by the recipe."""
    operators = built.json("tosa-u55/partition.json")["operators"]
    compute = [(one["operator"], one["place"], one["module"]) for one in operators if one["class"] == "compute"]

    assert compute == [
        ("convolution.default", "NPU", "first"),
        ("relu.default", "NPU", None),
        ("upsample_nearest2d.vec", "CPU", "up"),
        ("convolution.default", "NPU", "second"),
        ("convolution.default", "CPU", "last"),
    ]
    assert [one["reason"] for one in operators if one["module"] == "last"][-1] == "excluded by the recipe"


def test_a_pass_that_changes_numbers_is_in_the_expected_outputs(built: Built) -> None:
    """The quantised program has abs, the lowered one relu: golden reports how far they are apart."""
    (output,) = built.json("tosa-u55/golden.json")["outputs"]

    assert output["lsb"]["max"] > 4


def test_nothing_runs_again_without_a_change(built: Built) -> None:
    """With code of the user in a step."""
    assert built.why() == {}


@pytest.mark.parametrize(
    ("name", "before", "after", "reason"),
    [
        ("recipes/passes.py", "class Replace", "# Replaces.\nclass Replace", "recipes/passes.py"),
        ("recipes/replaced.py", "relu", "neg", "recipes/replaced.py"),
        ("recipes/planner.py", '"upsample"', '"nearest"', "recipes/planner.py"),
        ("recipes/r.yaml", "{module_name: last}", "{node: aten_convolution_default_2}", "exclude"),
    ],
)
def test_a_change_lowers_again_and_does_not_quantise(
    built: Built, name: str, before: str, after: str, reason: str
) -> None:
    """Of a pass, of what it imports, of the planner, and of what is excluded."""
    file = built.root / name
    text = file.read_text()
    file.write_text(text.replace(before, after))
    try:
        found = built.why()
    finally:
        file.write_text(text)

    assert list(found) == ["lower"]
    assert reason in found["lower"]


def test_a_region_alone_links_again(built: Built) -> None:
    """The program is the same."""
    file = built.root / "recipes/r.yaml"
    text = file.read_text()
    file.write_text(text.replace("{2: dtcm}", "{2: ddr}"))
    try:
        assert list(built.why()) == ["firmware"]
    finally:
        file.write_text(text)
