"""Where the weights of a delegate's layers are, so that a test can change one of their bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.npu.command_stream import decode, parse_payload
from etbuild.npu.debug_database import layers_of_delegate
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream

if TYPE_CHECKING:
    from pathlib import Path


def weights_of(pte: Path, delegate: int = 0) -> dict[str, tuple[int, int]]:
    """Where the weights of each tensor's last convolution are in the delegate's weights: offset and size."""
    program = read(pte)
    stream = read_stream(program, program.methods[0].delegates[delegate])
    job = parse_payload(bytes(stream.block("cmd_data").data or b""))
    layers, registers, found = layers_of_delegate(pte, delegate), dict[str, int](), dict[str, tuple[int, int]]()
    for command in decode(job.words, job.family):
        assert command.entry is not None
        if not command.is_operation:
            registers[command.entry.name] = command.raw
        elif command.entry.name in ("CONV", "DEPTHWISE"):
            at = registers["WEIGHT_BASE"]
            if registers["WEIGHT_REGION"] == 1:  # copied by a DMA before
                at += registers["DMA0_SRC"] - registers["DMA0_DST"]
            found[layers.tensor_at(command.word)] = (at, registers["WEIGHT_LENGTH"])
    return found


def offset_of(pte: Path, delegate: int = 0) -> int:
    """Byte of the .pte at which the weights of a delegate begin."""
    program = read(pte)
    stream = read_stream(program, program.methods[0].delegates[delegate])
    return pte.read_bytes().index(bytes(stream.block("weight_data").data or b""))
