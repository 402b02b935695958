"""Run compiled models on the emulator and compare every output with the TOSA reference model.

    python -m tests.npu.grid --all        every model on U55-128 int8 and int16x8, a subset on the other NPUs and modes
    python -m tests.npu.grid --npu ethos-u85-256 --dtype int8 conv_3x3 softmax

The first run makes the artefacts (about a second a model) and keeps them in the cache, see artifacts.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.npu import artifacts, native
from tests.npu.artifacts import Case, Compiled, Setup

if TYPE_CHECKING:
    from tests.npu.corpus import OpModel

GARBAGE = 0xA5


@dataclass(frozen=True)
class Verdict:
    """One partition on one NPU. state: "exact", "differs", "error" (the emulator's), "vela" (does not compile) or
    "open" (TOSA leaves the result open)."""

    state: str
    detail: str = ""


def default_setup(npu: str) -> Setup:
    """How ExecuTorch feeds this NPU unless told otherwise."""
    if "u55" in npu:
        return Setup(npu, "Ethos_U55_High_End_Embedded", "Shared_Sram")
    if "u65" in npu:
        return Setup(npu, "Ethos_U65_High_End", "Dedicated_Sram_384KB")
    return Setup(npu, "Ethos_U85_SYS_DRAM_Mid", "Sram_Only")


def run_case(emulator: native.Emulator, compiled: Compiled, case: Case) -> Verdict:
    """Run one delegate on one set of inputs; memory starts as garbage, so that reading unwritten bytes shows."""
    scratch = np.full(compiled.scratch + 64, GARBAGE, np.uint8)
    fast = np.full(compiled.fast_scratch + 64, GARBAGE, np.uint8)
    weights = np.frombuffer(compiled.weights + b"\0" * 64, np.uint8).copy()
    for slot, value in zip(compiled.inputs, case.inputs, strict=True):
        data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        scratch[slot.offset : slot.offset + data.size] = data
    outcome = emulator.run(compiled.commands, {0: weights, 1: scratch, 2: fast})
    if outcome.code != 0:
        return Verdict("error", f"operation {outcome.number}: {outcome.text} (code {outcome.code})")
    for index, (slot, wanted) in enumerate(zip(compiled.outputs, case.outputs, strict=True)):
        got = scratch[slot.offset : slot.offset + wanted.nbytes].view(wanted.dtype).reshape(wanted.shape)
        if not np.array_equal(got, wanted):
            wrong = np.argwhere(got != wanted)
            place = tuple(int(i) for i in wrong[0])
            text = f"output {index}{list(place)}: got {got[place]}, wanted {wanted[place]}; {len(wrong)} of {got.size}"
            return Verdict("differs", text)
    return Verdict("exact")


def run_model(model: OpModel, dtype: str, setup: Setup) -> Iterator[Verdict]:
    """One verdict a partition; the worst of its cases."""
    emulator = native.emulator()
    for partition in artifacts.lowered(model, dtype, setup.profile).partitions:
        compiled = artifacts.compiled(partition.tosa, setup)
        if compiled.error:
            yield Verdict("vela", compiled.error)
            continue
        verdicts = [run_case(emulator, compiled, case) for case in partition.cases]
        bad = [verdict for verdict in verdicts if verdict.state != "exact"]
        yield bad[0] if bad else verdicts[0] if verdicts else Verdict("open")


def main(argv: list[str]) -> int:
    """Print what is not exact and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npu", default="ethos-u55-128")
    parser.add_argument("--dtype", default="int8", choices=("int8", "int16"))
    parser.add_argument("--system-config")
    parser.add_argument("--memory-mode")
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args(argv)
    setup = default_setup(arguments.npu)
    setup = Setup(
        setup.npu, arguments.system_config or setup.system_config, arguments.memory_mode or setup.memory_mode
    )
    counts: dict[str, int] = {}
    for model in artifacts.models(tuple(arguments.models)):
        for number, verdict in enumerate(run_model(model, arguments.dtype, setup)):
            counts[verdict.state] = counts.get(verdict.state, 0) + 1
            if verdict.state not in ("exact", "open"):
                print(f"{model.name}[{number}]: {verdict.state}: {verdict.detail}", flush=True)
    print(setup, arguments.dtype, counts)
    return 0 if set(counts) <= {"exact", "open", "vela"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
