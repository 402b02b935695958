"""Declarative builds of PyTorch models for Arm Ethos-U microcontrollers."""

from pathlib import Path

__version__ = "0.1.0"

# The folder of this package. All paths to our own files start here, so that a module can move without breaking them.
PACKAGE = Path(__file__).parent
RUNTIME = PACKAGE / "runtime"
