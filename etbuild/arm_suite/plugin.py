"""A pytest plugin: ExecuTorch's Arm tests find a simulator, and each result is written as a line of JSON.

pytest -p etbuild.arm_suite.plugin --etbuild-results FILE PATH... It changes no test: it prepends to PATH, replaces two
functions of ExecuTorch by ones that call them and look at what they were given, and saves time: a test runs with most
patches that `docs/upstream.md` lists, which change no byte of a program, and the stand-in for a simulator runs in this
process.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from etbuild.arm_suite import exactness, fvp
from etbuild.arm_suite.results import Result, name_of, npu_of, verdict_of
from etbuild.compile import decomposing, observer_patches, pass_patches, patches, trace_patches
from etbuild.compile.retracing import graphs_as_they_are

# The name under which a test's comparison travels from a worker to the process that writes the results.
_PROPERTY = "etbuild"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("etbuild", "ExecuTorch's Arm tests on etbuild's emulated NPU")
    group.addoption("--etbuild-results", metavar="FILE", help="a line of JSON for each test is added to it")
    group.addoption("--etbuild-npus", default="u55,u65,u85", help="of the tests that are run (%(default)s)")
    group.addoption("--etbuild-every", type=int, default=0, metavar="N", help="first case of every N-th function alone")
    group.addoption("--etbuild-cases", metavar="FILE", help="only those that it names, a line each")
    group.addoption("--etbuild-done", metavar="FILE", help="leave out the tests of which it has a result")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Suite(config))


class _Suite:
    """One session of pytest, or one worker of it."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._patch = pytest.MonkeyPatch()
        self._folder = tempfile.TemporaryDirectory(prefix="etbuild-arm-suite-")
        programs, root = fvp.install(Path(self._folder.name))
        self._graphs = exactness.Graphs(Path(self._folder.name))
        self._found: list[exactness.Found] = []
        self._collected = 0
        self._patch.setenv("PATH", str(programs), prepend=":")
        self._patch.setenv("EXECUTORCH_ROOT", str(root))

    def pytest_unconfigure(self) -> None:
        self._patch.undo()
        self._folder.cleanup()

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Count the tests for NPUs, before any is left out."""
        self._collected += bool(npu_of(item.name))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that compile for an NPU, of those the sample that was asked for."""
        npus = self._config.getoption("--etbuild-npus").split(",")
        done = _done(self._config.getoption("--etbuild-done"))
        kept = [item for item in items if npu_of(item.name) in npus]
        if cases := self._config.getoption("--etbuild-cases"):
            named = set(Path(cases).read_text(encoding="utf-8").splitlines())
            kept = [item for item in kept if name_of(*_identity(item.nodeid)) in named]
        if every := self._config.getoption("--etbuild-every"):
            kept = _first_of_functions(kept)[::every]
        kept = [item for item in kept if _identity(item.nodeid) not in done]
        chosen = set(kept)
        dropped = [item for item in items if item not in chosen]
        items[:] = kept
        self._config.hook.pytest_deselected(items=dropped)
        if (path := self._config.getoption("--etbuild-results")) and self._collected:
            _write_count(Path(path).with_suffix(".count"), self._collected, at_least=bool(done))

    def pytest_collection_finish(self) -> None:
        """Look for garbage less often: most objects are modules, which stay."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 50, 100)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Compare what the test runs."""
        self._found = []
        with (
            pytest.MonkeyPatch.context() as patch,
            trace_patches.cheaper_guards(),
            observer_patches.cheaper_calibration(),
            observer_patches.search_histograms_in_numbers(),
            patches.lazy_code_generation(),
            graphs_as_they_are(),
        ):
            self._watch(patch)
            try:
                yield
            finally:
                item.user_properties.append((_PROPERTY, [list(found) for found in self._found]))

    def _watch(self, patch: pytest.MonkeyPatch) -> None:
        from executorch.backends.arm.ethosu import backend
        from executorch.backends.arm.test import runner_utils
        from executorch.backends.arm.test.tester import arm_tester, serialize

        patches.install()
        lower = arm_tester.ToEdgeTransformAndLower.run

        def lower_without_repetition(*arguments: Any, **named: Any) -> Any:
            with decomposing.fewer_decompositions(), pass_patches.cheaper_passes():
                return lower(*arguments, **named)

        run_target = serialize.run_target

        def run_and_compare(manager: Any, inputs: Any, *arguments: Any) -> Any:
            outputs = run_target(manager, inputs, *arguments)
            self._found.append(exactness.compare(manager, inputs, self._graphs))
            return outputs

        patch.setattr(arm_tester.ToEdgeTransformAndLower, "run", lower_without_repetition)
        patch.setattr(backend, "vela_compile", self._graphs.recording(backend.vela_compile))
        patch.setattr(serialize, "run_target", run_and_compare)
        patch.setattr(runner_utils, "_run_cmd", _in_this_process(runner_utils._run_cmd))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(Result(*_identity(report.nodeid), "not run", cause=_last_line(str(report.longrepr))))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called in the process that all workers report to."""
        if report.when != "call" and not (report.when == "setup" and report.outcome != "passed"):
            return
        verdict, cause = verdict_of(report.outcome, getattr(report, "wasxfail", None), _text(report))
        runs: Any = next((value for name, value in report.user_properties if name == _PROPERTY), [])
        tosa = tuple(exactness.Found(*one) for one in runs)
        self._write(Result(*_identity(report.nodeid), verdict, cause, tosa, round(report.duration, 2)))

    def _write(self, result: Result) -> None:
        path = self._config.getoption("--etbuild-results")
        if path and not hasattr(self._config, "workerinput"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps({**result.to_json(), "at": int(time.time())}) + "\n")


def _in_this_process(run_command: Callable[..., Any]) -> Callable[..., Any]:
    """That function of ExecuTorch, which starts a simulator, without a process for the stand-in; one that fails is
    started again as a process, so that the failure is told as always."""

    def run(command: list[str], *arguments: Any, **named: Any) -> Any:
        if command[0] in fvp.PROGRAMS:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                code = fvp.main(command)
            if code == 0:
                return subprocess.CompletedProcess(command, code, printed.getvalue().encode(), b"")
        return run_command(command, *arguments, **named)

    return run


def _identity(nodeid: str) -> tuple[str, str, str]:
    """File, function and parametrisation of a node's identifier."""
    file, _, name = nodeid.partition("::")
    function, _, case = name.rpartition("::")[2].partition("[")
    found = re.search(r"backends/arm/test/(.*)", file)
    return found[1] if found else file, function, case.removesuffix("]")


