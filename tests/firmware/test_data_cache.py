"""Cache maintenance of the whole data cache, with a stand-in for the core's registers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from etbuild.firmware.select_sources import RUNTIME
from etbuild.system import tools

NATIVE = Path(__file__).parent / "native/cache"


def test_the_whole_cache_is_maintained_by_set_and_way(tmp_path: Path) -> None:
    """Its geometry is CCSIDR's: 256 sets of 4 ways of 32 bytes; the last operation names way 3 and set 255."""
    program = tmp_path / "cache"
    sources = [str(NATIVE / "main.cc"), str(RUNTIME / "port/cortex_m/cache.cc")]
    command = [str(tools.program("c++")), "-std=c++17", "-w", f"-I{NATIVE}", f"-I{RUNTIME}", *sources]
    subprocess.run([*command, "-o", str(program)], check=True, timeout=120)

    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["32768", "c0001fe0", "1", "0", "c0001fe0", "1", "1", "30000"]
