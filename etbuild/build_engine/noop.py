"""The standing answer: what a build that has nothing to do prints, kept for as long as all that it looked at stays.

It is given without dodo.py, plan and tasks, and it decides nothing: it stands when the question, the environment, the
tools and the stat of every file and folder are those of a full decision that found every step up to date. Anything
else, a damaged file too, leaves the question to the full decision.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from etbuild.system import tools
from etbuild.system.atomic import write_whole
from etbuild.system.digests import AT_REST_NS, Stamp, stamp

FOLDER = Path("build/.etbuild/standing")
KEPT_AT_MOST = 16

# No later than anything of this run was read, but for the first few of our own modules, within AT_REST_NS of it.
BEGAN_NS = time.time_ns()

# A dodo.py that says more than this may do anything.
DODO = "from etbuild.tasks import Project\nproject = Project(__file__)\nDOIT_CONFIG = project.doit_config\n"


class Basis(NamedTuple):
    """What a full decision rested on, besides the question.

    looked:   stamps of all that it looked at, taken before the look; paths relative to the project, or absolute.
    tools:    version of every tool that it asked for.
    began_ns: when it began.
    """

    looked: Mapping[str, Stamp | None]
    tools: Mapping[str, str]
    began_ns: int = BEGAN_NS


def question(words: object) -> str:
    """All that is asked, as one text: what doit was told, where the words go, who answers."""
    who = (sys.executable, sys.version, __file__, tools.package_version("doit"))
    return repr((sys.argv[1:], words, tools.doit_settings(), sys.stdout.isatty(), sys.stdout.encoding, who))


def answer(asked: str) -> str | None:
    """What the full decision would print, ending with exit code 0; None when it has to be asked."""
    try:
        kept = json.loads(_file(asked).read_bytes())
        if (
            kept["question"] == asked
            and all(tools.variable(name) == value for name, value in kept["environment"].items())
            and all(tools.version(name) == version for name, version in kept["tools"].items())
            and kept["stamps"] == _digest(map(stamp_of, kept["paths"]))
        ):
            return str(kept["text"])
    except Exception:
        # Whatever is wrong here, the full decision says it better.
        return None
    return None


def keep(asked: str, text: str, basis: Basis) -> None:
    """Let the answer stand, if all that it rests on was at rest; a disk that refuses costs nothing."""
    latest = basis.began_ns - AT_REST_NS
    if any(row is not None and row[4] > latest for row in basis.looked.values()):
        return
    kept = {
        "question": asked,
        "environment": tools.asked(),
        "tools": dict(basis.tools),
        "paths": list(basis.looked),
        "stamps": _digest(basis.looked.values()),
        "text": text,
    }
    file = _file(asked)
    with suppress(OSError, ValueError):
        write_whole(file, json.dumps(kept))
        for old in sorted(FOLDER.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)[:-KEPT_AT_MOST]:
            old.unlink()


def shipped(dodo: str) -> bool:
    """Whether a dodo.py says what ours says, whatever its comments."""
    import ast

    try:
        body = ast.parse(Path(dodo).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    said = body[1:] if ast.get_docstring(ast.Module(body, [])) is not None else body
    return [ast.dump(line) for line in said] == [ast.dump(line) for line in ast.parse(DODO).body]


def stamp_of(path: str) -> Stamp | None:
    """Of a file or folder; None where there is nothing."""
    try:
        return stamp(os.stat(path))  # noqa: PTH116 - thousands of them, a Path each would double the time
    except (FileNotFoundError, NotADirectoryError):
        return None


def _file(asked: str) -> Path:
    return FOLDER / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"


def _digest(rows: Iterable[Stamp | None]) -> str:
    # Version 2 of marshal: the same bytes for equal rows; later ones mark objects that are shared.
    return hashlib.sha256(marshal.dumps(list(rows), 2)).hexdigest()
