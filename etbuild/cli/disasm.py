"""`etbuild disasm`: the command streams in a .pte as text, with the layers that Vela's debug database names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from etbuild.errors import StepError, UsageError


def run(arguments: argparse.Namespace) -> int:
    pte = Path(arguments.file)
    payloads = _payloads(pte, Path(arguments.data) if arguments.data else None)
    chosen = range(len(payloads)) if arguments.delegate is None else [arguments.delegate]
    for index in chosen:
        if not 0 <= index < len(payloads):
            raise UsageError(f"{pte}: got --delegate {index}, wanted one of its {len(payloads)} delegates, from 0")
        for line in _lines(pte, index, payloads[index]):
            print(line)
    if not payloads:
        print(f"{pte}: nothing in it runs on an NPU")
    return 0


def _payloads(pte: Path, ptd: Path | None) -> list[tuple[str, bytes]]:
    """For each delegate of the NPU, in order, the method's name and its driver payload."""
    from etbuild.pte.named_data import read_data
    from etbuild.pte.reader import read
    from etbuild.pte.vela import BACKEND, read_stream

    program = read(pte)
    beside = read_data(ptd) if ptd else None
    found = []
    for plan in program.methods:
        for delegate in plan.delegates:
            if delegate.id != BACKEND:
                continue
            block = read_stream(program, delegate).block("cmd_data")
            data = block.data if block.data is not None else beside.named(block.key) if beside else None
            if data is None:
                raise StepError(f"{pte}: got no command stream, which lies in a .ptd\n    give that with --data")
            found.append((plan.name, bytes(data)))
    return found


def _lines(pte: Path, index: int, payload: tuple[str, bytes]) -> Iterator[str]:
    """A line a command; a layer's name stands before its first operation."""
    from etbuild.npu.command_stream import decode, parse_payload
    from etbuild.npu.debug_database import layers_of_delegate
    from etbuild.npu.disassembler import text

    method, data = payload
    job = parse_payload(data)
    layers = layers_of_delegate(pte, index)
    yield f"delegate {index} of {method}: {job.npu}, config {job.config:#010x}, {len(job.words)} words"
    layer, operation = "", 0
    for command in decode(job.words, job.family):
        if layers.at(command.word) != layer:
            layer = layers.at(command.word)
            yield f"  {layer}:" if layer else "  end:"
        number = f"    ; operation {operation}" if command.is_operation else ""
        operation += command.is_operation
        yield f"{command.word:8}  {text(command)}{number}"
