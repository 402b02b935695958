"""ExecuTorch's files, read without ExecuTorch: programs (.pte), bundles (.bpte), named data (.ptd), and the
Vela streams in them. It writes none, and trusts no byte."""

from etbuild.pte.flatbuffer import BadPte
from etbuild.pte.program import Program
from etbuild.pte.reader import read

__all__ = ["BadPte", "Program", "read"]
