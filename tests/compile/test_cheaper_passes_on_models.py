"""The quantised program, the TOSA graphs and the .pte of many models with the patches of `compile.decomposing`,
`compile.observer_patches`, `compile.pass_patches`, `compile.retracing` and `compile.signature_patches`, and without."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from etbuild.compile import (
    compiler_imports,
    decomposing,
    observer_patches,
    pass_patches,
    patches,
    retracing,
    signature_patches,
)
from etbuild.compile.exported_program import save_program

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
PARTS = 8
NETS = 64


def programs(model: Any, profile: str) -> tuple[Any, Any, Any]:
    """The float program of a model of the emulator's grid, and the quantised one without patches, and with them."""
    import torch

    from tests.npu.artifacts import _example

    inputs = tuple(_example(shape, model.kind, seed) for seed, shape in enumerate(model.shapes))
    program = torch.export.export(model.make().eval(), inputs, strict=True)
    usual = torch.export.export(converted(program, inputs, profile), inputs, strict=True)
    with pass_patches.cheaper_passes(), observer_patches.cheaper_calibration(), retracing.graphs_as_they_are():
        patched = torch.export.export(converted(program, inputs, profile), inputs, strict=True)
    return torch.export.export(model.make().eval(), inputs), usual, patched


def converted(program: Any, inputs: tuple[Any, ...], profile: str) -> Any:
    """The module with quantize and dequantize nodes, calibrated with its inputs twice."""
    from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from etbuild.compile.profiles import reference_spec

    quantizer = EthosUQuantizer(reference_spec(profile, True))
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    prepared(*inputs)
    prepared(*(2 * one if one.is_floating_point() else one for one in inputs))
    return convert_pt2e(prepared)


def saved(program: Any, file: Path) -> bytes:
    """The bytes of the program's file."""
    save_program(program, file)
    return file.read_bytes()


def made(program: Any, profile: str) -> tuple[object, ...]:
    """What lowering makes, or the error."""
    from etbuild.compile.lowering import lower_program
    from etbuild.errors import StepError

    try:
        result = lower_program(program, profile, "float32", Path("x.pt2"))
    except StepError as error:
        return (str(error),)
    return bytes(result.executorch.buffer), result.graphs, result.partition, result.io_params


def differing(models: list[Any], profile: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models with other bytes. file: to save programs."""
    own, found, compared = pass_patches.cheaper_passes, [], 0
    for model in models:
        try:
            in_float, program, patched = programs(model, profile)
        except Exception:  # No program: what PyTorch refuses is not compared.
            continue
        is_same = saved(program, file) == saved(patched, file)
        with monkeypatch.context() as patch:
            patch.setattr(decomposing, "fewer_decompositions", ExitStack)
            patch.setattr(pass_patches, "cheaper_passes", ExitStack)
            patch.setattr(signature_patches, "remembered_signatures", ExitStack)
            usual = made(program, profile), made(in_float, "cpu")
        assert pass_patches.cheaper_passes is own
        compared += 1
        if not is_same or (made(program, profile), made(in_float, "cpu")) != usual:
            found.append(model.name)
    assert compared > len(models) // 2
    return found


@pytest.mark.parametrize("profile", ["tosa-u55", "tosa-u85"])
@pytest.mark.parametrize("part", range(PARTS))
def test_operator_models_and_random_nets_have_the_same_bytes(
    part: int, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operator model of the emulator's grid, and random nets: program, graphs, partition, or the error."""
    compiler_imports.load_executorch()
    patches.install()
    from tests.npu.corpus import operators
    from tests.npu.random_nets import random_net

    models = [*operators(), *map(random_net, range(NETS))][part::PARTS]

    assert differing(models, profile, tmp_path / "program.pt2", monkeypatch) == []
