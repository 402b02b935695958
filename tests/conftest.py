"""What tests share: where the fakes are, and where a compile server of a test's own meets its clients."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"
sys.path.insert(0, str(FAKES))

# No test finds what another one, or the developer's own build, has left in a cache.
os.environ["ETBUILD_CACHE"] = "off"

# A shell starts jobs in the background with SIGINT ignored, and so would be all processes that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def run_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """XDG_RUNTIME_DIR of this test alone. Its name is short, unlike tmp_path's: else the servers meet in /tmp."""
    with tempfile.TemporaryDirectory(prefix="run") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
