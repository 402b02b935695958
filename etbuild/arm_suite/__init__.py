"""ExecuTorch's own tests of its Arm backend, run with the emulated NPU in place of Arm's FVP, and every delegate
compared with the TOSA reference model bit by bit. The tests are those of the installed ExecuTorch, unchanged.
"""
