"""The warm server with nothing to import first, whose steps of kind "fake" are fake_module.py.

FAKE_REHEARSAL: a line of Python that its successor runs after a moment's quiet; unset for no successor.
FAKE_STANDBY:   "never": no process stands by; by default one does, on however small a machine.
"""

import importlib.util
import os
import sys
from pathlib import Path

from etbuild.build_engine.server import children, server


class FakeKind:
    """Finds etbuild.steps.fake beside this file."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> object:
        if name != "etbuild.steps.fake":
            return None
        return importlib.util.spec_from_file_location(name, Path(__file__).with_name("fake_module.py"))


sys.meta_path.insert(0, FakeKind)  # type: ignore[arg-type]
server._preload = lambda: None  # type: ignore[attr-defined]
rehearsal = os.environ.get("FAKE_REHEARSAL")
server._rehearse = (lambda: exec(rehearsal)) if rehearsal else None  # type: ignore[assignment]
server.QUIET_S = 0.01
children.SPARE_BYTES = 1 << 62 if os.environ.get("FAKE_STANDBY") == "never" else 0
children.PROCESSORS = 8
sys.exit(server.main())
