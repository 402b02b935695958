"""The emulator under the address and undefined-behaviour sanitizers: the directed streams, then mutations of them.

Each runs in the scalar version and in another one, which must leave the same bytes and the same Status.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from tests.npu import directed, native, program

FEW, MANY = 100_000, 2_000_000


def built(kind: str, *options: str) -> Path:
    """The fuzzer with these sanitizers, built at most once."""
    folder = native.build_folder().with_name(f"{native.build_folder().name}-{kind}")
    return native.build("fuzz", *options, folder=folder) / "fuzz"


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The directed streams with their memory, as the fuzzer reads them."""
    folder, found = tmp_path_factory.mktemp("seeds"), []
    for path in sorted(directed.FOLDER.glob("*.toml")):
        for number, test in enumerate(program.read(path)):
            regions = test.regions()
            parts = [test.payload(), *(regions[i].tobytes() if i in regions else b"" for i in range(3))]
            seed = folder / f"{path.stem}-{number}"
            seed.write_bytes(struct.pack("<4I", *map(len, parts)) + b"".join(parts))
            found.append(seed)
    return found


def codes(fuzzer: Path, seeds: list[Path], runs: int, threads: int, seed: int = 20) -> dict[int, int]:
    """How many mutations gave each Status code."""
    command = [str(fuzzer), str(runs), str(seed), str(threads), *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {int(code): int(count) for code, count in (line.split() for line in done.stdout.splitlines())}


@pytest.mark.parametrize("runs", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_mutated_stream_reads_or_writes_outside_its_buffers(seeds: list[Path], runs: int) -> None:
    """Every seed runs through; of the mutations some run, most give a Status; none is a fault, none hangs."""
    fuzzer = built("sanitized", "-DETB_SANITIZE=ON", "-DCMAKE_CXX_FLAGS=-O1")

    counts = codes(fuzzer, seeds, runs, threads=1)

    assert sum(counts.values()) == runs
    assert counts[0] > runs // 10


def test_weights_that_an_output_overwrites_are_the_same_in_every_version(seeds: list[Path]) -> None:
    """A stream may place its scales where a block of channels is stored before they are read: mutation 63,382."""
    counts = codes(native.build("fuzz") / "fuzz", seeds, 64_000, threads=1, seed=100)

    assert sum(counts.values()) == 64_000


@pytest.mark.slow
def test_threads_share_decoded_weights_and_tables_without_a_race(seeds: list[Path]) -> None:
    """Under the sanitizer of threads; what one thread decodes another uses."""
    fuzzer = built("threads", "-DCMAKE_CXX_FLAGS=-O1 -fsanitize=thread")

    counts = codes(fuzzer, seeds, FEW // 10, threads=4)

    assert sum(counts.values()) == FEW // 10
