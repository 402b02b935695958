"""What tests share: where the fakes are."""

import os
import sys
from pathlib import Path

FAKES = Path(__file__).parent / "fakes"
sys.path.insert(0, str(FAKES))

# No test finds what another one, or the developer's own build, has left in a cache.
os.environ["ETBUILD_CACHE"] = "off"
