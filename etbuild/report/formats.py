"""Writes the report of a recipe in the formats of other tools, into one folder. It computes no figure.

findings.sarif and runs.xml for the recipe; in <variant>/ mlia.json, and with layers node_data/*.json.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.report.junit import junit
from etbuild.report.mlia import mlia
from etbuild.report.node_data import node_data
from etbuild.report.sarif import sarif

if TYPE_CHECKING:
    from etbuild.report.figures import Json


def write_formats(report: Json, folder: Path) -> None:
    """Replace the folder. report: the content of report.json."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write(folder / "findings.sarif", sarif(report))
    (folder / "runs.xml").write_text(junit(report), encoding="utf-8")
    for variant in report["variants"]:
        _write(folder / variant["variant"] / "mlia.json", mlia(report, variant))
        for name, content in node_data(variant["layers"]) if variant["layers"] else ():
            _write(folder / variant["variant"] / "node_data" / name, content)


def _write(path: Path, content: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
