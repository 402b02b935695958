"""The trace of a build beside that of a run: steps that run at the same time are on lines of their own."""

from etbuild.report.build_trace import Span, with_build

RUN = {"displayTimeUnit": "ns", "traceEvents": [{"name": "conv", "ph": "X", "pid": 1, "tid": 0, "ts": 0, "dur": 5}]}


def test_steps_of_a_build_are_events_of_a_process_of_their_own() -> None:
    """In microseconds from the first one; two at the same time are on two lines."""
    made = with_build(
        RUN,
        "net",
        [
            Span("lower:net@b", "ran", 102.0, 104.0, ("never built",)),
            Span("export:net", "cached", 100.0, 101.0, ("a", "b")),
            Span("lower:net@a", "ran", 101.0, 103.0, ()),
        ],
    )

    run, process, *steps = made["traceEvents"]
    assert run == RUN["traceEvents"][0]
    assert process["args"] == {"name": "build of net"}
    assert [(one["name"], one["tid"], one["ts"], one["dur"], one["args"]) for one in steps] == [
        ("export:net", 0, 0.0, 1e6, {"how": "cached", "why": "a; b"}),
        ("lower:net@a", 0, 1e6, 2e6, {"how": "ran", "why": ""}),
        ("lower:net@b", 1, 2e6, 2e6, {"how": "ran", "why": "never built"}),
    ]
    assert {one["pid"] for one in steps} == {2}


def test_the_time_between_two_builds_is_left_out() -> None:
    """An hour; the second that a build takes between two of its steps is in it."""
    spans = [
        Span("export:net", "ran", 100.0, 101.0, ()),
        Span("lower:net@a", "ran", 102.0, 103.0, ()),
        Span("vela:net@a", "ran", 3703.0, 3704.0, ()),
        Span("pte:net@a", "ran", 3704.5, 3705.0, ()),
    ]

    _, _, *steps = with_build(RUN, "net", spans)["traceEvents"]

    assert [(one["tid"], one["ts"]) for one in steps] == [(0, 0.0), (0, 2e6), (0, 3e6), (0, 4.5e6)]


def test_a_trace_of_a_run_alone_stays_as_it_is() -> None:
    """Where the history has lost the build."""
    assert with_build(RUN, "net", [])["traceEvents"][0] == RUN["traceEvents"][0]
