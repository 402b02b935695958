"""The command `etbuild`: the list of its commands. It builds no model: doit does.

The module of a command, etbuild.cli.NAME, has `add_arguments(parser)` and `run(arguments)`; it is imported when the
command line names that command, so `etbuild --help` imports none.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from etbuild import __version__
from etbuild.errors import exit_code_of

COMMANDS = {
    "inspect": "show the contents of a .pte, .bpte or .ptd",
    "run": "run a .pte on this machine, its delegates on an emulated NPU",
    "fvp": "run an image as Arm's FVP of Corstone-300 would, in QEMU with an emulated NPU",
    "disasm": "print the NPU command streams in a .pte as text",
    "compare": "compare two builds: sizes, memory, time, accuracy, layers, command streams",
    "history": "draw the figures of a recipe over the commits",
    "reproduce": "rebuild a .pte from its manifest in a clean checkout, and compare the bytes",
    "doctor": "list the tools on this machine, what is missing, and how to install it",
    "weights": "read the weights of a .tflite into the model of a recipe",
    "new": "write a recipe, and a model to start from",
    "log": "print what steps printed in their last run",
    "cache": "show, shrink, check or empty the build cache",
    "server": "show or stop the warm compile server",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    argv:   without the program; None for that of this process.
    return: the exit code, see etbuild.errors.
    """
    return exit_code_of(_main, sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    try:
        arguments = _parser(argv).parse_args(argv)
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) closed the pipe; without this, Python's flush at exit would report it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the command that `argv` names has its arguments."""
    parser = argparse.ArgumentParser(
        prog="etbuild",
        description="Tools for compiled models and for this machine. To build a model: doit build:NAME.",
    )
    parser.add_argument("--version", action="version", version=f"etbuild {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = next((word for word in argv if word in COMMANDS), None)
    for name, help_line in COMMANDS.items():
        command = commands.add_parser(name, help=help_line)
        if name == named:
            module = import_module(f"etbuild.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
