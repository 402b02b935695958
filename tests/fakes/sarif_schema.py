"""The official schema of SARIF 2.1.0, from a package of npm that brings it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import validator_for

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
FILE = "package/lib/schemas/sarif-2.1.0-rtm.5.json"


def problems_of(logs: list[Path], folder: Path) -> list[str]:
    """What the schema says against these files. folder: for the package."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm: apt-get install npm")
    subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        schema: Any = json.load(packed.extractfile(FILE))  # type: ignore[arg-type]
    validator = validator_for(schema)(schema)
    found = [(log.name, error) for log in logs for error in validator.iter_errors(json.loads(log.read_text()))]
    return [f"{name}: {error.json_path}: {error.message}" for name, error in found]
