"""The expected outputs of what runs on the CPU: ExecuTorch's own kernels, PyTorch beside them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from project import CPU, U55, Project, Quantize, compile_steps, output_of, recipe

from etbuild.compile.lowered import Lowered
from etbuild.errors import StepError
from etbuild.hardware.boards import board_file, load_board
from etbuild.recipe.runtime_sections import Run, Runtime
from etbuild.steps import firmware, golden, run
from etbuild.verify.cpu_operators import Compared, CpuOperators, set_lines
from etbuild.verify.interpreter import Interpreter

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

# Two levels; the skip connection starts at the input. The U55 has no bilinear resize.
UNET = """
    import torch
    from torch.nn import Conv2d, Upsample

    class UNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.side = Conv2d(3, 6, 3, padding=1)
            self.down = Conv2d(3, 8, 3, stride=2, padding=1)
            self.deep = Conv2d(8, 12, 3, stride=2, padding=1)
            self.mid = Conv2d(12, 8, 3, padding=1)
            self.up = Upsample(scale_factor=2, mode="bilinear")
            self.head = Conv2d(14, 2, 3, padding=1)

        def forward(self, x):
            y = torch.relu(self.deep(torch.relu(self.down(x))))
            y = self.up(torch.relu(self.mid(self.up(y))))
            return self.head(torch.cat([torch.relu(self.side(x)), y], 1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = UNet()
        ModelInputs = (torch.randn(1, 3, 16, 16),)
"""

# Lists of tensors and of optional tensors, views, two outputs, both memory formats.
MANY = """
    import torch

    class Many(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 6, 3, padding=1, bias=False)
            self.up = torch.nn.ConvTranspose2d(6, 2, 2, stride=2)

        def forward(self, x):
            y = self.conv(x.to(memory_format=torch.channels_last))
            y = torch.nn.functional.gelu(y)
            z, places = torch.nn.functional.max_pool2d(y, 2, return_indices=True)
            w = torch.cat([self.up(z).contiguous(), x], 1).flatten(2)
            z = torch.nn.functional.layer_norm(z, (6,))
            u = torch.nn.functional.interpolate(z, scale_factor=1.7, mode="bilinear")
            best, where = torch.topk(w, 3)
            chosen = w[:, :, torch.tensor([0, 5, 3])]
            return torch.softmax(u, 1), best, where, chosen + best.sum(2, keepdim=True), places, torch.argmax(u, 1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Many()
        ModelInputs = (torch.randn(1, 2, 12, 12),)
"""


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("unet"))
    made.write("model.py", UNET)
    made.run(*compile_steps(in_qemu(), U55), golden.step(in_qemu(), "tosa-u55"))
    return made


def in_qemu() -> Recipe:
    file = board_file("qemu-mps3-an547")
    assert file is not None
    return recipe(
        U55, lsb=None, runtime=Runtime(load_board(file), npu="emulator", stack_size=16384), run=Run(on="qemu")
    )


@pytest.mark.e2e
def test_a_bilinear_unet_on_the_u55_is_exact_on_the_host(unet: Project) -> None:
    """Our kernel and ExecuTorch's give the same floats, so the delegate behind them gets the same integers."""
    unet.run(run.step(replace(in_qemu(), run=Run(on="host")), U55))

    report = unet.json("build/r/ethos-u55-128/run.json")
    assert (report["runner"], report["bit_exact"], report["vectors"]) == ("host (emulated NPU)", 4, 4)


@pytest.mark.e2e
def test_a_bilinear_unet_on_the_u55_is_exact_in_qemu(unet: Project) -> None:
    """The whole chain: two delegates and two kernels between them, in a firmware."""
    image = firmware.step(in_qemu(), U55)
    assert image is not None

    unet.run(image, run.step(in_qemu(), U55))

    report = unet.json("build/r/ethos-u55-128/run.json")
    assert (report["on"], report["bit_exact"], report["vectors"]) == ("qemu", 4, 4)


@pytest.mark.e2e
def test_golden_reports_how_pytorchs_cpu_operator_differs(unet: Project) -> None:
    """Operator, line of the model, the largest difference and its place; the kernel is ExecuTorch's."""
    first, second = unet.json("build/r/tosa-u55/golden.json")["cpu_operators"]

    assert [first[name] for name in ("operator", "line", "kernel", "reason", "calls")] == [
        *("aten::upsample_bilinear2d.vec_out", "model.py:16", "ExecuTorch", None, 4)
    ]
    assert second["line"] == "model.py:16"
    assert 0 < first["pytorch"]["max_abs"] < 1e-6
    assert 0 < first["pytorch"]["differing"] < first["pytorch"]["elements"] == 4 * 12 * 8 * 8
    assert set(first["pytorch"]["largest_at"]) == {"vector", "element"}


@pytest.mark.e2e
def test_an_error_in_lsb_names_the_cpu_operator_that_pytorch_computes_in_another_way(unet: Project) -> None:
    """Quantised PyTorch contains PyTorch's operator, so that the difference may come from there."""
    with pytest.raises(StepError) as caught:
        unet.run(golden.step(recipe(U55, lsb=0), "tosa-u55"))

    differs = "on the CPU PyTorch's aten::upsample_bilinear2d.vec_out differs from ExecuTorch's kernel"
    assert str(caught.value).splitlines()[1:] == [
        "    golden: {lsb: 1} accepts it; without lsb it is only reported",
        f"    {differs} by at most 5.96e-08",
        f"    {differs} by at most 2.98e-08",
    ]


@pytest.mark.e2e
def test_every_cpu_operator_has_the_bits_of_executorchs_runtime(project: Project) -> None:
    """A program without delegates, executed as a whole by that runtime."""
    import numpy as np
    import torch
    from executorch.runtime import Runtime as ExecuTorchRuntime

    project.write("model.py", MANY)
    one = recipe(CPU, lsb=None, quantize=Quantize(scheme="none"))

    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"))

    method = ExecuTorchRuntime.get().load_program(str(project.root / "build/r/cpu/model.pte")).load_method("forward")
    assert method is not None
    with np.load(project.root / "build/r/cpu/golden.npz") as arrays:
        for number, given in enumerate(arrays["input_0"]):
            for output, got in enumerate(method.execute([torch.from_numpy(given)])):
                wanted = arrays[f"output_{output}"][number]
                assert got.contiguous().numpy().tobytes() == wanted.tobytes(), output
    rows = project.json("build/r/cpu/golden.json")["cpu_operators"]
    assert {row["kernel"] for row in rows} == {"ExecuTorch"}
    assert len(rows) > 8


@pytest.mark.e2e
def test_a_model_without_cpu_operators_does_not_load_executorchs_runtime(small: Project) -> None:
    """Quantising and dequantising at the border is PyTorch's, as before."""
    argv = list(golden.step(recipe(lsb=1), "tosa-u55").argv)
    code = f"""
import sys
from etbuild.steps import golden
golden.main({argv!r})
print("executorch.extension.pybindings._C" in sys.modules)
"""

    assert output_of(code, small.root).splitlines()[-1] == "False"
    assert small.json("build/r/tosa-u55/golden.json")["cpu_operators"] == []


@pytest.mark.e2e
def test_a_kernel_that_executorch_lacks_is_pytorchs_and_reported() -> None:
    """With the reason; there is nothing to compare."""
    import torch

    kernels = CpuOperators()

    (got,) = kernels.results(("aten::no_such", "out"), [], {0: torch.ones(2)})

    assert got.tolist() == [1, 1]
    assert kernels.compared[0].to_json() == {
        "operator": "aten::no_such.out",
        "line": None,
        "kernel": "PyTorch",
        "reason": "ExecuTorch's runtime in Python has no such kernel",
        "calls": 1,
        "pytorch": None,
    }


def test_the_line_of_a_cpu_operator_is_that_of_the_same_operator_in_the_partition() -> None:
    """In the order of the program; none where their numbers differ."""
    rows = [Compared("aten::cat.out"), Compared("aten::add.out"), Compared("aten::cat.out")]
    operators = [
        {"place": place, "operator": operator, "line": line}
        for place, operator, line in (
            ("CPU", "cat.default", "m.py:1"),
            ("NPU", "add.Tensor", "m.py:2"),
            ("CPU", "cat.default", "m.py:3"),
        )
    ]

    set_lines(rows, operators)

    assert [row.line for row in rows] == ["m.py:1", None, "m.py:3"]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aten::no_such", "aten::no_such.out: got an operator that is not registered in PyTorch"),
        ("executorch_prim::no_such", "executorch_prim::no_such.out: got a primitive that step golden does not support"),
        ("aten::abs", "aten::abs.out on the CPU: got "),
    ],
)
def test_an_operator_that_golden_cannot_compute_has_a_remedy(name: str, message: str) -> None:
    """The step names what to write."""
    call = type("KernelCall", (), {"op_index": 0, "args": [0, 1]})()
    plan: Any = SimpleNamespace(
        values=[SimpleNamespace(val=SimpleNamespace()), SimpleNamespace(val=SimpleNamespace(scalar_type=6))],
        operators=[SimpleNamespace(name=name, overload="out")],
        chains=[SimpleNamespace(instructions=[SimpleNamespace(instr_args=call)])],
        inputs=[],
        outputs=[],
    )
    lowered = Lowered(SimpleNamespace(execution_plan=[plan]), None)

    with pytest.raises(StepError) as caught:
        Interpreter(lowered, [], CpuOperators()).run([])

    first, second = str(caught.value).splitlines()
    assert first.startswith(message)
    assert second == "    replace the operator in the model, or build without expected outputs: doit pte"
