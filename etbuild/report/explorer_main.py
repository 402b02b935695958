"""The program that starts Model Explorer, run by the Python of its own environment. It imports nothing of etbuild.

Standard input has JSON: {"models": [file], "node_data": [{"model": file name, "name", "content"}], "port", "open"}. The
server asks no other machine for anything, and ends with Ctrl-C.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from types import SimpleNamespace
from typing import Any

HOST = "127.0.0.1"


def main(said: dict[str, Any]) -> None:
    import webbrowser

    import model_explorer
    from model_explorer import server

    config = model_explorer.config()
    for file in said["models"]:
        config.add_model_from_path(file)
    for one in said["node_data"]:
        config.add_node_data(one["name"], json.dumps(one["content"]), one["model"])

    def announce(url: str) -> None:
        """Called once the server answers, in place of opening a browser."""
        print(f"Model Explorer: {url}\nCtrl-C ends it", file=sys.__stdout__, flush=True)
        if said["open"]:
            webbrowser.open_new_tab(url)

    server.webbrowser = SimpleNamespace(open_new_tab=announce)
    # It would ask a package index for a newer version.
    server._check_new_version = lambda *_: {"version": "", "runningVersion": "", "releaseUrl": "", "desktopAppUrl": ""}
    extensions = ["tosa_adapter_model_explorer", "pte_adapter_model_explorer"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(KeyboardInterrupt):
        model_explorer.visualize_from_config(config, host=HOST, port=said["port"], extensions=extensions)


if __name__ == "__main__":
    main(json.load(sys.stdin))
