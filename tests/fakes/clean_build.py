"""Builds a copy of a project once, without the build engine: no records, no cache, no sandbox, no decision.

python -m clean_build plan ROOT FILE  writes the steps of its recipes as JSON; exit code 2 when one is broken
python -m clean_build                 answers each line {"root", "plan", "env", "log"} with an exit code, 1 when a step
                                      fails: a child, forked before any model was imported, runs the steps
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def plan(root: Path, file: Path) -> int:
    from stand_in_site import STAND_INS, StandIns

    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, StandIns)]
    assert not STAND_INS.keys() & sys.modules.keys()
    from etbuild.plan.plan import plan_of
    from etbuild.recipe.load import load_each
    from etbuild.steps.kinds import KINDS

    recipes, broken, _ = load_each(root)
    if broken:
        return 2
    steps = [step for step in plan_of(recipes).steps if not KINDS[step.kind].on_request]
    file.write_text(json.dumps([{**step._asdict(), "kind": step.kind} for step in steps]))
    return 0


def build(root: Path, steps: list[dict[str, Any]]) -> int:
    for number, step in enumerate(steps):
        for path in step["inputs"]:
            if not (root / path).exists():
                print(f"{step['name']}: no {path}")
                return 1
        # A step that lists what it reads runs in the project itself, any other with its inputs alone.
        folder = root if step["depfile"] else root.parent / f"{root.name}-{number}"
        for path in step["outputs"]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        if folder != root:
            for path in step["inputs"]:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(root / path)
        os.chdir(folder)
        module = importlib.import_module(f"etbuild.steps.{step['kind']}")
        from etbuild.errors import exit_code_of

        if exit_code_of(module.main, step["argv"]):
            print(f"{step['name']}: failed")
            return 1
        if folder != root:
            for path in step["outputs"]:
                (folder / path).rename(root / path)
    return 0


def serve() -> int:
    import importlib.metadata
    import subprocess

    from stand_in_site import KINDS

    assert importlib.metadata and subprocess
    for name in ("compile.depfile", "compile.model", "steps.export", *(f"steps.{kind}" for kind in KINDS)):
        importlib.import_module(f"etbuild.{name}")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return 0


def _run(request: dict[str, Any]) -> None:
    """In a child: the environment is that of a new process with these variables."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = list(filter(None, request["env"].get("PYTHONPATH", "").split(":")))
    # Without a name for it, no bytecode that lies beside a source is read.
    importlib._bootstrap_external.cache_from_source = _no_bytecode  # type: ignore[attr-defined]
    code = 70
    try:
        code = build(Path(request["root"]), json.loads(Path(request["plan"]).read_text()))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _no_bytecode(*arguments: object, **options: object) -> str:
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(plan(Path(sys.argv[2]), Path(sys.argv[3])) if sys.argv[1:] else serve())
