"""What a firmware costs: clean, for a new model on a built library, and run in QEMU; each next to its limit.

    python benchmarks/firmware.py             a small model with the operators of mnist_u55
    python benchmarks/firmware.py build/mnist_u55/ethos-u55-128 build/mnist_u55/tosa-u55/golden.npz

Each figure is the best of some rounds, as a process of its own. The limits are for two otherwise idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/firmware"))
LIMITS = {"clean_s": 10.0, "new_model_s": 0.7, "qemu_s": 1.0, "code_bytes": 45056, "static_ram_bytes": 8192}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", type=Path, help="folder with model.pte and manifest.json")
    parser.add_argument("golden", nargs="?", type=Path, help="golden.npz")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _lay_out(work, options.variant, options.golden)
        figures = {
            "clean_s": min(_build(work, work / f"clean {number}") for number in range(options.rounds)),
            "new_model_s": min(_new_model(work, number) for number in range(options.rounds)),
            "qemu_s": min(_run(work) for _ in range(options.rounds)),
        }
        sizes = json.loads((work / "sizes.json").read_text())
    figures |= {name: sizes[name] for name in ("code_bytes", "static_ram_bytes")}
    load = os.getloadavg()[0]
    for name, value in figures.items():
        shown = f"{value:.2f}" if isinstance(value, float) else f"{value:,}"
        limit = LIMITS[name]
        verdict = "" if value <= limit else "  above the limit"
        print(f"{name:<18}{shown:>10}  limit {limit:,g}{verdict}")
    print(f"load of the machine: {load:.1f}")
    return int(any(value > LIMITS[name] for name, value in figures.items()))


def _lay_out(work: Path, variant: Path | None, golden: Path | None) -> None:
    if variant is None or golden is None:
        from images import write_inputs

        write_inputs(work, "linear_u55.pte")
        return
    for file in (variant / "model.pte", variant / "manifest.json", golden):
        shutil.copy(file, work / ("golden.npz" if file == golden else file.name))


def _build(work: Path, cache: Path) -> float:
    """Seconds of the step, its objects in this cache."""
    command = [
        *(sys.executable, "-m", "etbuild.steps.firmware", "--board", "qemu-mps3-an547", "--driver", "emulator"),
        *("--npu", "ethos-u55-128", "--memory-mode", "Shared_Sram", "--stack", "16384", "--pte", "model.pte"),
        *("--manifest", "manifest.json", "--vectors", "golden.npz", "--output", "."),
    ]
    return _timed(command, work, {"XDG_CACHE_HOME": str(cache)})


def _new_model(work: Path, number: int) -> float:
    """The same for a .pte with other bytes: what is in the flatbuffer's padding behind the program changes nothing."""
    with (work / "model.pte").open("ab") as file:
        file.write(bytes([number]) * 16)
    return _build(work, work / "clean 0")


def _run(work: Path) -> float:
    from etbuild.firmware.board_files import qemu_arguments
    from etbuild.hardware.boards import board_file, load_board

    file = board_file("qemu-mps3-an547")
    assert file is not None
    return _timed(["qemu-system-arm", *qemu_arguments(load_board(file), work / "firmware.elf")], work, {})


def _timed(command: list[str], folder: Path, more: dict[str, str]) -> float:
    from etbuild.system.parent import ends_with_parent

    begin = time.perf_counter()
    environment, prepare = {**os.environ, **more}, ends_with_parent()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, preexec_fn=prepare)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
