"""The modules of this folder are imported by their full names, `tests.npu.grid` as on the command line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
