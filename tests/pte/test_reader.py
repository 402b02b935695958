"""Real .pte files, written by ExecuTorch, are read field for field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hand_built import every_value

from etbuild.errors import UsageError
from etbuild.pte import generate, schema
from etbuild.pte.flatbuffer import BadPte
from etbuild.pte.program import (
    Allocation,
    DelegateCall,
    Header,
    Indices,
    JumpFalseCall,
    KernelCall,
    MoveCall,
    NamedData,
    Program,
    Scalars,
    Tensor,
)
from etbuild.pte.reader import parse, read

FILES = Path(__file__).parent / "files"


def load(name: str) -> Program:
    return read(FILES / name)


def test_a_program_on_the_cpu_has_its_operators_and_memory_plan() -> None:
    """linear_cpu.pte: a transposition of the weights, then addmm."""
    method = load("linear_cpu.pte").methods[0]

    assert [str(operator) for operator in method.operators] == ["aten::permute_copy.out", "aten::addmm.out"]
    assert method.buffer_sizes == (0, 80)
    assert (method.name, method.inputs, method.outputs, method.delegates) == ("forward", (2,), (7,), ())


def test_a_tensor_has_its_type_shape_order_and_place() -> None:
    """The input of linear_cpu.pte: four floats in planned buffer 1."""
    assert load("linear_cpu.pte").methods[0].values[2] == Tensor(
        dtype="float32", sizes=(1, 4), dim_order=(0, 1), buffer=0, allocation=Allocation(1, 64)
    )


def test_a_constant_is_found_in_the_constant_segment() -> None:
    """The bias of linear_cpu.pte, written with seed 0."""
    program = load("linear_cpu.pte")
    bias = program.methods[0].values[1]

    assert isinstance(bias, Tensor)
    assert program.constant(bias) == program.segments[0].data[48:60]


def test_an_activation_has_no_constant_data() -> None:
    """Its memory is the runtime's."""
    program = load("linear_cpu.pte")
    activation = program.methods[0].values[2]

    assert isinstance(activation, Tensor)
    assert program.constant(activation) is None


def test_the_extended_header_is_read() -> None:
    """Offsets and sizes in bytes of the file."""
    assert load("linear_cpu.pte").header == Header(32, 1456, 1536, 60)


def test_a_file_without_segments_has_no_extended_header() -> None:
    """ExecuTorch writes none when delegates are inline and nothing is constant."""
    assert load("linear_u55.pte").header is None


def test_jumps_and_moves_are_read() -> None:
    """branch_cpu.pte: torch.cond."""
    chain = load("branch_cpu.pte").methods[0].chains[0]

    assert chain.instructions == (
        KernelCall(0, (0, 2, 3, 4, 1, 1)),
        KernelCall(1, (1, 6, 5, 5)),
        JumpFalseCall(5, 6),
        KernelCall(2, (0, 8, 10, 9, 9)),
        MoveCall(9, 7),
        JumpFalseCall(13, 8),
        KernelCall(3, (0, 11, 12, 12)),
        MoveCall(12, 7),
    )


def test_scalars_and_none_are_values() -> None:
    """branch_cpu.pte has an empty list, False, None and 0 among its values."""
    assert load("branch_cpu.pte").methods[0].values[2:5] == (Indices("IntList", ()), False, None)


def test_a_list_of_tensors_holds_indices() -> None:
    """joined_cpu.pte: cat of both inputs."""
    assert load("joined_cpu.pte").methods[0].values[3] == Indices("TensorList", (0, 1))


def test_an_inline_delegate_is_found_in_the_flatbuffer() -> None:
    """As aot_arm_compiler writes it."""
    delegate = load("linear_u55.pte").methods[0].delegates[0]

    assert (delegate.id, delegate.location, delegate.index, len(delegate.data)) == ("EthosUBackend", "inline", 0, 768)
    assert bytes(delegate.data[:16]) == b"vela_bin_stream\0"
    assert (FILES / "linear_u55.pte").read_bytes()[delegate.offset :][:16] == b"vela_bin_stream\0"


def test_a_delegate_in_a_segment_is_found_there() -> None:
    """As to_executorch() writes it by default."""
    delegate = load("linear_u85_segment.pte").methods[0].delegates[0]

    assert (delegate.location, delegate.offset, len(delegate.data)) == ("segment", 2048, 944)
    assert bytes(delegate.data[:16]) == b"vela_bin_stream\0"


def test_compile_specs_are_read() -> None:
    """They name the target."""
    specs = {spec.key: bytes(spec.value) for spec in load("linear_u55.pte").methods[0].delegates[0].compile_specs}

    assert specs["tosa_spec"] == b"TOSA-1.0+INT+int16+int4+u55"


def test_each_delegate_of_a_program_keeps_its_data() -> None:
    """two_parts_u55.pte runs an operator on the CPU between two delegates."""
    method = load("two_parts_u55.pte").methods[0]

    assert [len(delegate.data) for delegate in method.delegates] == [848, 768]
    assert method.delegate_calls() == (DelegateCall(0, (1, 7)), DelegateCall(1, (19, 25)))
    assert len(method.kernel_calls()) == 5


