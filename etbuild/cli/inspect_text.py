"""The text that `etbuild inspect` prints, from its JSON. It reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

SCRATCH = 1
"""Number of the command stream's region that the runtime maps to the scratch area."""


def render(found: Json) -> str:
    """The text, without a line end after the last line. found: from `etbuild.cli.inspect.describe`."""
    lines = {"pte": _pte, "bpte": _bpte, "ptd": _ptd}[found["kind"]]
    return "\n".join(_printable(line) for line in (found["file"], *lines(found)))


def _printable(line: str) -> str:
    """Control characters escaped: a string in the file must not act as a terminal command."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)


def _pte(found: Json) -> Iterator[str]:
    yield f"  ExecuTorch program (.pte), {found['bytes']:,} bytes, {found['identifier']}, version {found['version']}"
    yield from _program(found)


def _bpte(found: Json) -> Iterator[str]:
    yield f"  bundled program (.bpte), {found['bytes']:,} bytes, version {found['version']}"
    for suite in found["suites"]:
        yield f"  {_count(suite['cases'], 'test case')} for method {suite['method']}"
    program = found["program"]
    yield f"  its program: {program['bytes']:,} bytes at {found['program_offset']}, {program['identifier']}"
    yield from _program(program)


def _ptd(found: Json) -> Iterator[str]:
    yield f"  named data (.ptd), {found['bytes']:,} bytes, version {found['version']}"
    for entry in found["entries"]:
        kind = f"{entry['dtype']} {entry['shape']}" if entry["dtype"] else "bytes"
        yield f"  {entry['key']}: {entry['bytes']:,} bytes at {entry['offset']}, {kind}"


def _program(found: Json) -> Iterator[str]:
    header = found["header"]
    if header is None:
        yield "  no extended header"
    else:
        yield (
            f"  extended header: program {header['program_bytes']:,} bytes, "
            f"segments {header['segment_bytes']:,} bytes at {header['segment_base_offset']}"
        )
    yield from _dump(bytes.fromhex(found["head"]))
    for method in found["methods"]:
        yield from _method(method)
    for index, segment in enumerate(found["segments"]):
        use = segment["use"] or "unused"
        yield f"segment {index}: {segment['bytes']:,} bytes at {segment['offset']}, {use}"
    for entry in found["named_data"]:
        yield f"named data {entry['key']}: {entry['bytes']:,} bytes"


def _dump(head: bytes) -> Iterator[str]:
    for at in range(0, len(head), 16):
        row = head[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"    {at:04x}  {row.hex(' '):<47}  {text}"


def _method(method: Json) -> Iterator[str]:
    count = method["instructions"]
    yield (
        f"method {method['name']}: {_count(count['total'], 'instruction')}, {_count(count['kernel'], 'kernel')}, "
        f"{_count(count['delegate'], 'delegate call')}"
    )
    for side in ("input", "output"):
        for index, port in enumerate(method[f"{side}s"]):
            yield f"  {side} {index}: {_port(port)}"
    for buffer in method["planned_buffers"]:
        yield f"  planned memory {buffer['id']}: {buffer['bytes']:,} bytes"
    for operator in method["cpu_operators"]:
        io = ", at a model input or output" if operator["border"] else ""
        yield f"  on the CPU: {operator['operator']}, {_count(operator['calls'], 'call')}{io}"
    for misread in method["misread_by_executorch"]:
        yield f"  wrong results on ExecuTorch's runtime: {misread['operator']}, {_count(misread['calls'], 'call')}"
        yield "    its kernel reads int64; lower the model again with this version of etbuild"
    for index, delegate in enumerate(method["delegates"]):
        yield from _delegate(index, delegate)


def _port(port: Json) -> str:
    text = f"{port['dtype']} {port['shape']}, {port['bytes']:,} bytes"
    if port["scale"] is None:
        return text
    return f"{text}, as {port['quantized']} scale {port['scale']:.9g} zero point {port['zero_point']}"


def _delegate(index: int, delegate: Json) -> Iterator[str]:
    place = "inline" if delegate["location"] == "inline" else f"segment {delegate['index']}"
    yield (
        f"  delegate {index}: {delegate['backend']}, {delegate['bytes']:,} bytes, {place} at {delegate['offset']}, "
        f"{_count(delegate['calls'], 'call')}"
    )
    for key, value in delegate["compile_specs"].items():
        yield f"    {key}: {value}"
    if "stream" in delegate:
        yield from _stream(delegate["stream"])


def _stream(stream: Json) -> Iterator[str]:
    if stream["format"]:
        shram = f", SHRAM {stream['shram_kib']} KiB" if stream["shram_kib"] else ""
        yield f"    compiled for {stream['npu']}: CONFIG {stream['config_word']}, architecture {stream['arch']}{shram}"
        words = _count(stream["command_words"], "command word")
        yield f"    commands: {words}, {stream['command_bytes']:,} bytes, {stream['format']}"
    if stream["weights_bytes"] is not None:
        yield f"    weights: {stream['weights_bytes']:,} bytes"
    for block in stream["blocks"]:
        if block["key"]:
            yield f"    {block['name']} is stored outside, under {block['key']}"
    yield f"    scratch: {stream['scratch_bytes']:,} bytes"
    for side in ("input", "output"):
        for index, tensor in enumerate(stream[f"{side}s"]):
            area = "scratch" if tensor["region"] == SCRATCH else f"region {tensor['region']}"
            what = f"{tensor['shape']} of {_count(tensor['element_bytes'], 'byte')}"
            yield f"    {side} {index}: {what} at {area} + {tensor['offset']}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
