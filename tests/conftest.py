"""What tests share: where the fakes are."""

import sys
from pathlib import Path

FAKES = Path(__file__).parent / "fakes"
sys.path.insert(0, str(FAKES))
