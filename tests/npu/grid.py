"""Run compiled models on the emulator and compare every output with the TOSA reference model.

    python -m tests.npu.grid --all        every model on U55-128 and U85-256, int8 and int16x8; every model on the other
                                          NPUs, int8; a subset on every legal system config and memory mode
    python -m tests.npu.grid --npu ethos-u85-256 --dtype int8 conv_3x3 softmax

The first run makes the artefacts (a second or two a model and profile) and keeps them in the cache, see artifacts.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etbuild.hardware import npus
from tests.npu import artifacts, native
from tests.npu.artifacts import Case, Compiled, Partition, Setup

if TYPE_CHECKING:
    from tests.npu.corpus import OpModel

GARBAGE = 0xA5

# What every mode of feeding an NPU is tried with: weights of all kinds, tables, brick maps, cascades, long DMA lists.
MODE_MODELS = (
    "conv_3x3_deep", "conv_7x7_s2", "depthwise_wide", "inverted_residual", "separable", "linear_large", "softmax",
    "multihead_attention", "layer_norm", "average_pool_3_p1", "cat_mul", "upsample_nearest_2", "gelu", "net_003",
    "net_009", "net_027",
)  # fmt: skip

BROADCAST = "Vela drops the reshape after a lowered minimum: the last operation broadcasts one of the results"
COLUMNS = "Vela folds rows into columns on the input's side only: the first layer reads every second row"
TABLE = "Vela loads a table past the end of a 16 KiB SHRAM, and says so"
OVERLAP = "Vela gives a tensor of one channel in bricks too few bytes: later results overwrite it"
CHAINED_TABLES = "Vela chains a sigmoid to a tanh and loads the second's table only, into the one slot of both"


@dataclass(frozen=True)
class Fault:
    """A stream that is wrong in itself. npus: how their names begin; dtype: "" for both."""

    model: str
    npus: tuple[str, ...]
    dtype: str
    reason: str

    def holds(self, model: str, npu: str, dtype: str) -> bool:
        return self.model == model and self.dtype in ("", dtype) and npu.startswith(self.npus)


FAULTS = (
    Fault("amin_last", ("ethos-u55", "ethos-u65"), "", BROADCAST),
    Fault("mlp", ("ethos-u",), "int16", COLUMNS),
    Fault("cosine_rows", ("ethos-u85",), "", OVERLAP),
    Fault("cosine_similarity", ("ethos-u85",), "int16", OVERLAP),
    Fault("lstm", ("ethos-u85",), "int16", CHAINED_TABLES),
    *(
        Fault(model, ("ethos-u55-32", "ethos-u55-64"), "", TABLE)
        for model in ("conv_sigmoid", "net_009", "net_027", "net_038", "net_040", "net_050", "net_053")
    ),
)


@dataclass(frozen=True)
class Verdict:
    """One partition on one NPU. state: "exact", "differs", "error" (the emulator's), "faulty" (not exact, and listed in
    FAULTS), "vela" (does not compile) or "open" (TOSA leaves every result open)."""

    state: str
    detail: str = ""


def default_setup(npu: str) -> Setup:
    """The system config and memory mode that ExecuTorch uses by default for this NPU."""
    table = npus.catalog()
    family = table.npus[npu].family
    return Setup(npu, family.system_config, family.memory_mode)


def prepared(compiled: Compiled, case: Case) -> dict[int, native.Array]:
    """The regions with inputs in place; all else is garbage, so that reading unwritten bytes shows."""
    scratch = np.full(compiled.scratch, GARBAGE, np.uint8)
    fast = np.full(max(compiled.fast_scratch, 1), GARBAGE, np.uint8)
    weights = np.frombuffer(compiled.weights or b"\0", np.uint8).copy()
    for slot, value in zip(compiled.inputs, case.inputs, strict=True):
        data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        scratch[slot.offset : slot.offset + data.size] = data
    return {0: weights, 1: scratch, 2: fast}


def compared(compiled: Compiled, case: Case, scratch: native.Array) -> Verdict:
    """The outputs in the scratch region against the reference."""
    for index, (slot, wanted) in enumerate(zip(compiled.outputs, case.outputs, strict=True)):
        got = scratch[slot.offset : slot.offset + wanted.nbytes].copy().view(wanted.dtype).reshape(wanted.shape)
        if not np.array_equal(got, wanted):
            wrong = np.argwhere(got != wanted)
            place = tuple(int(i) for i in wrong[0])
            text = f"output {index}{list(place)}: got {got[place]}, wanted {wanted[place]}; {len(wrong)} of {got.size}"
            return Verdict("differs", text)
    return Verdict("exact")


def run_case(emulator: native.Emulator, compiled: Compiled, case: Case) -> Verdict:
    """Run one delegate on one set of inputs."""
    regions = prepared(compiled, case)
    outcome = emulator.run(compiled.commands, regions)
    if outcome.code != 0:
        return Verdict("error", f"operation {outcome.number}: {outcome.text} (code {outcome.code})")
    return compared(compiled, case, regions[1])


def run_versions(compiled: Compiled, case: Case) -> Verdict:
    """As `run_case` with the scalar emulator; and all versions leave the same memory."""
    scalar, *others = native.versions()
    verdict, memories = run_case(scalar, compiled, case), []
    for version in (scalar, *others):
        regions = prepared(compiled, case)
        code = version.run(compiled.commands, regions).code
        memories.append((code, {number: array.tobytes() for number, array in regions.items()}))
        if memories[-1] != memories[0]:
            return Verdict(
                "differs", f"the emulator's version {version.choose()} leaves other bytes than the scalar one"
            )
    return verdict


def run_partition(partition: Partition, setup: Setup) -> Verdict:
    """The worst verdict of its cases."""
    compiled = artifacts.compiled(partition.tosa, setup)
    if compiled.error:
        return Verdict("vela", compiled.error)
    verdicts = [run_versions(compiled, case) for case in partition.cases]
    bad = [verdict for verdict in verdicts if verdict.state != "exact"]
    return bad[0] if bad else verdicts[0] if verdicts else Verdict("open")


def run_model(model: OpModel, dtype: str, setup: Setup) -> Iterator[Verdict]:
    """One verdict a partition."""
    known = [fault for fault in FAULTS if fault.holds(model.name, setup.npu, dtype)]
    for partition in artifacts.lowered(model, dtype, setup.profile).partitions:
        verdict = run_partition(partition, setup)
        if known and verdict.state in ("differs", "error"):
            verdict = Verdict("faulty", known[0].reason)
        yield verdict


def run_setup(dtype: str, setup: Setup, names: tuple[str, ...] = ()) -> dict[str, int]:
    """Verdicts by state; whatever is not exact is printed."""
    counts: dict[str, int] = {}
    for model in artifacts.models(names):
        for number, verdict in enumerate(run_model(model, dtype, setup)):
            counts[verdict.state] = counts.get(verdict.state, 0) + 1
            if verdict.state not in ("exact", "open"):
                print(f"{model.name}[{number}]: {verdict.state}: {verdict.detail}", flush=True)
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    print(f"{setup.npu} {setup.system_config} {setup.memory_mode} {dtype}: {summary}", flush=True)
    return counts


def setups() -> Iterator[tuple[str, Setup, tuple[str, ...]]]:
    """The whole grid: dtype, setup and the models (none: all)."""
    table = npus.catalog()
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        for dtype in ("int8", "int16"):
            yield dtype, default_setup(npu), ()
    for npu in table.npus:
        if npu not in ("ethos-u55-128", "ethos-u85-256"):
            yield "int8", default_setup(npu), ()
    for npu, facts in table.npus.items():
        for name, config in table.feeds.system_configs.items():
            for mode in npus.legal_modes(config, table.feeds) if config.family == facts.family else ():
                yield "int8", Setup(npu, name, mode), MODE_MODELS


def main(argv: list[str]) -> int:
    """Print what is not exact and a summary a setup; 1 when the emulator is wrong somewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--npu", default="ethos-u55-128")
    parser.add_argument("--dtype", default="int8", choices=("int8", "int16"))
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args(argv)
    chosen = [(arguments.dtype, default_setup(arguments.npu), tuple(arguments.models))]
    totals: dict[str, int] = {}
    for dtype, setup, names in setups() if arguments.all else chosen:
        for state, count in run_setup(dtype, setup, names).items():
            totals[state] = totals.get(state, 0) + count
    print("total: " + ", ".join(f"{count} {state}" for state, count in sorted(totals.items())))
    return 1 if totals.get("differs", 0) + totals.get("error", 0) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
