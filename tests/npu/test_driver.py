"""The register driver of a real NPU, against a model of its registers that the emulator stands behind."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.npu import native

CASES = re.findall(r"^    CASE\((\w+)\),$", (native.HERE / "native" / "driver.cc").read_text(encoding="utf-8"), re.M)


@pytest.fixture(scope="module")
def program() -> Path:
    """All cases in one program, with sanitizers."""
    folder = native.build_folder().with_name(native.build_folder().name + "-sanitized")
    return native.build("driver", "-DETB_SANITIZE=ON", "-DCMAKE_CXX_FLAGS=-O1", folder=folder) / "driver"


@pytest.mark.parametrize("case", CASES)
def test_driver(case: str, program: Path) -> None:
    """Each case is a sentence; it prints what differs."""
    done = subprocess.run([str(program), case], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
