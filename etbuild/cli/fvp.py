"""`etbuild fvp`: run an image as Arm's FVP of Corstone-300 would, in QEMU with an Ethos-U beside it.

With --install it writes programs named like the FVPs, so that other build systems find them on PATH.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from etbuild.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--install", metavar="DIR", type=Path, help="write programs with the FVPs' names into a folder, and end"
    )
    parser.add_argument("program", nargs="?", metavar="FVP", help="the name of the FVP")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="the FVP's own; --help behind its name lists them"
    )


def run(arguments: argparse.Namespace) -> int:
    from etbuild.fvp.install import install
    from etbuild.fvp.program import run as run_program

    if arguments.install is not None:
        if arguments.program:
            raise UsageError(f"etbuild fvp: got --install and {arguments.program}, wanted one of them")
        print("\n".join(map(str, install(arguments.install))))
        return 0
    if arguments.program is None:
        raise UsageError("etbuild fvp: got no name of an FVP, wanted one\n    etbuild fvp FVP_... -a IMAGE")
    return run_program(arguments.program, arguments.arguments)
