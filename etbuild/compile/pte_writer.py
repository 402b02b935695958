"""Assembles the bytes of a .pte from the emitted program and the delegates' command streams. It compiles nothing.

The result is byte for byte what ExecuTorch writes when it lowers for that one target.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.compile.vela_flags import compile_flags

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered
    from etbuild.hardware.target import Target

# The tag under which weights outside of the .pte are stored: the stem of model.ptd.
PLACEMENT = "model"


def assemble(
    serializer: Any, lowered: Lowered, streams: Sequence[bytes], target: Target, weights_outside: bool
) -> bytes:
    """The bytes of a .pte: command streams instead of placeholders, the target in the delegates' compile specs.

    serializer:      the module of `compiler_imports.serializer`.
    lowered:         changed in place.
    streams:         one per delegate, in order.
    weights_outside: the streams refer to weights in a .ptd.
    """
    program = lowered.program
    numbers: dict[bytes, int] = {}
    for delegate, stream in zip(lowered.delegates, streams, strict=True):
        # Like ExecuTorch's emitter: delegates with equal streams share one.
        delegate.processed.index = numbers.setdefault(stream, len(numbers))
        delegate.compile_specs = _specs(delegate.compile_specs, target, weights_outside)
    program.backend_delegate_data = [serializer.BackendDelegateInlineData(data=stream) for stream in numbers]
    file = serializer.PTEFile(program=program, mutable_data=lowered.mutable_data)
    return bytes(serializer.serialize_pte_binary(file, extract_delegate_segments=False))


def _specs(specs: Sequence[Any], target: Target, weights_outside: bool) -> list[Any]:
    """The compile specs of the reference NPU (see profiles) with the values of the target."""
    kind = type(specs[0])
    values = {"compile_flags": " ".join(compile_flags(target)).encode(), "target": target.npu.encode()}
    found = [kind(spec.key, values.get(spec.key, spec.value)) for spec in specs]
    if weights_outside:
        placements = json.dumps({"weight_data": PLACEMENT}, sort_keys=True, separators=(",", ":"))
        found.append(kind("external_block_placements", placements.encode()))
    return found
