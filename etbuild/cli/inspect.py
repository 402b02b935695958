"""`etbuild inspect`: the contents of a .pte, .bpte or .ptd, as text or as JSON."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from etbuild.pte.bundle import read_bundle
from etbuild.pte.named_data import read_data
from etbuild.pte.ports import Port, inputs, is_io_quantization, outputs
from etbuild.pte.program import Delegate, DelegateCall, KernelCall, Method, Program
from etbuild.pte.reader import read, read_bytes
from etbuild.pte.vela import BACKEND, Block, IoTensor, read_stream
from etbuild.pte.zero_points import narrow_in

Json = dict[str, Any]

_HEAD_BYTES = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def run(arguments: argparse.Namespace) -> int:
    from etbuild.cli.inspect_text import render

    found = describe(Path(arguments.file))
    print(json.dumps(found, indent=2) if arguments.json else render(found))
    return 0


def describe(path: Path) -> Json:
    """The contents of a file as JSON. Sizes and offsets in bytes, offsets from the start of the file.

    raises: BadPte, UsageError.
    """
    data = read_bytes(path)
    kind = bytes(data[4:6])
    if kind == b"BP":
        bundle = read_bundle(path)
        suites = [{"method": suite.method, "cases": suite.cases} for suite in bundle.suites]
        about = {"bytes": bundle.size, "version": bundle.version, "program_offset": bundle.offset, "suites": suites}
        return {"file": str(path), "kind": "bpte", **about, "program": _program(bundle.program, data[bundle.offset :])}
    if kind == b"FT":
        file = read_data(path)
        entries = [
            {
                "key": entry.key,
                "offset": entry.segment.offset,
                "bytes": len(entry.segment.data),
                "dtype": entry.dtype,
                "shape": list(entry.sizes),
            }
            for entry in file.entries
        ]
        return {"file": str(path), "kind": "ptd", "bytes": file.size, "version": file.version, "entries": entries}
    return {"file": str(path), "kind": "pte", **_program(read(path), data)}


def _program(program: Program, data: memoryview) -> Json:
    header = program.header
    return {
        "bytes": program.size,
        "identifier": bytes(data[4:8]).decode("ascii"),
        "version": program.version,
        "head": bytes(data[:_HEAD_BYTES]).hex(),
        "header": header
        and {
            "length": header.length,
            "program_bytes": header.program_size,
            "segment_base_offset": header.segment_base_offset,
            "segment_bytes": header.segment_data_size,
        },
        "methods": [_method(program, method) for method in program.methods],
        "segments": [
            {"offset": segment.offset, "bytes": len(segment.data), "use": _use(program, index)}
            for index, segment in enumerate(program.segments)
        ],
        "named_data": [
            {"key": entry.key, "bytes": len(program.segments[entry.segment].data)} for entry in program.named_data
        ],
    }


def _use(program: Program, index: int) -> str:
    """What a segment holds; "" when nothing refers to it."""
    if program.constants and program.constants.segment == index:
        return f"{max(len(program.constants.offsets) - 1, 0)} constants"
    if any(mutable.segment == index for mutable in program.mutable_data):
        return "initial values"
    for method in program.methods:
        for number, delegate in enumerate(method.delegates):
            if (delegate.location, delegate.index) == ("segment", index):
                return f"delegate {number} of {method.name}"
    return ", ".join(entry.key for entry in program.named_data if entry.segment == index)


def _method(program: Program, method: Method) -> Json:
    kernels = Counter(method.kernel_calls())
    calls: Counter[tuple[str, bool]] = Counter()
    for call, times in kernels.items():
        calls[(str(method.operators[call.operator]), is_io_quantization(method, call))] += times
    instructions = [item for chain in method.chains for item in chain.instructions]
    delegate_calls = Counter(call.delegate for call in method.delegate_calls())
    return {
        "name": method.name,
        "inputs": [_port(port) for port in inputs(method)],
        "outputs": [_port(port) for port in outputs(method)],
        "instructions": {
            "total": len(instructions),
            "kernel": sum(isinstance(item, KernelCall) for item in instructions),
            "delegate": sum(isinstance(item, DelegateCall) for item in instructions),
        },
        "cpu_operators": [
            {"operator": name, "calls": times, "border": is_io} for (name, is_io), times in calls.items()
        ],
        "misread_by_executorch": [
            {"operator": text, "calls": times} for text, times in Counter(narrow_in(method)).items()
        ],
        "delegates": [
            {**_delegate(program, delegate), "calls": delegate_calls[index]}
            for index, delegate in enumerate(method.delegates)
        ],
        "planned_buffers": [
            {"id": index, "bytes": size} for index, size in enumerate(method.buffer_sizes) if index > 0
        ],
    }


def _port(port: Port) -> Json:
    return {
        "dtype": port.dtype,
        "shape": list(port.shape),
        "bytes": port.bytes,
        "quantized": port.quantized,
        "scale": port.scale,
        "zero_point": port.zero_point,
    }


def _delegate(program: Program, delegate: Delegate) -> Json:
    common = {
        "backend": delegate.id,
        "location": delegate.location,
        "index": delegate.index,
        "offset": delegate.offset,
        "bytes": len(delegate.data),
        "compile_specs": {
            spec.key: bytes(spec.value).decode("utf-8", "backslashreplace") for spec in delegate.compile_specs
        },
    }
    return {**common, "stream": _stream(program, delegate)} if delegate.id == BACKEND else common


def _stream(program: Program, delegate: Delegate) -> Json:
    stream = read_stream(program, delegate)
    commands = stream.commands
    target = commands and commands.configuration
    return {
        "npu": target and target.npu,
        "config_word": target and f"0x{target.word:08x}",
        "arch": target and target.arch,
        "shram_kib": target and target.shram_kib,
        "format": commands and commands.format,
        "command_bytes": commands and commands.bytes,
        "command_words": commands and len(commands.words) // 4,
        "weights_bytes": stream.weights_bytes,
        "scratch_bytes": stream.scratch_bytes,
        "inputs": [_io(tensor) for tensor in stream.inputs],
        "outputs": [_io(tensor) for tensor in stream.outputs],
        "blocks": [_block(block) for block in stream.blocks],
    }


def _io(tensor: IoTensor) -> Json:
    return {
        "shape": list(tensor.shape),
        "element_bytes": tensor.element_bytes,
        "offset": tensor.offset,
        "region": tensor.region,
    }


def _block(block: Block) -> Json:
    size = None if block.data is None else len(block.data)
    return {"name": block.name, "offset": block.offset, "bytes": size, "key": block.key}
