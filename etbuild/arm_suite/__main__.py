"""`python -m etbuild.arm_suite`: runs ExecuTorch's Arm tests on the emulated NPU, and writes a table of the results.

Exit code 1 when a test fails, or differs from the TOSA reference model, for a cause that is not known.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.arm_suite import table
from etbuild.arm_suite.causes import cause_of
from etbuild.errors import MissingTool, StepError, UsageError, exit_code_of

if TYPE_CHECKING:
    from etbuild.arm_suite.results import Result

FOLDERS = ("ops", "misc", "quantizer", "modules")
NPUS = ("u55", "u65", "u85")


def suite_folder() -> Path:
    """ExecuTorch's folder of Arm tests.

    raises: MissingTool when the tests, or what runs them, are not installed.
    """
    missing = [name for name in ("pytest", "xdist") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingTool(f"{', '.join(missing)}: not installed\n    pip install 'etbuild[dev]'")
    spec = importlib.util.find_spec("executorch")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / "backends/arm/test"
        if (folder / "conftest.py").exists():
            return folder
    raise MissingTool("executorch: got no backends/arm/test, wanted ExecuTorch's Arm tests\n    pip install executorch")


def command(arguments: argparse.Namespace, results: Path) -> list[str]:
    """The pytest command that runs the tests. results: the file for their results."""
    options = ["--etbuild-results", str(results), "--etbuild-npus", arguments.npus]
    options += ["--etbuild-every", str(arguments.every)] if arguments.every else []
    options += ["--etbuild-cases", str(arguments.cases.absolute())] if arguments.cases else []
    options += ["--etbuild-done", str(results)] if arguments.resume else []
    options += ["-k", arguments.keyword] if arguments.keyword else []
    workers = ["-n", str(arguments.jobs), "--dist", "worksteal"] if arguments.jobs > 1 else []
    # The settings of the project around ExecuTorch's installation are not the suite's: they may leave out tests.
    quiet = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "-W", "ignore", "--show-capture=no", "--tb=no"]
    start = [sys.executable, "-m", "pytest", "-p", "etbuild.arm_suite.plugin"]
    return [*start, *quiet, "--continue-on-collection-errors", *workers, *options, *arguments.paths]


def run(arguments: argparse.Namespace) -> list[Result]:
    """Run the tests; their results, which are then in the output folder too.

    raises: StepError when pytest itself fails.
    """
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    results = output / "results.jsonl"
    if not arguments.resume:
        results.unlink(missing_ok=True)
    log = output / "pytest.log"
    with log.open("w", encoding="utf-8") as file:
        words = command(arguments, results)
        code = subprocess.run(words, cwd=suite_folder(), stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    # 0: all passed; 1: some did not; 5: nothing was left to run.
    if code not in (0, 1, 5):
        raise StepError(f"pytest: ended with exit code {code}\n    full log: {log}")
    return table.read_lines(results)


def report(found: Sequence[Result], output: Path) -> list[Result]:
    """Write table.json, table.md and fastest.txt, and print the counts; the results whose cause is not known."""
    versions = {name: metadata.version(name) for name in ("executorch", "ethos-u-vela", "tosa-tools")}
    count = output / "results.count"
    collected = int(count.read_text(encoding="utf-8")) if count.exists() else len(found)
    data = table.to_json(found, versions, collected)
    (output / "table.json").write_text(table.dump(data), encoding="utf-8")
    (output / "fastest.txt").write_text("".join(f"{name}\n" for name in table.fastest(found)), encoding="utf-8")
    page = table.write_page(output / "table.json")
    unknown = [one for one in found if not table.is_good(one) and cause_of(one) is None]
    counts = Counter(one.verdict for one in found)
    exact = sum(map(table.is_exact, found))
    print(", ".join(f"{count} {name}" for name, count in counts.items()) + f"; {exact} exact to TOSA: {page}")
    for one in unknown:
        why = one.cause or next((item.why for item in one.tosa if item.why), "")
        print(f"{one.file}::{one.function}[{one.case}]: {one.verdict}: {why}", file=sys.stderr)
    return unknown


def _main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m etbuild.arm_suite", description=__doc__)
    parser.add_argument("paths", nargs="*", default=FOLDERS, help="below the suite's folder (all)", metavar="PATH")
    parser.add_argument("--npus", default=",".join(NPUS), help="tests for these (%(default)s)")
    parser.add_argument("--every", type=int, default=0, metavar="N", help="the first case of every N-th function alone")
    parser.add_argument("--cases", type=Path, metavar="FILE", help="those alone that it names, as fastest.txt does")
    parser.add_argument("--jobs", "-j", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--keyword", "-k", default="", help="as pytest's -k")
    parser.add_argument("--resume", action="store_true", help="leave out the tests that have a result")
    parser.add_argument("--output", type=Path, default=Path("build/arm_suite"), help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    for name, least in (("jobs", 1), ("every", 0)):
        if (value := getattr(arguments, name)) < least:
            raise UsageError(f"--{name}: got {value}, wanted at least {least}")
    if arguments.cases and not arguments.cases.is_file():
        raise UsageError(f"--cases: got {arguments.cases}, wanted a file\n    an earlier run wrote fastest.txt")
    if unknown := [name for name in arguments.npus.split(",") if name not in NPUS]:
        raise UsageError(f"--npus: got {', '.join(map(repr, unknown))}, wanted some of {','.join(NPUS)}")
    return 1 if report(run(arguments), arguments.output) else 0


if __name__ == "__main__":
    sys.exit(exit_code_of(_main, sys.argv[1:]))
