"""How many mutants of what decides that a step runs, or comes from the cache, the quick tests kill.

    python benchmarks/mutants.py 150              so many, drawn at random but the same each time
    python benchmarks/mutants.py 999 cache/ noop  of modules with one of these in their path

A mutant is HEAD with one change of one module. Those that no test notices are printed; the exit code is 1 when there
are any. A clone of HEAD is changed, never this checkout. The tests run where nothing but the clone's folder can be
written: a mutant of what removes files may remove any.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    *("build_engine/decision.py", "build_engine/freshness.py", "build_engine/noop.py", "build_engine/unchanged.py"),
    *("build_engine/workspace.py", "build_engine/depfile.py", "build_engine/execute.py", "build_engine/cache/*.py"),
    *("system/digests.py", "system/facts.py", "system/listed_cache.py"),
)
# Under two minutes together.
QUICK = ("build_engine/test_*.py", "build_engine/cache/test_*.py", "system/test_*.py", "doit_plugin/test_noop*.py")
LIMIT_S = "300"
# A shell's script: $0 is the only folder that can be written, the rest is the command.
GUARD = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && cd "$0/clone" && exec "$@"'

_PAIRS = [(ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)]
_PAIRS += [(ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitOr, ast.BitAnd)]
OTHER = {**dict(_PAIRS), **{new: old for old, new in _PAIRS}}
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}


def changed(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    vars(new).update(fields)
    return new


def changes(node: ast.AST) -> list[ast.AST]:
    """What is put in the node's place, one after the other."""
    match node:
        case ast.Compare(ops=ops):
            return [changed(node, ops=[*ops[:at], OTHER[type(op)](), *ops[at + 1 :]]) for at, op in enumerate(ops)]
        case ast.BoolOp(op=op, values=values):
            less = [changed(node, values=values[:at] + values[at + 1 :]) for at in range(len(values))]
            return [changed(node, op=OTHER[type(op)]()), *(less if len(less) > 2 else [])]
        case ast.BinOp(op=op) if type(op) in OTHER:
            return [changed(node, op=OTHER[type(op)]())]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            is_mutated = isinstance(test, ast.UnaryOp) or ast.unparse(test) == "TYPE_CHECKING"
            return [] if is_mutated else [changed(node, test=ast.UnaryOp(ast.Not(), test))]
        case ast.Constant(value=bool(value)):
            return [ast.Constant(not value)]
        case ast.Constant(value=int() | float() | str() as value):
            return [ast.Constant(f"{value}x" if isinstance(value, str) else value + 1)]
        case ast.Name(id=name) if name in NAMES:
            return [ast.Name(NAMES[name])]
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) not in ("None", "False"):
            return [ast.Return(ast.Constant(None))]
        case ast.Raise() | ast.AugAssign() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Call()):
            return [ast.Pass()]
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return [ast.Pass()]
        case ast.Call(args=[first, second, *rest]) if ast.unparse(node.func) != "suppress":
            return [changed(node, args=[second, first, *rest])]
    return []


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, change and text of each. Annotations, decorators, docstrings and imports are not changed."""
    tree = ast.parse(source)

    def below(parent: ast.AST) -> Iterator[tuple[int, str, str]]:
        for field, value in ast.iter_fields(parent):
            nodes = value if isinstance(value, list) else [value]
            for at, node in enumerate([] if field in ("annotation", "returns", "decorator_list") else nodes):
                if not isinstance(node, ast.AST) or (
                    isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                ):
                    continue
                for new in changes(node):
                    nodes[at] = new
                    setattr(parent, field, nodes if nodes is value else new)
                    what = f"{ast.unparse(node)} -> {ast.unparse(new)}"
                    yield getattr(node, "lineno", 0), " ".join(what.split())[:300], ast.unparse(tree)
                nodes[at] = node
                setattr(parent, field, value)
                yield from below(node)

    return below(tree)


def survives(clone: Path, module: Path, text: str) -> bool:
    """Whether no test notices that the module of a clone has another text; those of its package are run first."""
    file = clone / module
    before = file.read_text()
    file.write_text(text)
    # Else Python may use the bytecode of another mutant, of equal size and from the same second.
    os.utime(file, (random.randrange(1 << 30),) * 2)
    tests = [path.relative_to(clone) for pattern in QUICK for path in sorted((clone / "tests").glob(pattern))]
    tests.sort(key=lambda test: (not test.stem.startswith(f"test_{file.stem}"), file.parent.name != test.parent.name))
    above = str(clone.parent)
    guarded = ["unshare", *(["--user", "--map-root-user"] if os.geteuid() else []), "--mount", "sh", "-c", GUARD, above]
    pytest = ["timeout", "-k", "1", LIMIT_S, sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider"]
    command = [*guarded, *pytest, *map(str, tests)]
    folders = {"PYTHONPATH": str(clone), "XDG_CACHE_HOME": f"{clone}/.cache", "XDG_RUNTIME_DIR": above, "TMPDIR": above}
    done = subprocess.run(command, cwd=clone, env={**os.environ, **folders}, capture_output=True, check=False)
    file.write_text(before)
    return done.returncode == 0


def main() -> int:
    most, parts = int(sys.argv[1]), sys.argv[2:] or [""]
    found = [path.relative_to(ROOT) for pattern in MODULES for path in sorted((ROOT / "etbuild").glob(pattern))]
    chosen = [path for path in found if any(part in str(path) for part in parts)]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        every = [(path, mutant) for path in chosen for mutant in mutants((clone / path).read_text())]
        if not survives(clone, chosen[0], (clone / chosen[0]).read_text()):
            sys.exit("the quick tests fail without a change, or `unshare --mount` is not allowed here")
        random.Random(0).shuffle(every)
        tried, alive = every[:most], 0
        for path, (line, what, text) in tried:
            if survives(clone, path, text):
                alive += 1
                print(f"{path}:{line}: {what}", flush=True)
    print(f"{len(tried)} of {len(every)} mutants: {len(tried) - alive} killed, {alive} not noticed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
