"""The rewritten networks of MLPerf Tiny against the same networks as TensorFlow Lite's int8 files, by the same Vela.

    python benchmarks/tflite.py --data FOLDER             kws, ic, vww and ad; the bar is 1.05 of the cycles
    python benchmarks/tflite.py --data FOLDER --vectors 10000 kws ad
    python benchmarks/tflite.py --networks                larger networks, against themselves without rewriting

FOLDER, or the environment variable ETBUILD_TFLITE_DATA, has of each network its trained float weights
<network>.safetensors, with the names of recipes/models/<network>.py, and <network>_int8.tflite. Nothing is measured
without them. The NPU's SRAM must not be more than with TensorFlow Lite, and the rewritten graphs must equal the
graphs before on all random vectors, by the TOSA reference model in as many processes as there are processors: 9 of
10 ms of a vector are the model's own. Exit code 1 where one of these is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import ROOT, Bench, bench

from etbuild.compile.vela import compile_delegate, total
from etbuild.system.processors import processors
from etbuild.verify.equal_graphs import difference_on_random_inputs

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

BAR = 1.05
PART = 25
TINY = ("kws", "ic", "vww", "ad")
RULES = "rewrite: {rules: all}\nrun: {on: host}\n"
TINY_RECIPE = "extends: NAME.yaml\nmodel: {source: models/NAME.py, weights: DATA/NAME.safetensors}\n"
# One scale for each tensor of weights, as in the file of TensorFlow Lite.
PER_TENSOR = {"ad": "quantize: {per_channel: false}\n"}
TARGETS = """targets:
  - {npu: ethos-u65-256, system_config: Ethos_U65_High_End, memory_mode: Shared_Sram}
  - {npu: ethos-u85-256, system_config: Ethos_U85_SYS_DRAM_Mid, memory_mode: Shared_Sram}
"""
MADE = "model: {source: models/FILE.py, entry: NAME}\nquantize: {scheme: int8}\n"
NETWORKS = {
    "mv2_u65": "extends: mv2_u65.yaml\n",
    "mobilenet_v3": MADE.replace("FILE", "classifiers"),
    "resnet50": MADE.replace("FILE", "resnet50"),
    "vit_tiny": MADE.replace("FILE", "attention"),
}


class Measured(NamedTuple):
    """Vela's estimate: cycles of an inference, bytes of SRAM."""

    cycles: int
    sram: int


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    known = NETWORKS if options.networks else TINY
    if unknown := [name for name in options.names if name not in known]:
        wanted = ", ".join(known)
        print(f"names: got {unknown[0]}, wanted some of {wanted}\n    without a name all are measured", file=sys.stderr)
        return 2
    data = None if options.networks else options.data and options.data.absolute()
    if not options.networks and (data is None or not data.is_dir()):
        print(f"skipped: got {data or 'no folder'} for --data, wanted the trained networks (see tflite.py --help)")
        return 0
    passed = True
    with bench() as project:
        for name, text in recipes(options.names, data).items():
            (project.root / f"recipes/t_{name}.yaml").write_text(text)
        if not data:
            for file in (*(ROOT / "tests/e2e/architectures").glob("*.py"), ROOT / "benchmarks/resnet50.py"):
                shutil.copy(file, project.root / "recipes/models")
        for name in recipes(options.names, data):
            project.doit(f"vela:t_{name}")
            for target in project.targets(f"t_{name}"):
                passed &= judged(project, name, target, data, options.vectors)
    return 0 if passed else 1


def recipes(names: Sequence[str], data: Path | None) -> dict[str, str]:
    """The text of each recipe by the network's name."""
    if data:
        whole = {name: TINY_RECIPE + PER_TENSOR.get(name, "") + RULES for name in TINY}
    else:
        whole = {name: text + TARGETS + RULES for name, text in NETWORKS.items()}
    return {
        name: text.replace("NAME", name).replace("DATA", str(data))
        for name, text in whole.items()
        if not names or name in names
    }