def _first_of_functions(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of each function the first case that is expected to pass, else its first case."""
    first: dict[tuple[str, str], pytest.Item] = {}
    for item in items:
        key = _identity(item.nodeid)[:2]
        if key not in first or (_expected_to_fail(first[key]) and not _expected_to_fail(item)):
            first[key] = item
    return list(first.values())


def _expected_to_fail(item: pytest.Item) -> bool:
    """Whether a mark says so; a mark that asks for a simulator that is missing does not."""
    return any(mark.args != (False,) and mark.kwargs.get("condition", True) for mark in item.iter_markers("xfail"))


def _write_count(path: Path, count: int, at_least: bool) -> None:
    """How many tests there are. at_least: there may be more than this run has collected, if an earlier one said so."""
    before = int(path.read_text(encoding="utf-8")) if at_least and path.exists() else 0
    path.write_text(f"{max(before, count)}\n", encoding="utf-8")


def _done(path: str | None) -> set[tuple[str, str, str]]:
    if not path or not Path(path).exists():
        return set()
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return {(row["file"], row["function"], row["case"]) for row in rows}


def _text(report: pytest.TestReport) -> str:
    """Why a test did not pass, without its traceback."""
    shown: Any = report.longrepr
    if isinstance(shown, tuple):
        return str(shown[2])
    crash = getattr(shown, "reprcrash", None)
    return str(crash.message if crash else shown or "")


def _last_line(text: str) -> str:
    lines = [line.removeprefix("E").strip() for line in text.splitlines() if line.startswith("E ")]
    return lines[-1] if lines else ["", *text.splitlines()][-1]
