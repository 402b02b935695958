"""Damaged .pte files, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from etbuild.system import environment

HERE = Path(__file__).parent
FILES = HERE.parents[1] / "pte" / "files"
GOOD = ("branch_cpu", "joined_cpu", "linear_cpu", "linear_u55", "linear_u65_512", "linear_u85_segment")

pytestmark = pytest.mark.e2e

# Of random damage.
SECONDS = [8, pytest.param(60, marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def fuzzer() -> Path:
    """Built once for each checkout, then up to date in milliseconds."""
    folder = environment.cache_folder() / "exec_tests" / HERE.as_posix().strip("/").replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            ["cmake", "-G", "Ninja", "-S", str(HERE), "-B", str(folder)],
            ["ninja", "-C", str(folder), f"-j{os.cpu_count() or 1}"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder / "fuzz_pte"


def run(fuzzer: Path, *words: str) -> str:
    done = subprocess.run([str(fuzzer), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done.stdout


def test_a_truncated_file_is_rejected(fuzzer: Path) -> None:
    """Each of six files, cut at each byte: no crash, and an error before anything runs."""
    files = [FILES / f"{name}.pte" for name in GOOD]

    output = run(fuzzer, "truncate", *map(str, files))

    assert output == f"{sum(file.stat().st_size for file in files)} cuts refused\n"


@pytest.mark.parametrize("seconds", SECONDS)
def test_damaged_files_never_harm(fuzzer: Path, seconds: int) -> None:
    """Random damage: no report of a sanitizer, no hang; some files still run, so the damage is small."""
    files = sorted(path for path in FILES.iterdir() if path.suffix in (".pte", ".ptd"))
    output = run(fuzzer, "mutate", f"{seconds}", "20251120", *map(str, files))

    runs, ran = (int(number) for number in re.findall(r"^(\d+) runs.* (\d+) ran$", output)[0])
    assert runs > 1000
    assert ran > runs // 100


@pytest.mark.parametrize("seconds", SECONDS)
def test_damaged_programs_of_kernels_never_harm(fuzzer: Path, tmp_path: Path, seconds: int) -> None:
    """As above, with programs that call most of the CPU kernels."""
    files = zoo(tmp_path)

    output = run(fuzzer, "mutate", f"{seconds}", "20251121", *map(str, files))

    assert re.fullmatch(r"\d+ runs: .* ran\n", output)


def zoo(folder: Path) -> list[Path]:
    """Programs of the kernels' own test cases."""
    sys.path.insert(0, str(HERE.parent / "kernels"))
    import executorch.backends.cortex_m.passes
    import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401 - likewise
    import test_cortex_m
    import test_cortex_m_windows
    import test_linear
    import test_movement
    import test_portable_movement
    import test_portable_numeric
    import test_quantization
    import test_reduction
    import test_window
    from kernel_oracle import compile_cases

    files = []
    tables = (
        test_linear.CONVOLUTION,
        test_movement.JOIN,
        test_movement.INDEX,
        test_reduction.EXTREME,
        test_window.POOL,
        test_cortex_m.CASES[::5],
        test_cortex_m_windows.CONVOLUTIONS[::3],
        test_cortex_m_windows.POOLS,
        [*test_quantization.embeddings()],
        test_portable_movement.REARRANGE[::3],
        test_portable_movement.PAD,
        test_portable_movement.SCATTER[::2],
        test_portable_movement.INDEX_PUT[::2],
        test_portable_movement.CHOSEN[::2],
        test_portable_numeric.SAMPLE[::2],
        test_portable_numeric.UPSAMPLE + test_portable_numeric.BACKWARD + test_portable_numeric.DISTANCE[::3],
    )
    for number, table in enumerate(tables):
        path = folder / f"{number}.pte"
        path.write_bytes(compile_cases(table[:15]))
        files.append(path)
    return files
