"""Which program the compile server is, and which files it consists of."""

from __future__ import annotations

from etbuild.build_engine.server.protocol import ServerSpec

# A new server starts when one of these files changes. Changes of other files need none: each child imports the modules
# of its step again if one of their files changed.
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
