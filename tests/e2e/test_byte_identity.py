"""The .pte of our steps against the one that ExecuTorch writes for the same settings, byte for byte.

ExecuTorch's own path is written out below, as in its aot_arm_compiler: one process, one compile spec, no files in
between. The model source is loaded once for both, from the recipe's files.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))

from project import ADD, CONV, TWO_DELEGATES, U55, U65, U85, Project, compile_steps, recipe

from etbuild.compile.inputs import inputs_of
from etbuild.compile.quantizing import RANDOM_SAMPLES
from etbuild.compile.samples import read_samples
from etbuild.recipe.data_sections import Data, Quantize
from etbuild.recipe.model_sections import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e
RECIPES = Path(__file__).parents[2] / "recipes"


def executorchs_own(module: Any, inputs: tuple[Any, ...], samples: Sequence[tuple[Any, ...]], target: Target) -> bytes:
    """The result of to_edge_transform_and_lower and to_executorch for one target, with Vela."""
    import torch
    from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
    from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
    from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass
    from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    spec = EthosUCompileSpec(
        target.npu,
        system_config=target.system_config,
        memory_mode=target.memory_mode,
        extra_flags=["--verbose-operators", "--verbose-cycle-estimate"],
    )
    module = module.eval()
    module.requires_grad_(False)
    quantizer = EthosUQuantizer(spec)
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(module, inputs, strict=True).module(check_guards=False), quantizer)
    for sample in samples:
        prepared(*sample)
    program = torch.export.export(convert_pt2e(prepared), inputs, strict=True)
    edge = to_edge_transform_and_lower(
        program,
        partitioner=[EthosUPartitioner(spec)],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    edge = edge.transform([ReplaceQuantNodesPass()])
    return bytes(edge.to_executorch(config=ExecutorchBackendConfig(extract_delegate_segments=False)).buffer)


def load(path: Path, weights: Path | None) -> tuple[Any, tuple[Any, ...]]:
    """ModelUnderTest and ModelInputs of a file, as aot_arm_compiler loads them."""
    spec = importlib.util.spec_from_file_location("tmp_model", path)
    assert spec and spec.loader
    namespace = importlib.util.module_from_spec(spec)
    sys.modules["tmp_model"] = namespace
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(namespace)
    finally:
        sys.path.remove(str(path.parent))
    if weights:
        from safetensors.torch import load_file

        namespace.ModelUnderTest.load_state_dict(load_file(weights))
    return namespace.ModelUnderTest, namespace.ModelInputs


def both(project: Project, one: Recipe, target: Target) -> tuple[bytes, bytes]:
    from etbuild.compile import compiler_imports

    project.run(*compile_steps(one, target))
    compiler_imports.load_executorch()
    assert one.model.source
    weights = project.root / one.model.weights if one.model.weights else None
    module, inputs = load(project.root / one.model.source, weights)
    data = one.quantize.calibration
    given = replace(data, data=project.root / data.data) if data.data else data
    example = inputs_of(inputs)
    samples = [example.with_leaves(one).arguments for one in read_samples(given, example, RANDOM_SAMPLES).inputs]
    ours = (project.root / f"build/r/{target.variant}/model.pte").read_bytes()
    return ours, executorchs_own(module, inputs, samples, target)


NESTED = """
    import torch

    class Nested(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x, state, options, scale):
            h, c = state
            return self.layer(x) * scale + h * options["gain"], (h + c, c)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, h, c, gain = torch.randn(4, 1, 4).split(1)
        ModelUnderTest = Nested()
        ModelInputs = (x[0], (h[0], c[0]), {"gain": gain[0]}, 0.5)
"""


@pytest.mark.parametrize(
    ("source", "target"),
    [(ADD, U55), (CONV, U65), (CONV, U85), (TWO_DELEGATES, U55), (NESTED, U55)],
    ids=["add-u55", "convolution-u65", "convolution-u85", "two delegates-u55", "nested inputs-u55"],
)
def test_a_small_model_is_executorchs_to_the_byte(tmp_path: Path, source: str, target: Target) -> None:
    """With one delegate and with two, for each family."""
    project = Project(tmp_path)
    project.write("model.py", source)

    ours, theirs = both(project, recipe(target), target)

    assert ours == theirs


def test_equal_delegates_share_one_stream_as_executorchs_do(tmp_path: Path) -> None:
    """The same operator before and after one on the CPU: two delegates, one blob."""
    project = Project(tmp_path)
    project.write(
        "model.py",
        """
        import torch

        class Twice(torch.nn.Module):
            def forward(self, x, y):
                up = torch.nn.functional.interpolate
                return up(torch.relu(x), scale_factor=3.0), up(torch.relu(y), scale_factor=3.0)

        ModelUnderTest = Twice()
        ModelInputs = (torch.linspace(-1, 1, 32).reshape(1, 2, 4, 4),) * 2
        """,
    )

    ours, theirs = both(project, recipe(U55), U55)

    assert ours == theirs


def shipped(project: Project, model: Model, calibration: Data) -> Recipe:
    (project.root / "recipes").symlink_to(RECIPES)
    return recipe(model=model, quantize=Quantize(calibration=calibration))


def test_mnist_is_executorchs_to_the_byte(tmp_path: Path) -> None:
    """Weights from a file, calibration with real digits."""
    project = Project(tmp_path)
    model = Model(Path("recipes/models/mnist.py"), weights=Path("recipes/models/mnist.safetensors"))
    one = shipped(project, model, Data(Path("recipes/data/digits_calibration.npz"), 16))

    ours, theirs = both(project, one, U55)

    assert ours == theirs


@pytest.mark.slow
def test_mobilenetv2_is_executorchs_to_the_byte(tmp_path: Path) -> None:
    """3.5 million weights on the U65, as recipes/mv2_u65.yaml has it."""
    project = Project(tmp_path)
    target = replace(U65, memory_mode="Shared_Sram")
    one = shipped(project, Model(Path("recipes/models/mobilenetv2.py")), Data())

    ours, theirs = both(project, replace(one, targets=(target,)), target)

    assert ours == theirs
