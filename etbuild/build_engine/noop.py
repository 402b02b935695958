"""The no-op cache: what a build with nothing to do prints, stored until something that it depends on changes.

It answers before dodo.py, plan and tasks are loaded, and it decides nothing: an entry is valid while command line,
environment, tool versions and the stat of every file and folder are those of a full decision that found every step up
to date. Everything else, a damaged file too, is left to the full decision.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from etbuild.system import environment, tools
from etbuild.system.digests import AT_REST_NS, StatKey, stat_of
from etbuild.system.files import write_atomic

FOLDER = Path("build/.etbuild/noop")
MOST_ENTRIES = 16

# Before anything of this run was read, except the first few of our own modules, within AT_REST_NS.
BEGAN_NS = time.time_ns()

# Only a dodo.py with just these statements is cached: another one may do anything.
DODO = "from etbuild.tasks import Project\nproject = Project(__file__)\nDOIT_CONFIG = project.doit_config\n"


class Evidence(NamedTuple):
    """What a full decision depended on, besides its command.

    stats:    stat of everything that it examined, taken before; paths relative to the project, or absolute.
    tools:    version of every tool that it asked for.
    began_ns: when it began.
    """

    stats: Mapping[str, StatKey | None]
    tools: Mapping[str, str]
    began_ns: int = BEGAN_NS


def command_key(arguments: object) -> str:
    """The command as one string: arguments, doit's settings, where the output goes, which program answers."""
    program = (sys.executable, sys.version, __file__, tools.package_version("doit"))
    return repr(
        (sys.argv[1:], arguments, environment.doit_settings(), sys.stdout.isatty(), sys.stdout.encoding, program)
    )


def lookup(command: str) -> str | None:
    """What the full decision would print, with exit code 0; None when it has to be made."""
    try:
        entry = json.loads(_file(command).read_bytes())
        if (
            entry["command"] == command
            and all(environment.exact(name) == value for name, value in entry["environment"].items())
            and all(tools.version(name) == version for name, version in entry["tools"].items())
            and entry["stats"] == _digest(map(stat_of, entry["paths"]))
        ):
            return str(entry["text"])
    except Exception:
        # Whatever is wrong here, the full decision reports it better.
        return None
    return None


def store(command: str, text: str, evidence: Evidence) -> None:
    """Store what was printed, if none of the evidence changed shortly before the run; a full disk costs nothing."""
    latest = evidence.began_ns - AT_REST_NS
    if any(stat is not None and stat[4] > latest for stat in evidence.stats.values()):
        return
    entry = {
        "command": command,
        "environment": environment.variables_read(),
        "tools": dict(evidence.tools),
        "paths": list(evidence.stats),
        "stats": _digest(evidence.stats.values()),
        "text": text,
    }
    file = _file(command)
    with suppress(OSError, ValueError):
        write_atomic(file, json.dumps(entry))
        for old in sorted(FOLDER.iterdir(), key=lambda other: other.stat().st_mtime_ns)[:-MOST_ENTRIES]:
            old.unlink()


def is_standard(dodo: str) -> bool:
    """Whether a dodo.py has the statements of DODO and no others, whatever its comments."""
    import ast

    try:
        body = ast.parse(Path(dodo).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    statements = body[1:] if ast.get_docstring(ast.Module(body, [])) is not None else body
    return [ast.dump(line) for line in statements] == [ast.dump(line) for line in ast.parse(DODO).body]


def _file(command: str) -> Path:
    return FOLDER / f"{hashlib.sha256(command.encode()).hexdigest()[:16]}.json"


def _digest(stats: Iterable[StatKey | None]) -> str:
    # Version 2 of marshal writes equal bytes for equal objects; later versions mark shared objects.
    return hashlib.sha256(marshal.dumps(list(stats), 2)).hexdigest()
