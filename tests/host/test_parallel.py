"""Samples over threads: outputs in order, few samples at a time, errors where they belong."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from host_programs import FILES

from etbuild.errors import UsageError
from etbuild.host import program as host_program
from etbuild.host.parallel import ParallelPrograms
from etbuild.host.program import HostProgram
from etbuild.pte.reader import parse

pytestmark = pytest.mark.e2e


def load() -> HostProgram:
    return HostProgram(FILES / "linear_u55.pte")


def samples(count: int) -> list[tuple[np.ndarray]]:
    random = np.random.default_rng(5)
    (info,) = load().inputs
    return [(random.normal(0, 2, info.shape).astype(np.float32),) for _ in range(count)]


@pytest.mark.parametrize("threads", [1, 4])
def test_outputs_come_in_the_order_of_the_samples(threads: int) -> None:
    """They are those of one program that runs one sample after the other."""
    given, one = samples(60), load()

    with ParallelPrograms(load, threads) as programs:
        outputs = list(programs.run(given))

    np.testing.assert_array_equal(outputs, [one.run(*sample) for sample in given])


def test_a_program_that_keeps_state_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its samples are steps of one sequence. copy_ stores a new state."""
    program = parse((FILES / "linear_cpu.pte").read_bytes(), "linear_cpu.pte")
    first, *others = program.methods[0].operators
    operators = dataclasses.replace(first, name="aten::copy_"), *others
    method = dataclasses.replace(program.methods[0], operators=operators)
    monkeypatch.setattr(host_program, "parse", lambda *_: dataclasses.replace(program, methods=(method,)))

    def load_with_state() -> HostProgram:
        return HostProgram(FILES / "linear_cpu.pte")

    with ParallelPrograms(load_with_state, 4) as programs:
        assert (programs.first.keeps_state, programs.threads) == (True, 1)


def test_a_sample_that_cannot_run_raises_when_its_turn_comes() -> None:
    """The outputs of the samples before it were given; those after it are not run to the end."""
    given: list[tuple[np.ndarray]] = samples(40)
    given[7] = (np.zeros((1, 1), np.float32),)
    before = []

    with ParallelPrograms(load, 2) as programs, pytest.raises(UsageError, match="input 0"):
        before += list(programs.run(given[:7]))
        for output in programs.run(given):
            before.append(output)

    assert len(before) == 14


def test_no_more_programs_are_loaded_than_threads_run() -> None:
    """One for each thread at most, and the first is one of them."""
    loaded = []

    def counted() -> HostProgram:
        loaded.append(threading.get_ident())
        return load()

    with ParallelPrograms(counted, 3) as programs:
        list(programs.run(samples(50)))

    assert 1 <= len(loaded) <= 3


def test_samples_are_taken_while_outputs_are_asked_for() -> None:
    """A data set that does not fit into memory is read a few samples ahead."""
    taken = []

    def counted() -> Iterator[tuple[np.ndarray]]:
        for number, sample in enumerate(samples(50)):
            taken.append(number)
            yield sample

    with ParallelPrograms(load, 2) as programs:
        outputs = programs.run(counted())
        next(outputs)
        ahead = len(taken)
        rest = list(outputs)

    assert ahead <= 6
    assert len(rest) == 49
