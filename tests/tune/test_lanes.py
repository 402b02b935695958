"""Lanes that build groups of candidates, and what happens when one is lost: real forks, and stand-ins of a cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from etbuild.tune import build
from etbuild.tune.candidate import Candidate
from etbuild.tune.forks import Fork
from etbuild.tune.lanes import LaneLost, Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

PATIENCE_S = 30
KILLS, ONCE, FAILS = (Candidate(observer=name) for name in ("kills", "once", "fails"))


class StandInBuilder:
    """Gives the process that built, and dies of some candidates. subject: a folder."""

    def __init__(self, subject: Any) -> None:
        self._folder = subject

    def build(self, group: Sequence[Candidate]) -> list[dict[str, Any]]:
        if group[0] == FAILS:
            raise RuntimeError("boom\nand more")
        first = not (self._folder / "killed").exists()
        if group[0] == KILLS or (group[0] == ONCE and first):
            (self._folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [{"key": one.key, "process": os.getpid(), "cycles": 1} for one in group]


@pytest.fixture
def lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lanes]:
    """With one process of this machine."""
    monkeypatch.setattr(build, "Builder", StandInBuilder)
    with Lanes() as made:
        made.add(Fork(tmp_path, tmp_path))
        yield made


class RemoteStandIn:
    """Builds in this process. lost: how many groups it builds before it is lost. waits: until it is closed."""

    remote = True

    def __init__(self, lost: int = 10**6, waits: bool = False) -> None:
        self.built: list[Candidate] = []
        self.figures: dict[str, Any] = {"cycles": 1}
        self._lost = lost
        self._begun, self._closed = threading.Event(), threading.Event()
        if not waits:
            self._closed.set()

    def build(self, group: Sequence[Candidate]) -> list[dict[str, Any]]:
        self._begun.set()
        if len(self.built) == self._lost or not self._closed.wait(PATIENCE_S):
            raise LaneLost("gone")
        self.built += group
        return [{"key": one.key, "process": 0, **self.figures} for one in group]

    def begun(self) -> bool:
        return self._begun.wait(PATIENCE_S)

    def close(self) -> None:
        self._closed.set()


def test_a_process_builds_one_group_after_the_other(lanes: Lanes) -> None:
    """In another process than this one, the same for all."""
    some = [lanes.submit([Candidate(wide=number), Candidate(wide=number, rewrite=True)]) for number in range(3)]

    found = [one.result(PATIENCE_S) for one in some]

    assert [[row["key"] for row in rows] for rows in found[1:]] == [
        ["1 layer int16x8", "1 layer int16x8, rewrite"],
        ["2 layers int16x8", "2 layers int16x8, rewrite"],
    ]
    processes = {row["process"] for rows in found for row in rows}
    assert len(processes) == 1 and processes != {os.getpid()}


def test_a_group_is_built_again_after_its_process_was_killed(lanes: Lanes) -> None:
    """By a new one; once: what killed two is the cause."""
    some = [lanes.submit([one]) for one in (Candidate(), ONCE, KILLS, Candidate(rewrite=True))]

    (first,), (once,), (kills,), (last,) = [one.result(PATIENCE_S) for one in some]

    assert kills == {"lost": "the process that builds it ended with signal 9"}
    assert len({first["process"], once["process"], last["process"]}) == 3


def test_processes_that_are_killed_together_lose_their_groups_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lack of memory kills several at once: none of the new ones keeps the end of another one's pipe open."""
    monkeypatch.setattr(build, "Builder", StandInBuilder)
    made = [Fork(tmp_path, tmp_path) for _ in range(3)]
    with Lanes() as lanes:
        for one in made:
            lanes.add(one)
        some = [lanes.submit([KILLS if number % 2 else Candidate(wide=number)]) for number in range(12)]

        assert ["lost" in one.result(PATIENCE_S)[0] for one in some] == [False, True] * 6


