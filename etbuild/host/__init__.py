"""The C++ runtime as a library of the host: build it, load it, run a .pte with it."""
