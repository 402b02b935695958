"""A firmware's kernels are built for the element types that its .pte calls them with, and for no others."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import images
import pytest

from etbuild.errors import StepError
from etbuild.firmware.dtypes import called_types, definitions
from etbuild.pte.program import Tensor
from etbuild.pte.reader import parse, read
from etbuild.steps import run

PTE = images.PTES / "linear_u55.pte"
QUANTIZE, DEQUANTIZE = "cortex_m::quantize_per_tensor.out", "cortex_m::dequantize_per_tensor.out"
INT8, FLOAT32, NUMBERS = 1 << 1, 1 << 6, 1 << 4 | 1 << 7 | 1 << 11


def test_the_types_of_an_operator_are_those_of_its_tensors() -> None:
    """A bit for each, by the number of the type in the .pte."""
    types = called_types(read(PTE).methods[0])

    assert types == {QUANTIZE: INT8 | FLOAT32, DEQUANTIZE: INT8 | FLOAT32}


def test_each_source_has_the_types_of_its_own_operators() -> None:
    """A source with a header serves others: it has every type, and those that numbers are computed as."""
    types = {"aten::add.out": INT8, "aten::sub.out": FLOAT32, "aten::mm.out": FLOAT32, "aten::fill.out": FLOAT32}
    files = {"aten::add.out": "kernels/a.cc", "aten::sub.out": "kernels/a.cc", "aten::mm.out": "kernels/b.cc"}
    files["aten::fill.out"] = "kernels/fill.cc"
    sources = ["app/main.cc", "kernels/a.cc", "kernels/b.cc", "kernels/fill.cc", "kernels/lanes.cc", "kernels/args.cc"]

    assert definitions(types, files, sources) == {
        "kernels/a.cc": f"-DETB_TYPES={INT8 | FLOAT32:#x}u",
        "kernels/b.cc": f"-DETB_TYPES={FLOAT32:#x}u",
        "kernels/fill.cc": f"-DETB_TYPES={INT8 | FLOAT32 | NUMBERS:#x}u",
        "kernels/lanes.cc": f"-DETB_TYPES={INT8 | FLOAT32 | NUMBERS:#x}u",
        "kernels/args.cc": f"-DETB_TYPES={INT8 | FLOAT32 | NUMBERS:#x}u",
    }


def symbols(elf: Path) -> str:
    command = ["arm-none-eabi-nm", "-C", str(elf)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> images.Image:
    folder = tmp_path_factory.mktemp("dtypes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return images.build(folder, "linear_u55.pte")


@pytest.mark.e2e
def test_only_the_instances_for_the_programs_types_are_linked(linear: images.Image) -> None:
    """Of four each: the one for int8."""
    instances = re.findall(r"\b(quantize_run|dequantize_run)<([^>]*)>", symbols(linear.elf))

    assert {stored for _, stored in instances} == {"signed char"}


def other_type(pte: bytes) -> int:
    """Where the .pte has the type of the tensor that its delegate reads, int8."""
    method = parse(memoryview(pte), "").methods[0]
    index = method.delegate_calls()[0].args[0]
    for at in range(0, len(pte)):
        if pte[at] != 1:
            continue
        changed = bytearray(pte)
        changed[at] = 0
        try:
            found = parse(memoryview(bytes(changed)), "").methods[0].values
        except Exception:
            continue
        differing = [number for number, (a, b) in enumerate(zip(found, method.values, strict=True)) if a != b]
        one = found[index]
        if differing == [index] and isinstance(one, Tensor) and one.dtype == "uint8":
            return at
    raise AssertionError("no such byte")


@pytest.mark.e2e
def test_a_program_with_a_type_that_is_left_out_is_refused(linear: images.Image) -> None:
    """As one with an operator that is left out: when it is loaded, with the operator and the type's number."""
    pte = PTE.read_bytes()
    elf = images.damaged(linear, b".model", other_type(pte), b"\0")

    with pytest.raises(StepError) as caught:
        run.main(linear.run_options(elf))

    assert str(caught.value) == (
        "run on qemu-mps3-an547 (emulated NPU): exit code 11, the model is damaged or needs what is not linked: "
        f"{QUANTIZE}: this firmware's kernel is not built for elements of type (0)"
    )
