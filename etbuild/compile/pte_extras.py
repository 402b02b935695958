"""Makes the optional files next to a .pte: .ptd (its weights) and .bpte (the program bundled with test vectors)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.compile.pte_writer import PLACEMENT
from etbuild.errors import StepError
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read
from etbuild.pte.vela import ALIGNMENT, NamedPayload


def data_file(weights: Sequence[NamedPayload]) -> bytes:
    """The bytes of a .ptd with the delegates' weights under their keys. The compiler must be imported."""
    from executorch.exir._serialize._named_data_store import NamedDataStore
    from executorch.exir._serialize.data_serializer import DataPayload
    from executorch.extension.flat_tensor.serialize.serialize import FlatTensorConfig, FlatTensorSerializer

    store = NamedDataStore()
    for one in weights:
        store.add_named_data(one.key, one.data, alignment=ALIGNMENT, external_tag=PLACEMENT)
    named = store.get_named_data_store_output()
    payload = DataPayload(buffers=named.buffers, named_data=named.external_data[PLACEMENT])
    return bytes(FlatTensorSerializer(FlatTensorConfig(segment_alignment=128)).serialize(payload))


def bundle(pte: Path, golden: Path) -> bytes:
    """The bytes of a .bpte: the program with each vector of golden.npz as a test case of its method forward.

    pte, golden: model.pte and golden.npz of the same lowering. The compiler must be imported.
    """
    import numpy as np
    import torch
    from executorch.devtools import BundledProgram
    from executorch.devtools.bundled_program.config import MethodTestCase, MethodTestSuite
    from executorch.devtools.bundled_program.serialize import serialize_from_bundled_program_to_flatbuffer

    def column(arrays: Any, name: str) -> list[Any]:
        count = sum(key.startswith(f"{name}_") and key[len(name) + 1 :].isdecimal() for key in arrays.files)
        return [torch.from_numpy(arrays[f"{name}_{index}"]) for index in range(count)]

    with np.load(golden, allow_pickle=False) as arrays:
        inputs, outputs = column(arrays, "input"), column(arrays, "output")

    def case(column: Any, value: object, vector: int) -> Any:
        return column[vector] if isinstance(value, Tensor) else column[vector].item()

    method = read(pte).methods[0]
    values = [method.values[index] for index in method.inputs]
    if not all(isinstance(value, Tensor | bool | int | float) for value in values):
        raise StepError(
            f"{pte}: got an input that is None or a text, which a bundled program cannot have\n"
            "    pte: {bundled_io: false}, or leave that input out of the model's example inputs"
        )
    cases = [
        MethodTestCase(
            inputs=[case(one, value, vector) for one, value in zip(inputs, values, strict=True)],
            expected_outputs=[one[vector] for one in outputs],
        )
        for vector in range(len(inputs[0]))
    ]
    bundle = BundledProgram(None, [MethodTestSuite(method_name="forward", test_cases=cases)], pte_file_path=str(pte))
    return bytes(serialize_from_bundled_program_to_flatbuffer(bundle))
