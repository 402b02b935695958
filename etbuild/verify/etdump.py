"""Writes ExecuTorch's ETDump of recorded runs, with a buffer of intermediate results, for its Inspector.

An event of a delegate has a name with the layer of the model, the NPU's operation and, in brackets, the tensor of the
TOSA graph, by which the Inspector finds the nodes of the program in an ETRecord. It runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.npu.debug_database import Layers, layers_of_delegate
from etbuild.pte.program import DelegateCall
from etbuild.pte.schema import SCALAR_TYPES
from etbuild.verify.first_wrong_operation import by_tensor
from etbuild.verify.host_run import vectors_of
from etbuild.verify.stored_tensors import STORED, flat, in_the_programs_order

if TYPE_CHECKING:
    from etbuild.host.observation import Event
    from etbuild.host.recording import Done, RecordedProgram, Recording
    from etbuild.host.trace import Result
    from etbuild.pte.program import Method
    from etbuild.verify.host_run import HostRun

# Of the types that tensors may have, those that the Inspector reads.
_READ = ("uint8", "int8", "bool", "uint16", "int16", "float16", "int32", "float32", "float64", "int64")
_NUMBERS = {scalar.name: number for number, scalar in SCALAR_TYPES.items() if scalar.name in _READ}
_EXECUTE, _DELEGATE, _RUN = "Method::execute", "DELEGATE_CALL", "Execute"


@dataclass(frozen=True)
class Described:
    """What is known of the delegates of a .pte in a build's folder, by number: Vela's layers, and the tensors of
    operators.json."""

    layers: tuple[Layers, ...]
    tensors: tuple[dict[str, Any], ...]


def described(pte: Path, method: Method, first: int = 0) -> Described:
    """Of a .pte with Vela's files in vela/ and operators.json beside it; nothing is known without them.

    first: the number in the program of the method's first delegate.
    """
    every = range(first, first + len(method.delegates))
    file = pte.parent / "operators.json"
    tensors = json.loads(file.read_text(encoding="utf-8"))["delegates"] if file.is_file() else []
    return Described(
        tuple(layers_of_delegate(pte, number) for number in every),
        tuple(tensors[number] if number < len(tensors) else {} for number in every),
    )


def buffer_file(etdump: Path) -> Path:
    """The file of an ETDump's buffer."""
    return etdump.with_suffix(".debug.bin")


@dataclass(frozen=True)
class Measured:
    """Of each instruction that was run: when it began and ended, in ns; cycles of the NPU, 0 where none count.

    emulated: whether the emulator was the NPU, whose times the operations then have.
    """

    spans: tuple[tuple[int, int], ...]
    npu_cycles: tuple[int, ...]
    emulated: bool


