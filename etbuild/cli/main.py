"""The command `etbuild`: looks at files and at the machine, runs what is compiled, and writes a new recipe. It builds
no model: doit does.

What a command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from etbuild import __version__
from etbuild.errors import exit_code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes as in errors.py."""
    return exit_code_of(_main, sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    run = import_module(getattr(arguments, "module", f"etbuild.cli_{arguments.command}")).run
    try:
        code = int(run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python's own last flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="etbuild",
        description="Looks at compiled models, runs them, looks at this machine. Builds are doit's: doit build:NAME.",
    )
    parser.add_argument("--version", action="version", version=f"etbuild {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    inspect = commands.add_parser("inspect", help="what is in a .pte, .bpte or .ptd")
    inspect.add_argument("file", metavar="FILE")
    inspect.add_argument("--json", action="store_true", help="for programs")

    run = commands.add_parser("run", help="run a .pte here, its delegates on an emulated NPU")
    run.add_argument("file", metavar="FILE.pte")
    run.add_argument("--input", action="append", default=[], metavar="X.npy", help="one for each input, in order")
    run.add_argument("--output", metavar="FOLDER", help="where output_0.npy... go")
    run.add_argument("--data", metavar="FILE.ptd", help="weights beside the program")
    run.add_argument("--repeat", type=int, default=1, metavar="N", help="runs; the fastest is told")
    run.add_argument("--trace", metavar="FILE.json", help="an event an operation, for Perfetto")
    run.add_argument(
        "--check-hazards",
        action="store_true",
        help="tell reads of bytes that nothing wrote, or that are no longer theirs",
    )

    disasm = commands.add_parser("disasm", help="the NPU's command streams in a .pte as text")
    disasm.add_argument("file", metavar="FILE.pte")
    disasm.add_argument("--delegate", type=int, metavar="N", help="this one alone")
    disasm.add_argument("--data", metavar="FILE.ptd", help="command streams beside the program")

    doctor = commands.add_parser("doctor", help="which tools this machine has, which it lacks, how to get them")
    doctor.add_argument("--json", action="store_true", help="for programs")

    new = commands.add_parser("new", help="a recipe, and a model to start from")
    new.add_argument("name", metavar="NAME", help="of the recipe; it becomes recipes/NAME.yaml")
    new.add_argument("--model", metavar="FILE.py", help="the model's source; written when absent")
    new.add_argument("--npu", default="ethos-u55-128", help="default: %(default)s")

    cache = commands.add_parser("cache", help="what the build cache holds; make it smaller, check it, empty it")
    cache.set_defaults(module="etbuild.cli.cache")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("stats", help="where it is, how much it holds, when it was last used")
    gc = actions.add_parser("gc", help="remove what was used least recently")
    gc.add_argument("--max-size", metavar="SIZE", default="10G", help="what may stay, e.g. 500M; default: %(default)s")
    actions.add_parser("verify", help="check every file, drop the damaged; exit code 1 when there were any")
    actions.add_parser("clear", help="remove everything")

    server = commands.add_parser("server", help="the warm compile server: does it run, end it")
    server.set_defaults(module="etbuild.cli.server")
    orders = server.add_subparsers(dest="action", required=True, metavar="ACTION")
    orders.add_parser("status", help="its process, what it has done, when it ends by itself")
    orders.add_parser("stop", help="end it; a step that it is doing goes on in a plain process")
    return parser


if __name__ == "__main__":
    sys.exit(main())
