"""Which workers fit: some answer, some differ, some are frozen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from etbuild.build_engine.dask import identities
from etbuild.build_engine.dask.identities import Identities

OWN = {"python": "3.11", "torch": "2", "c++": "12"}
PATIENCE_S = 30
AB = {"a": "1", "b": "1"}


class Workers:
    """What they answer by name. A callable is called; asked: how often each was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, worker: str) -> Any:
        self.asked.append(worker)
        answer = self.answers[worker]
        return answer() if isinstance(answer, Callable) else answer  # type: ignore[arg-type]


def frozen() -> Any:
    time.sleep(PATIENCE_S)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "OTHERS_S", 0.5)
    monkeypatch.setattr(identities, "ANSWER_S", 2.0)


def test_each_worker_is_asked_once(said: list[str]) -> None:
    """However many steps ask, at the same time and later; a difference is said once."""
    workers = Workers(a=OWN, b={**OWN, "torch": "1"})
    found = Identities(OWN, workers, said.append)
    asking = [threading.Thread(target=found.fitting, args=(AB, ())) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()

    assert found.fitting(AB, ()) == ["a"]
    assert sorted(workers.asked) == ["a", "b"]
    assert said == ["worker b is refused: torch: here 2, there 1"]


def test_a_program_counts_for_the_steps_that_start_it(said: list[str]) -> None:
    """The same worker fits others."""
    found = Identities(OWN, Workers(a={**OWN, "c++": "13"}), said.append)

    assert (found.fitting({"a": "1"}, ()), found.fitting({"a": "1"}, ("c++",))) == (["a"], [])
    assert said == ["worker a is refused: c++: here 12, there 13"]


def test_a_frozen_worker_delays_nobody_for_long(said: list[str]) -> None:
    """Where another one fits; it is said, and asked no more."""
    workers = Workers(a=OWN, b=frozen, c=frozen)
    found = Identities(OWN, workers, said.append)
    begin = time.monotonic()

    assert found.fitting(AB, ()) == ["a"]
    assert found.fitting(AB, ()) == ["a"]
    assert time.monotonic() - begin < PATIENCE_S / 3
    assert workers.asked.count("b") == 1
    assert said == ["worker b does not answer, and takes no part until it does"]
    assert found.fitting({"b": "1", "c": "1"}, (), wait=False) == []


def test_a_worker_that_answers_late_takes_part(said: list[str]) -> None:
    """When it has answered."""

    def slow() -> dict[str, str]:
        time.sleep(1.2)
        return OWN

    found = Identities(OWN, Workers(a=OWN, b=slow), said.append)
    assert found.fitting(AB, ()) == ["a"]
    time.sleep(1.0)

    assert found.fitting(AB, ()) == ["a", "b"]


def test_a_worker_without_etbuild_is_refused_and_one_that_is_gone_is_not(said: list[str]) -> None:
    """Another one may come to the same address."""

    def gone() -> Any:
        raise OSError("closed")

    workers = Workers(a=ModuleNotFoundError("No module named 'etbuild'"), b=gone)
    found = Identities(OWN, workers, said.append)
    assert found.fitting(AB, ()) == []
    workers.answers["b"] = OWN

    assert found.fitting(AB, ()) == ["b"]
    assert said == [
        "worker a is refused: got ModuleNotFoundError: No module named 'etbuild', wanted a worker with etbuild"
    ]


def test_another_worker_at_the_same_address_is_asked(said: list[str]) -> None:
    """It may have other versions."""
    workers = Workers(a=OWN)
    found = Identities(OWN, workers, said.append)
    assert found.fitting({"a": "worker-1"}, ()) == ["a"]
    workers.answers["a"] = {**OWN, "torch": "9"}

    assert found.fitting({"a": "worker-2"}, ()) == []
    assert said == ["worker a is refused: torch: here 2, there 9"]