def judged(project: Bench, name: str, target: Target, data: Path | None, vectors: int) -> bool:
    """Print a line of the table; whether it passes."""
    folder = project.root / f"build/t_{name}"
    befores, afters = folder / target.profile / "delegates", folder / target.variant / "rewritten"
    before, after = estimate(befores, target), estimate(afters, target)
    against = tflite(data / f"{name}_int8.tflite", target) if data else before
    ratio, bar = after.cycles / against.cycles, BAR if data else 1.0
    line = f"{name:<12} {target.npu:<14} {before.cycles:>9,} -> {after.cycles:>9,} cycles"
    line += f", TFLite {against.cycles:>9,}" if data else ""
    line += f", ratio {ratio:.3f}, wanted at most {bar}; SRAM {after.sram:>9,} of {against.sram:>9,}"
    line += f"; activations {saved_by_activations(afters.with_name('rewrite.json')) / against.cycles:.3f}"
    print(line, flush=True)
    same = all(equal(befores / one.name, one, vectors) for one in sorted(afters.glob("*.tosa"))) if vectors else True
    return ratio <= bar and (after.sram <= against.sram or not data) and same


def saved_by_activations(report: Path) -> int:
    """The cycles that this rule saves in Vela's estimate, and nowhere else: docs/rewrite.md."""
    rules = [rule for delegate in json.loads(report.read_text())["delegates"] for rule in delegate["rules"]]
    kept = [one["cycles"] for one in rules if one["rule"] == "activations" and one["kept"]]
    return sum(one["before"] - one["after"] for one in kept)


def estimate(delegates: Path, target: Target) -> Measured:
    """Of all graphs in a folder."""
    with tempfile.TemporaryDirectory() as output, silence():
        rows = [compile_delegate(graph, target, Path(output)) for graph in sorted(delegates.glob("*.tosa"))]
    whole: dict[str, Any] = total(rows)
    return Measured(whole["cycles"]["total"], whole["memory_bytes"]["sram"])


def tflite(file: Path, target: Target) -> Measured:
    """Of a file of TensorFlow Lite, compiled for the same target."""
    from ethosu.vela import vela

    with tempfile.TemporaryDirectory() as folder:
        flags = ["--accelerator-config", target.npu, "--system-config", target.system_config]
        flags += ["--memory-mode", target.memory_mode, "--config", "Arm/vela.ini", "--output-dir", folder]
        with silence():
            vela.main([str(file), *flags])
        (summary,) = Path(folder).glob("*_summary_*.csv")
        with summary.open(newline="") as lines:
            row = next(iter(csv.DictReader(lines)))
    return Measured(int(float(row["cycles_total"])), round(float(row["sram_memory_used"]) * 1024))


def equal(before: Path, after: Path, vectors: int) -> bool:
    """Print whether two graphs compute the same for random vectors, and how long that took."""
    if before.read_bytes() == after.read_bytes():
        print("    no rule changed a byte", flush=True)
        return True
    begin = time.perf_counter()
    with ProcessPoolExecutor(processors()) as pool:
        parts = list(seeds(vectors))
        found = [one for one in pool.map(_difference, [before] * len(parts), [after] * len(parts), parts) if one]
    seconds = time.perf_counter() - begin
    print(f"    {vectors:,} random vectors: {found[0] if found else 'equal'} ({seconds:.0f} s)", flush=True)
    return not found


def seeds(vectors: int) -> Iterator[tuple[int, int]]:
    """A seed and a number of vectors, for each of some parts: the same ones on every machine."""
    for first in range(0, vectors, PART):
        yield first, min(PART, vectors - first)


def _difference(before: Path, after: Path, part: tuple[int, int]) -> str:
    with silence():
        return difference_on_random_inputs(before, after, *part)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Without what Vela and the reference model write, of which C++ writes the most."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    with Path(os.devnull).open("w") as nothing:
        try:
            for number in (1, 2):
                os.dup2(nothing.fileno(), number)
            yield
        finally:
            sys.stdout.flush()
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("names", nargs="*", help="only these networks")
    default = os.environ.get("ETBUILD_TFLITE_DATA")
    made.add_argument("--data", type=Path, default=default and Path(default), help="folder with trained networks")
    made.add_argument("--vectors", type=int, default=100, help="random vectors for each graph; default: 100")
    made.add_argument("--networks", action="store_true", help="larger networks instead, which need no data")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
