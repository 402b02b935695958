"""Packages for other build systems: a model with the runtime that it needs for CMake, Zephyr and CMSIS csolution. It
writes files; it compiles and runs nothing."""
