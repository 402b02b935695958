"""Generated from runtime/port/host/host.h by `python -m etbuild.host.generate`; do not edit."""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)

TENSOR = 0
INTEGER = 1
BOOLEAN = 2
REAL = 3
OTHER = 4
NEVER_WRITTEN = 0
OVERWRITTEN = 1
UNREAD = 2
SHARED_TABLE = 3
STOPPED = 0
RAN_OUT = 1
BUS_FAULT = 2
PARSE_FAULT = 3
BRANCH_FAULT = 4
WEIGHT_FAULT = 5
REFUSED = 6
READY = 0
NO_MEMORY = 1


class Value(Structure):
    _fields_ = (
        ("kind", c_int32),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dynamic", c_int32),
        ("sizes", c_int32 * 8),
        ("order", c_int32 * 8),
        ("bytes", c_uint64),
        ("data", c_void_p),
    )


class Memory(Structure):
    _fields_ = (
        ("method", c_uint64),
        ("planned", c_uint64),
        ("temp", c_uint64),
    )


class Event(Structure):
    _fields_ = (
        ("instruction", c_int32),
        ("delegate", c_int32),
        ("operation", c_uint32),
        ("word", c_uint32),
        ("name", c_char_p),
        ("overload", c_char_p),
        ("begin_ns", c_uint64),
        ("duration_ns", c_uint64),
        ("macs", c_uint64),
        ("bytes_read", c_uint64 * 8),
        ("bytes_written", c_uint64 * 8),
        ("weights", c_uint64),
        ("zero_weights", c_uint64),
        ("min", c_int64),
        ("max", c_int64),
        ("elements", c_uint64),
        ("ifm", c_int32 * 3),
        ("ifm2", c_int32 * 3),
        ("ofm", c_int32 * 3),
    )


class Hazard(Structure):
    _fields_ = (
        ("delegate", c_int32),
        ("kind", c_int32),
        ("region", c_int32),
        ("operation", c_uint32),
        ("writer", c_uint32),
        ("victim", c_uint32),
        ("address", c_int64),
    )


class Result(Structure):
    _fields_ = (
        ("operation", c_uint32),
        ("word", c_uint32),
        ("region", c_int32),
        ("brick", c_int32),
        ("tiled", c_int32),
        ("element", c_int32),
        ("shape", c_int32 * 3),
        ("base", c_int64),
        ("stride_y", c_int64),
        ("stride_x", c_int64),
        ("stride_c", c_int64),
        ("first", c_uint64),
        ("instruction", c_int32),
    )


class Job(Structure):
    _fields_ = (
        ("window", c_void_p),
        ("stream", c_uint64),
        ("stream_bytes", c_uint64),
        ("bases", c_uint64 * 8),
        ("config", c_uint32),
    )


class Outcome(Structure):
    _fields_ = (
        ("kind", c_int32),
        ("channel", c_int32),
        ("region", c_int32),
        ("writes", c_int32),
        ("offset", c_uint64),
        ("address", c_uint64),
        ("read", c_uint64),
        ("macs", c_uint64),
        ("bytes_read", c_uint64 * 8),
        ("bytes_written", c_uint64 * 8),
        ("number", c_uint64),
        ("text", c_char_p),
        ("irq_mask", c_uint32),
    )


Left = CFUNCTYPE(c_int, c_int32)


Touch = CFUNCTYPE(c_int, c_uint64, c_uint64, c_int)

FUNCTIONS = {
    "etb_open": (c_void_p, [c_void_p, c_size_t, c_void_p, c_size_t, c_size_t, c_uint64, c_void_p, c_size_t, c_size_t]),
    "etb_emulators": (c_size_t, [c_void_p]),
    "etb_emulator": (c_char_p, [c_void_p, c_size_t]),
    "etb_choose_emulator": (c_int, [c_void_p, c_size_t]),
    "etb_close": (None, [c_void_p]),
    "etb_status": (c_int, [c_void_p]),
    "etb_error": (c_char_p, [c_void_p]),
    "etb_method": (c_char_p, [c_void_p]),
    "etb_memory_used": (Memory, [c_void_p]),
    "etb_inputs": (c_size_t, [c_void_p]),
    "etb_outputs": (c_size_t, [c_void_p]),
    "etb_delegates": (c_size_t, [c_void_p]),
    "etb_input": (c_int, [c_void_p, c_size_t, POINTER(Value)]),
    "etb_output": (c_int, [c_void_p, c_size_t, POINTER(Value)]),
    "etb_set_input": (c_int, [c_void_p, c_size_t, POINTER(c_int32), c_size_t, c_void_p, c_size_t]),
    "etb_run": (c_int, [c_void_p]),
    "etb_observe": (c_int, [c_void_p, c_int]),
    "etb_events": (POINTER(Event), [c_void_p, POINTER(c_size_t)]),
    "etb_hazards": (POINTER(Hazard), [c_void_p, POINTER(c_size_t)]),
    "etb_record": (c_int, [c_void_p, Left]),
    "etb_value_at": (c_int, [c_void_p, c_size_t, POINTER(Value)]),
    "etb_delegate_inputs": (c_size_t, [c_void_p, c_size_t]),
    "etb_delegate_outputs": (c_size_t, [c_void_p, c_size_t]),
    "etb_delegate_bytes": (c_uint64, [c_void_p, c_size_t, c_size_t]),
    "etb_run_delegate": (c_int, [c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "etb_trace_delegate": (c_int, [c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "etb_results": (POINTER(Result), [c_void_p, POINTER(c_size_t)]),
    "etb_result_values": (POINTER(c_int32), [c_void_p, POINTER(c_size_t)]),
    "etb_writer": (c_int64, [c_void_p, c_size_t, c_size_t, c_uint64]),
    "etb_window_open": (c_void_p, [c_uint64]),
    "etb_window_map": (c_int, [c_void_p, c_uint64, c_uint64, c_int, c_uint64]),
    "etb_window_close": (None, [c_void_p, c_uint64]),
    "etb_run_stream": (c_int, [POINTER(Job), Touch, POINTER(Outcome)]),
}
"""Of each function: the type of its result, the types of its parameters."""
