"""Admission: steps run at the same time only if their memory is available."""

import threading

import pytest

from etbuild.build_engine.admission import Admission
from etbuild.build_engine.step import StepKind
from etbuild.steps.kinds import KINDS

MB = 1 << 20


def started(admission: Admission, expected_bytes: int) -> tuple[threading.Thread, threading.Event]:
    """A step in a thread of its own, and the event that it is admitted."""
    admitted = threading.Event()

    def run() -> None:
        with admission.admitted(expected_bytes):
            admitted.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, admitted


def test_a_step_alone_starts_however_large_it_is() -> None:
    """Else nothing would ever be built."""
    with Admission(lambda: 1).admitted(1 << 40):
        pass


def test_a_step_that_fits_starts_beside_another() -> None:
    """doit -n 2 on a machine with enough memory."""
    admission = Admission(lambda: 1000 * MB)
    with admission.admitted(400 * MB):
        thread, admitted = started(admission, 600 * MB)

        assert admitted.wait(10)
    thread.join()


@pytest.mark.parametrize("expected_bytes", [601 * MB, KINDS["lower"].first_run_bytes], ids=["last run", "first run"])
def test_a_step_that_does_not_fit_waits_for_the_other_to_end(expected_bytes: int) -> None:
    """By its last run's peak, or by its kind's; the other may not have reached its own yet."""
    admission = Admission(lambda: 1000 * MB)
    with admission.admitted(400 * MB):
        thread, admitted = started(admission, expected_bytes)

        assert not admitted.wait(0.1)
    thread.join(10)
    assert admitted.is_set()


def test_memory_that_other_programs_took_counts() -> None:
    """Another doit, a browser: what was available when the first step began may be gone."""
    free = iter([1000 * MB, *[100 * MB] * 100])
    admission = Admission(lambda: next(free))
    with admission.admitted(1 * MB):
        thread, admitted = started(admission, KINDS["header"].first_run_bytes)

        assert KINDS["header"].first_run_bytes == StepKind._field_defaults["first_run_bytes"]
        assert not admitted.wait(0.1)
    thread.join(10)
