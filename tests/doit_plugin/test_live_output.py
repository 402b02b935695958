"""What doit shows of a step's output while the step runs."""

from built_project import FakeProject, talked

VELA, GOLDEN = "vela:net@ethos-u55-128", "golden:net@tosa-u55"


def test_verbosity_2_shows_each_line_with_its_step_while_it_runs(project: FakeProject) -> None:
    """Also a last line without an end; the line of the step itself follows."""
    project.doit("forget", "-a")

    begun, printed = talked(project, VELA)

    assert begun == [f"{VELA} | begins"]
    lines = printed.splitlines()
    first = lines.index(f"{VELA} | begins")
    assert lines[first + 1 : first + 4] == [f"{VELA} | {'x' * 5000}", f"{VELA} | ends", f"{VELA} | without a line end"]
    assert lines[first + 4].startswith(f"{VELA:<44} ran ")


def test_lines_of_steps_that_run_at_the_same_time_are_not_mixed(project: FakeProject) -> None:
    """-n 2: each line is whole and names its step."""
    project.doit("forget", "-a")

    begun, printed = talked(project, VELA, GOLDEN, options=("-n", "2"))

    assert sorted(begun) == [f"{GOLDEN} | begins", f"{VELA} | begins"]
    said = [line for line in printed.splitlines() if " | " in line]
    texts = ("begins", "x" * 5000, "ends", "without a line end")
    assert sorted(said) == sorted(f"{step} | {text}" for step in (VELA, GOLDEN) for text in texts)
