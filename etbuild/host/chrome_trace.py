"""A run as a trace for Perfetto or chrome://tracing: one event per operation. Its times are the emulator's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.host.observation import Event

Json = dict[str, Any]

_REGIONS = ("weights", "scratch", "fast_scratch")


def chrome_trace(events: Sequence[Event], layer: Callable[[int, int], str], title: str = "etbuild run") -> Json:
    """The trace as JSON. layer: the layer's name by delegate and word of its stream, "" where it is not known."""
    start = min((event.begin_ns for event in events), default=0)
    threads = {None: "CPU"} | {
        event.delegate: f"delegate {event.delegate}" for event in events if event.delegate is not None
    }
    names = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": _thread(delegate), "args": {"name": name}}
        for delegate, name in threads.items()
    ]
    process = {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": f"{title} (emulated NPU)"}}
    return {"displayTimeUnit": "ns", "traceEvents": [process, *names, *(_row(one, start, layer) for one in events)]}


def _thread(delegate: int | None) -> int:
    return 0 if delegate is None else delegate + 1


def _row(event: Event, start_ns: int, layer: Callable[[int, int], str]) -> Json:
    row: Json = {
        "name": event.name,
        "cat": "cpu" if event.delegate is None else "npu",
        "ph": "X",
        "pid": 1,
        "tid": _thread(event.delegate),
        "ts": (event.begin_ns - start_ns) / 1000,
        "dur": event.duration_ns / 1000,
    }
    details: Json = {"instruction": event.instruction}
    if event.delegate is not None:
        details |= {
            "layer": layer(event.delegate, event.word),
            "operation": event.operation,
            "macs": event.macs,
            "ifm": event.ifm,
            "ifm2": event.ifm2,
            "ofm": event.ofm,
            "bytes_read": _by_region(event.read),
            "bytes_written": _by_region(event.written),
            "zero_weights": round(event.weights[1] / event.weights[0], 4) if event.weights[0] else None,
            "output_range": event.range,
        }
    return {**row, "args": {key: value for key, value in details.items() if value not in (None, "", {})}}


def _by_region(counts: Sequence[int]) -> dict[str, int]:
    names = (*_REGIONS, *(f"region_{index}" for index in range(len(_REGIONS), len(counts))))
    return {name: count for name, count in zip(names, counts, strict=True) if count}
