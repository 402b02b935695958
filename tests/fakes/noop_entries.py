"""The entries of a project's no-op cache, and one with a text of its own: doit prints that only from the cache."""

import json
from pathlib import Path

from built_project import FakeProject

STANDARD = (Path(__file__).parents[2] / "dodo.py").read_text()
STATE = Path("build/.etbuild")
PLANTED = "planted\n"


def entries(project: FakeProject) -> list[Path]:
    return sorted((project.root / STATE / "noop").glob("*.json"))


def planted(project: FakeProject, *words: str) -> Path:
    """Decide in full, and put PLANTED into the entry that was stored."""
    done = project.doit(*words)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = entries(project)
    file.write_text(json.dumps({**json.loads(file.read_text()), "text": PLANTED}))
    return file
