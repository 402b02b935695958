"""The tests of this folder use the projects of tests/steps."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))
