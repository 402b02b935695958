"""Which program the compile server is, and which files it consists of."""

from __future__ import annotations

from etbuild.build_engine.server.protocol import ServerSpec

# The files that a running server does not read again when they change. The modules of steps are not among them: a child
# imports them again.
SERVER = ServerSpec(
    "etbuild.compile_server",
    (
        "build_engine/server",
        "compile_server",
        "compile_server/warm_up_project/small.yaml",
        "compile/compiler_imports.py",
        "compile/patches.py",
    ),
)
