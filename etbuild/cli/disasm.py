"""`etbuild disasm`: the NPU command streams in a .pte as text, with layer names from Vela's debug database."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from etbuild.errors import StepError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.pte")
    parser.add_argument("--delegate", type=int, metavar="N", help="print this delegate only, counted from 0")
    parser.add_argument("--data", metavar="FILE.ptd", help="file with the command streams that are not in the .pte")


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
        print(f"{pte}: no delegate of an NPU")
    return 0


def _payloads(pte: Path, ptd: Path | None) -> list[tuple[str, bytes]]:
    """For each NPU delegate, in order: the name of its method and its driver payload."""
    from etbuild.pte.named_data import read_data
    from etbuild.pte.reader import read
    from etbuild.pte.vela import BACKEND, read_stream

    program = read(pte)
    external = read_data(ptd) if ptd else None
    found = []
    for method in program.methods:
        for delegate in method.delegates:
            if delegate.id != BACKEND:
                continue
            block = read_stream(program, delegate).block("cmd_data")
            data = block.data if block.data is not None else external.named(block.key) if external else None
            if data is None:
                raise StepError(
                    f"{pte}: got no command stream, wanted it in the file or in a .ptd\n    name the .ptd with --data"
                )
            found.append((method.name, bytes(data)))
    return found


def _lines(pte: Path, index: int, payload: tuple[str, bytes]) -> Iterator[str]:
    """One line per command, and the name of each layer before its first command."""
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