class ETDump:
    """An ETDump that is written run by run. The compiler must be imported."""

    def __init__(self, method: Method, known: Described):
        self._method = method
        self._known = known
        self._runs: list[Any] = []
        self._buffer = bytearray()

    def add(self, run: Recording, vector: int = -1, elsewhere: Measured | None = None) -> None:
        """A run.

        vector:    its number among the test vectors; -1 for none of them.
        elsewhere: where the instructions were measured, if not on the host.
        """
        from executorch.devtools.etdump import schema_flatcc as schema

        measured = elsewhere or Measured(tuple(_span(one.events) for one in run.done), (0,) * len(run.done), True)
        spans = measured.spans
        events = [self._profile(_EXECUTE, -1, (spans[0][0], spans[-1][1]) if spans else (0, 0))]
        for one, span, cycles in zip(run.done, spans, measured.npu_cycles, strict=True):
            call = self._method.chains[0].instructions[one.instruction]
            name = _DELEGATE if isinstance(call, DelegateCall) else f"native_call_{self._operator(call)}"
            events.append(
                self._profile(name, one.instruction, span, metadata={"npu_cycles": cycles} if cycles else None)
            )
            results = [self._tensor(*pair) for pair in zip(one.values, one.dtypes, strict=True)]
            events += [self._debug(one.instruction, value) for value in results]
            if isinstance(call, DelegateCall):
                events += self._inside(call.delegate, one, span[0] if measured.emulated else None)
        for value in run.outputs:
            events.append(self._debug(-1, self._tensor(value, str(value.dtype)), is_output=True))
        self._runs.append(schema.RunData(_RUN, vector, None, [one for one in events if one is not None]))

    def write(self, path: Path) -> None:
        """Write the ETDump, and its buffer beside it."""
        from executorch.devtools.etdump.schema_flatcc import ETDumpFlatCC
        from executorch.devtools.etdump.serialize import serialize_to_etdump_flatcc

        data = serialize_to_etdump_flatcc(ETDumpFlatCC(0, self._runs))
        path.parent.mkdir(parents=True, exist_ok=True)
        # The Inspector reads a flatbuffer with its size in front.
        path.write_bytes(len(data).to_bytes(4, "little") + data)
        buffer_file(path).write_bytes(self._buffer)

    def _operator(self, call: Any) -> str:
        """Of a kernel's call: "add.out"."""
        return str(self._method.operators[call.operator]).rpartition("::")[2]

    def _inside(self, delegate: int, done: Done, begin_ns: int | None) -> Iterator[Any]:
        """The events of a delegate's operations. begin_ns: of the delegate, None where operations have no times.

        All operations that store a part of a tensor have the whole tensor: the Inspector takes the first event of a
        node, and fails if that has no value.
        """
        layers, tensors = self._known.layers[delegate], self._known.tensors[delegate]
        stored = by_tensor(done.results, layers)
        values = {name: self._stored(found, tensors.get(name, {})) for name, found in stored.items() if name}
        for event in done.events:
            tensor = layers.tensor_at(event.word)
            known, value = tensors.get(tensor, {}), values.get(tensor) if event.ofm else None
            name = f"{known['module']}: " if known.get("module") else ""
            name += f"{event.name} {event.operation}" + (f" [{tensor}]" if value else f" of {tensor}" if tensor else "")
            metadata = {"layer": layers.at(event.word), **known, **_figures(event)}
            if begin_ns is not None:
                begin = begin_ns + event.begin_ns - done.events[0].begin_ns
                span = begin, begin + event.duration_ns
                yield self._profile("", done.instruction, span, name, {**metadata, "time_of": "emulator"})
            yield self._debug(done.instruction, value, name)

    def _stored(self, results: Sequence[Result], known: dict[str, Any]) -> Any:
        """The tensor that operations stored, as the program has it; as they stored it where that is not known."""
        values = flat(results)
        if values is None:
            return None
        dtype = known.get("dtype", STORED.get(results[0].element, "int32"))
        shaped = in_the_programs_order(values, known)
        if shaped is None:
            shaped = values.astype(dtype).reshape(results[0].values.shape if len(results) == 1 else -1)
        return self._tensor(shaped, dtype)

    def _tensor(self, array: Any, dtype: str) -> Any:
        """A value for a debug event; None for a type that the Inspector does not read."""
        import numpy as np
        from executorch.devtools.etdump import schema_flatcc as schema

        if dtype not in _NUMBERS:
            return None
        sizes, data = list(array.shape), np.ascontiguousarray(array).tobytes()
        strides = [int(np.prod(sizes[axis + 1 :], dtype=int)) for axis in range(len(sizes))]
        tensor = schema.Tensor(schema.ScalarType(_NUMBERS[dtype]), sizes, strides, len(self._buffer))
        self._buffer += data
        return schema.Value(schema.ValueType.TENSOR.value, tensor, None, None, None, None, None, None)

    def _profile(
        self, name: str, instruction: int, span: tuple[int, int], identifier: str = "", metadata: Any = None
    ) -> Any:
        from executorch.devtools.etdump import schema_flatcc as schema

        about = json.dumps(metadata).encode() if metadata else None
        event = schema.ProfileEvent(name or None, 0, instruction, -1, identifier or None, about, *span)
        return schema.Event(event, None, None)

    def _debug(self, instruction: int, value: Any, identifier: str = "", is_output: bool = False) -> Any:
        from dataclasses import replace

        from executorch.devtools.etdump import schema_flatcc as schema

        if value is None:
            return None
        value = replace(value, output=schema.Bool(True)) if is_output else value
        return schema.Event(None, None, schema.DebugEvent(None, 0, instruction, -1, identifier or None, value))


def _figures(event: Event) -> dict[str, Any]:
    rows: dict[str, Any] = {"operation": event.operation, "word": event.word, "macs": event.macs}
    rows |= {"read": event.read, "written": event.written, "ifm": event.ifm, "ifm2": event.ifm2, "ofm": event.ofm}
    return {key: value for key, value in rows.items() if value is not None}


def dump_vectors(program: RecordedProgram, pte: Path, vectors: Sequence[Sequence[Any]], path: Path) -> None:
    """Run each vector and write the ETDump of all runs. vectors: the inputs of each."""
    from etbuild.compile import compiler_imports

    compiler_imports.load_executorch()
    dump = ETDump(program.method, described(pte, program.method, program.first_delegate))
    for number, inputs in enumerate(vectors):
        dump.add(program.record(*inputs), number if len(vectors) > 1 else -1)
    dump.write(path)


def dump_host_run(what: HostRun, golden: dict[str, Any], path: Path) -> None:
    """Run the vectors of golden.npz on the host once more, and write the ETDump."""
    from etbuild.host.recording import RecordedProgram

    program = RecordedProgram(what.pte, what.ptd, what.memory_limit, what.kernels)
    dump_vectors(program, what.pte, vectors_of(program, golden), path)


def _span(events: Sequence[Event]) -> tuple[int, int]:
    """When events began and ended, in ns."""
    if not events:
        return 0, 0
    return events[0].begin_ns, events[-1].begin_ns + events[-1].duration_ns
