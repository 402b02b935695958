"""Compilation with PyTorch, ExecuTorch and Vela: from a model to exported, quantised, lowered and compiled programs."""
