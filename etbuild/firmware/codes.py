"""The numbers that the C++ runtime reports: exit codes of a firmware, error codes of a Status.

They are defined here for Python and C++: `python -m etbuild.firmware.generate` writes runtime/app/exit.h and
runtime/base/code.h from it.
"""

from __future__ import annotations

from enum import IntEnum


class Reported(IntEnum):
    """A number with a name and its meaning, one line of text."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Reported:
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member


class Exit(Reported):
    """Exit code of a firmware. Simulators use 1 and 2 for their own errors."""

    DONE = 0, "done"
    VECTORS = 10, "the test vectors are damaged or for another model"
    MODEL = 11, "the model is damaged or needs what is not linked"
    MEMORY = 12, "the model does not fit"
    OTHER = 13, "the model is for another NPU, or data of it is missing"
    RUN = 14, "an instruction of the program failed"
    NPU = 15, "the NPU is missing, does not answer or reported an error"
    FAULT = 20, "an exception of the processor"
    STACK = 21, "the stack overflowed"


class Code(Reported):
    """Kind of an error in a Status."""

    OK = 0, "no error"
    TRUNCATED = 1, "the input ends before what it announces"
    MALFORMED = 2, "the input contradicts its format"
    UNSUPPORTED = 3, "allowed by the format, but not implemented here"
    OUT_OF_BOUNDS = 4, "an address or index outside its region"
    NO_MEMORY = 5, "a buffer of the caller's is too small"
    MISMATCH = 6, "two sides disagree: compiled for another NPU, other shape, other digest"
    TIMEOUT = 7, "no answer in time, or more work than the limit"
    FAULT = 8, "the hardware reported an error"
