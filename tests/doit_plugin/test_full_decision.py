"""What a build that decides every step in full, and has nothing to do, leaves out."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from built_project import ALL, FakeProject
from doit.task import Task

from etbuild.doit_plugin.progress import Progress
from etbuild.doit_plugin.reporter import MOST_HELD, StepReporter

ENDED = """
import gc, sys
from doit.__main__ import main
try:
    main()
except SystemExit as end:
    print(end.code, gc.get_freeze_count() > 0, file=sys.stderr)
"""


class Stream(io.StringIO):
    """Notes what was written at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def flush(self) -> None:
        self.shown.append(self.getvalue())


def reporter(stream: Stream) -> StepReporter:
    options: dict[str, Any] = {"failure_verbosity": 0}
    return type("Reporter", (StepReporter,), {"progress": Progress(), "root": Path()})(stream, options)


def step(name: str) -> Task:
    return Task(name, [lambda: None])


def test_lines_of_steps_that_are_up_to_date_are_printed_together() -> None:
    """In order, with the line of the next step that is not, or when so much waits."""
    stream = Stream()
    ours = reporter(stream)

    ours.skip_uptodate(step("vela:a"))
    ours.skip_uptodate(step("vela:b"))
    assert stream.shown == []
    ours.skip_ignore(step("vela:c"))
    for number in range(MOST_HELD // 50):
        ours.skip_uptodate(step(f"vela:{number}"))

    assert stream.shown[0].split("\n") == [
        f"{'vela:a':<44} up to date",
        f"{'vela:b':<44} up to date",
        f"{'vela:c':<44} ignored",
        "",
    ]
    assert len(stream.shown) == 2


def test_what_is_up_to_date_is_shown_before_a_step_begins() -> None:
    """And at once while one runs, since the end may be far away."""
    stream = Stream()
    ours = reporter(stream)

    ours.skip_uptodate(step("vela:a"))
    ours.execute_task(step("vela:b"))
    ours.skip_uptodate(step("vela:c"))

    assert [text.count("\n") for text in stream.shown] == [1, 2]


def test_no_task_is_searched_for_garbage_when_python_ends(standard: FakeProject) -> None:
    """All objects of a run are frozen at its end, that of the full decision and that from the no-op cache."""
    ended = [
        subprocess.run(
            [sys.executable, "-c", ENDED], cwd=standard.root, env=standard.environment, capture_output=True, text=True
        )
        for _ in range(2)
    ]

    assert [one.stderr for one in ended] == ["0 True\n", "0 True\n"]
    assert {line.split()[0] for line in ended[0].stdout.splitlines()} == ALL
    assert ended[0].stdout == ended[1].stdout