def test_another_kind_of_file_is_named() -> None:
    """A .ptd handed in as a .pte."""
    with pytest.raises(BadPte) as caught:
        load("weights.ptd")

    assert str(caught.value) == (
        f"{FILES}/weights.ptd: byte 4: identifier: got named data (.ptd), wanted an ExecuTorch program, b'ET12'"
    )


def test_a_file_that_is_absent_is_a_wrong_usage(tmp_path: Path) -> None:
    """Exit code 2."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "x.pte")

    assert str(caught.value) == f"{tmp_path}/x.pte: got 'No such file or directory', wanted a file that can be read"


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    """Neither is a device."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path)

    assert str(caught.value) == f"{tmp_path}: got no regular file, wanted one"


def test_a_value_of_every_kind_is_read() -> None:
    """Kinds that the files here lack, from a program that the flatbuffers package builds."""
    program = parse(memoryview(every_value()), "built.pte")

    assert program.methods[0].values == (
        None,
        -5,
        True,
        0.25,
        "text é",
        Indices("IntList", (1,)),
        Scalars("DoubleList", (0.5, -2.0)),
        Scalars("BoolList", (True, False)),
        Indices("TensorList", ()),
        Indices("OptionalTensorList", (-1,)),
    )
    assert program.named_data == (NamedData("weights", 0),)
    assert program.named("weights") == b"0123"


@pytest.mark.parametrize(
    ("tables", "file"),
    [
        (schema.PROGRAM, "exir/_serialize/program.fbs"),
        (schema.FLAT_TENSOR, "extension/flat_tensor/serialize/flat_tensor.fbs"),
        (schema.BUNDLED_PROGRAM, "devtools/bundled_program/serialize/bundled_program_schema.fbs"),
    ],
)
def test_the_fields_are_those_of_the_installed_executorch(tables: dict[str, tuple[str, ...]], file: str) -> None:
    """An upgrade that adds a field or moves one is seen here."""
    text = re.sub(r"//.*|\(force_align.*?\)", "", (package("executorch") / file).read_text())
    unions = set(re.findall(r"union (\w+)", text))
    theirs = {}
    for name, body in re.findall(r"table (\w+) \{(.*?)\}", text, re.DOTALL):
        fields = re.findall(r"(\w+)\s*:\s*\[?([\w.]+)", body)
        theirs[name] = tuple(
            slot for field, kind in fields for slot in ((f"{field}_type", field) if kind in unions else (field,))
        )

    assert tables == {name: theirs[name] for name in tables}


@pytest.mark.parametrize(
    ("enum", "choices"),
    [
        ("DataLocation", schema.DATA_LOCATIONS),
        ("TensorDataLocation", schema.TENSOR_DATA_LOCATIONS),
        ("TensorShapeDynamism", schema.SHAPE_DYNAMISMS),
        ("DeviceType", schema.DEVICE_TYPES),
    ],
)
def test_the_enums_are_those_of_the_installed_executorch(enum: str, choices: tuple[str, ...]) -> None:
    """Numbered from 0; our names are the ends of theirs."""
    text = re.sub(r"//.*", "", (package("executorch") / "exir/_serialize/program.fbs").read_text())
    found = re.search(rf"enum {enum} : byte \{{(.*?)\}}", text, re.DOTALL)

    assert found is not None
    theirs = re.findall(r"(\w+) = (\d+)", found[1])
    assert [int(number) for _, number in theirs] == list(range(len(choices)))
    assert [name.lower().split("_")[-1] for name, _ in theirs] == list(choices)


def test_the_scalar_types_are_those_of_the_installed_executorch() -> None:
    """By number; the names are PyTorch's."""
    text = re.sub(r"//.*", "", (package("executorch") / "exir/_serialize/scalar_type.fbs").read_text())
    older = {"uint8": "BYTE", "int8": "CHAR", "int16": "SHORT", "int32": "INT", "int64": "LONG"}
    older |= {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}
    ours = {number: scalar.name for number, scalar in schema.SCALAR_TYPES.items()}

    theirs = {int(number): name for name, number in re.findall(r"(\w+) = (\d+)", text)}

    assert theirs == {
        number: older.get(name, name.upper().replace("FLOAT8_", "FLOAT8")) for number, name in ours.items()
    }


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_what_is_generated_from_the_schema_is_up_to_date(path: Path) -> None:
    """Else run `python -m etbuild.pte.generate`."""
    assert path.read_text(encoding="utf-8") == generate.outputs()[path]


@pytest.mark.parametrize(
    ("union", "choices"), [("KernelTypes", schema.KERNEL_TYPES), ("InstructionArguments", schema.INSTRUCTIONS)]
)
def test_the_unions_are_those_of_the_installed_executorch(union: str, choices: tuple[str, ...]) -> None:
    """Their order is their number in the file."""
    text = re.sub(r"//.*", "", (package("executorch") / "exir/_serialize/program.fbs").read_text())
    found = re.search(rf"union {union} \{{(.*?)\}}", text, re.DOTALL)

    assert found is not None
    assert choices == ("NONE", *re.findall(r"\w+", found[1]))


def package(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    import importlib.util

    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))
