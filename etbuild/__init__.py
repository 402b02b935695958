"""Declarative builds of PyTorch models for Arm Ethos-U microcontrollers."""

__version__ = "0.1.0"
