"""Rewriting: a delegate's TOSA graph, changed to one that computes the same integers in fewer cycles of the NPU."""