def test_an_error_that_nobody_has_foreseen_costs_its_group(lanes: Lanes) -> None:
    """With its first line; the process goes on."""
    (failed,), (before,), (after,) = (lanes.submit([one]).result(PATIENCE_S) for one in (FAILS, ONCE, Candidate()))

    assert failed == {"lost": "RuntimeError: boom"}
    assert before["process"] == after["process"]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[dict[str, Any]], int, int]]:
    """The figures of groups of one candidate, which a remote lane begins to build before this machine has a process;
    then how many remote lanes are left, and how many groups there were."""
    monkeypatch.setattr(build, "Builder", StandInBuilder)

    def results(other: RemoteStandIn, some: Sequence[Candidate], said: list[str]) -> Any:
        with Lanes(said.append) as lanes:
            lanes.add(other)
            figures = [lanes.submit([one]) for one in some]
            assert other.begun()
            lanes.add(Fork(tmp_path, tmp_path))
            return [row for one in figures for row in one.result(PATIENCE_S)], lanes.remote(), lanes.submitted

    return results


def test_what_is_late_on_another_machine_is_built_here(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a lane that has nothing else to do; the other one keeps what it has."""
    monkeypatch.setattr("etbuild.tune.group_queue.PATIENCE_S", 0.2)

    figures, remote, _ = built(RemoteStandIn(waits=True), [Candidate(wide=number) for number in range(4)], [])

    assert 0 not in [one["process"] for one in figures]
    assert (len(figures), remote) == (4, 1)


def test_what_another_machine_cannot_build_is_built_here(built: Any) -> None:
    """Its disk may be full: no figure of such a worker is stored, and where this machine can, it is asked no more."""
    sick, said = RemoteStandIn(), list[str]()
    sick.figures = {"why": "cmake: no space"}

    figures, remote, submitted = built(sick, [Candidate(wide=number) for number in range(8)], said)

    assert [one.get("why") for one in figures] == [None] * 8
    assert (len(sick.built), remote, submitted) == (1, 0, 8)
    assert said == ["another machine could not build what this one can, and is asked less: cmake: no space"]


def test_what_no_machine_can_build_is_no_fault_of_another_one(built: Any) -> None:
    """It goes on when this machine has said so."""
    other, said = RemoteStandIn(), list[str]()
    other.figures = {"why": "Vela refuses it"}

    figures, remote, _ = built(other, [FAILS] * 3, said)

    assert figures == [{"lost": "RuntimeError: boom"}] * 3
    assert (remote, said) == (1, [])


def test_what_a_remote_lane_has_lost_is_built_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no more groups, and no other remote lane takes this one."""
    monkeypatch.setattr(build, "Builder", StandInBuilder)
    lost, other = RemoteStandIn(lost=0), RemoteStandIn()
    with Lanes() as lanes:
        lanes.add(lost)
        figures = lanes.submit([Candidate()])
        assert lost.begun()
        lanes.add(other)
        following = lanes.submit([Candidate(wide=1)])
        assert following.result(PATIENCE_S)[0]["process"] == 0
        assert (figures.done(), lanes.remote()) == (False, 1)

        lanes.add(Fork(tmp_path, tmp_path))

        assert figures.result(PATIENCE_S)[0]["process"] not in {0, os.getpid()}
    assert other.built == [Candidate(wide=1)]


def test_a_remote_lane_takes_what_this_machine_has_not_begun(lanes: Lanes) -> None:
    """Both work on one queue."""
    lane = RemoteStandIn()
    lanes.add(lane)
    assert lanes.remote() == 1

    some = [lanes.submit([Candidate(wide=number)]) for number in range(20)]

    assert [one.result(PATIENCE_S)[0]["key"] for one in some] == [Candidate(wide=number).key for number in range(20)]
    assert lane.built


def test_the_end_of_the_lanes_ends_what_is_built() -> None:
    """Nobody waits for it; a lane that comes later is closed."""
    lane, late = RemoteStandIn(waits=True), RemoteStandIn(waits=True)
    with Lanes() as lanes:
        lanes.add(lane)
        figures = lanes.submit([Candidate()])
        assert lane.begun()
    begin = time.monotonic()
    lanes.add(late)

    assert figures.result(PATIENCE_S)
    assert late.build([Candidate()])
    assert time.monotonic() - begin < PATIENCE_S / 2


def test_an_error_of_the_program_is_raised_to_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no loss of a lane, which takes the next group."""
    lane = RemoteStandIn()
    monkeypatch.setattr(lane, "build", lambda group: 1 / (group[0].wide - 1))
    with Lanes() as lanes:
        lanes.add(lane)
        some = [lanes.submit([Candidate(wide=number)]) for number in (1, 1)]

        for one in some:
            with pytest.raises(ZeroDivisionError):
                one.result(PATIENCE_S)
