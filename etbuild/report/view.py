"""Shows a variant in Model Explorer: its program and TOSA graphs, with the figures of its layers at their nodes.

It computes no figure: they are those of layers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import StepError, UsageError, exit_code_of
from etbuild.report import explorer_main
from etbuild.report.explorer import python_of_explorer
from etbuild.report.figures import read_json
from etbuild.report.node_data import node_data
from etbuild.system.parent import ends_with_parent

if TYPE_CHECKING:
    from etbuild.report.figures import Json

PORT = 8081
MOST_PORT = 65535
GRACE_S = 3.0


def main(argv: Sequence[str]) -> int:
    """Run Model Explorer until it ends.

    raises: UsageError for a wrong port; StepError for a missing file; MissingTool where it cannot be installed.
    """
    options = _parser().parse_args(argv)
    port = port_of(options.port) if options.port else _free_port()
    if options.port and not _is_free(port):
        raise UsageError(f"--port: got {port}, which another program uses, wanted a free one")
    said = {**shown(options.folder, options.profile), "port": port, "open": not options.no_browser}
    command = [os.fspath(python_of_explorer()), explorer_main.__file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, preexec_fn=ends_with_parent())
    try:
        process.communicate(json.dumps(said))
    except KeyboardInterrupt:
        return _ended(process)
    if process.returncode:
        raise StepError(f"view: Model Explorer ended with exit code {process.returncode}")
    return 0


def _ended(process: subprocess.Popen[str]) -> int:
    """After Ctrl-C, which reaches the program in a terminal, too."""
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    return 0


def port_of(text: str) -> int:
    """raises: UsageError for anything but a whole number of 1 to 65535."""
    if not (text.isdecimal() and 1 <= int(text) <= MOST_PORT):
        raise UsageError(
            f'--port: got "{text}", wanted a whole number of 1 to {MOST_PORT}\n    doit view:R --port {PORT}'
        )
    return int(text)


def shown(folder: Path, profile: Path) -> Json:
    """Models and node data, as explorer_main.py reads them.

    folder:  of the variant, with model.pte and layers.json.
    profile: the folder with its delegates.
    raises:  StepError when a file is missing.
    """
    layers, pte = read_json(folder / "layers.json"), folder / "model.pte"
    if not pte.is_file():
        raise StepError(f"{pte}: got no such file, wanted a program")
    tosa = sorted((profile / "delegates").glob("*.tosa"), key=lambda file: (len(file.name), file.name))
    models = [os.fspath(file.absolute()) for file in (*tosa, pte)]
    # The last one is shown first: cycles.
    return {"models": models, "node_data": [*_overlays(layers)][::-1]}


def _overlays(layers: Json) -> Iterator[Json]:
    for name, content in node_data(layers):
        model = ".".join(name.split(".")[:2])
        (graph,) = content.values()
        yield {"model": model, "name": graph["name"], "content": content}


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((explorer_main.HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    """The first free one; any where the usual one is taken."""
    if _is_free(PORT):
        return PORT
    with socket.socket() as one:
        one.bind((explorer_main.HOST, 0))
        return int(one.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.report.view", description=__doc__, allow_abbrev=False)
    parser.add_argument("--folder", type=Path, required=True, help="build/<recipe>/<variant>")
    parser.add_argument("--profile", type=Path, required=True, help="build/<recipe>/<profile>")
    parser.add_argument("--port", default="", help=f"of the page [default: {PORT}, or a free one]")
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
