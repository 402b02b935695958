"""The search: which candidates are tried, in which order, within a budget of seconds. It builds none itself.

First come those that have shown to help most, each by itself and together; then those that Optuna's sampler proposes
for few cycles, bytes and SRAM and a high SQNR. The order depends on the seed and on figures alone, not on time: what a
longer search tries begins with what a shorter one has tried.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.tune.candidate import OBSERVERS, Candidate

if TYPE_CHECKING:
    from etbuild.tune.study import Study

Json = dict[str, Any]
# Begins to build candidates; the figures of each.
Submit = Callable[[Sequence[Candidate]], Future[list[Json]]]
# Proposals that are built at the same time, whatever the number of processors: each depends on the figures of all but
# so many before it.
_WINDOW = 8
# After so many proposals that are known, all there is to try was tried.
_MOST_KNOWN = 40
_MOST_WIDE = 16
# Layers in 16 bits of the first candidates: most of the gain is in few layers, or spread over nearly all.
_COUNTS = (1, 2, 4, 8, 16)


def first_candidates(layers: int) -> list[Candidate]:
    """layers: how many can compute in 16 bits."""
    counts = [count for count in _COUNTS if count <= layers]
    wide = [Candidate(wide=count, tensor=True, correct_bias=True, rewrite=True) for count in counts[:2]]
    return [
        Candidate(),
        Candidate(scheme="int16x8"),
        Candidate(correct_bias=True, rewrite=True),
        Candidate(adaround=True, rewrite=True),
        Candidate(tensor=True, rewrite=True),
        Candidate(equalise=True, adaround=True, rewrite=True),
        Candidate(equalise=True, correct_bias=True, rewrite=True),
        Candidate(tensor=True, adaround=True, rewrite=True),
        Candidate(scheme="int16x8", adaround=True, rewrite=True),
        Candidate(scheme="int16x8", tensor=True, adaround=True, rewrite=True),
        Candidate(tensor=True, correct_bias=True, rewrite=True),
        Candidate(tensor=True, equalise=True, correct_bias=True, rewrite=True),
        *wide,
        *(Candidate(wide=count, adaround=True, rewrite=True) for count in counts),
        Candidate(rewrite=True),
        Candidate(equalise=True),
        *(Candidate(observer=name, adaround=True, rewrite=True) for name in OBSERVERS[1:]),
    ]


@dataclass(frozen=True)
class Space:
    """What there is to try.

    layers:   how many can compute in 16 bits. size: whether Vela may optimise for least memory.
    equalise: whether the model has layers that can be equalised.
    """

    layers: int
    size: bool = False
    equalise: bool = True

    def first(self) -> list[Candidate]:
        """Those that have shown to help most, and those with the same lowered programs."""
        return self.family([one for one in first_candidates(self.layers) if self.equalise or not one.equalise])

    def family(self, some: Sequence[Candidate]) -> list[Candidate]:
        """And those with the same lowered program: what is behind that takes the time of a few runs of Vela."""
        found = [one for each in some for one in (each.lowered, each, *self._sizes(each))]
        return list(dict.fromkeys(found))

    def _sizes(self, one: Candidate) -> list[Candidate]:
        return [replace(one, size=True)] if self.size else []


class Search:
    """Tries candidates until its budget ends. tried: those whose figures are known, in order.

    submit: gives those of one lowered program to whoever builds them.
    end:    of the budget, as time.monotonic has it.
    told:   is called when something more was tried.
    """

    def __init__(self, study: Study, submit: Submit, end: float, told: Callable[[Search], None] = lambda _: None):
        self.study = study
        self.tried: list[Candidate] = []
        self._submit, self._end, self._told = submit, end, told
        self._running: dict[Candidate, tuple[list[Candidate], Future[list[Json]]]] = {}

    def run(self, space: Space, seed: int) -> None:
        """raises: what building one raises."""
        first = space.first()
        self._begin(first)
        if not self._end_of(first):
            return
        sampler, asked, known = _Sampler(space, seed), deque[_Asked](), 0
        for one in self.tried:
            sampler.tell_known(one, self.study.known[one.key])
        while known < _MOST_KNOWN:
            while len(asked) < _WINDOW:
                asked.append(_Asked(*sampler.ask()))
                self._begin(space.family([asked[-1].one]))
            trial, one = asked.popleft()
            family = [each for each in space.family([one]) if each not in self.tried]
            known = 0 if family else known + 1
            if not self._end_of(family):
                self._end_of([each for late in asked for each in space.family([late.one]) if each not in self.tried])
                return
            sampler.tell(trial, self.study.known[one.key])
            for each in family:
                if each != one:
                    sampler.tell_known(each, self.study.known[each.key])

    def _begin(self, some: Sequence[Candidate]) -> None:
        """Give what is neither known nor begun to be built, those of one lowered program together."""
        groups: dict[Candidate, list[Candidate]] = {}
        for one in some:
            if one.key not in self.study.known and one not in self._running and time.monotonic() < self._end:
                groups.setdefault(one.lowered, []).append(one)
        for group in groups.values():
            self._running |= dict.fromkeys(group, (group, self._submit(group)))

    def _end_of(self, some: Sequence[Candidate]) -> bool:
        """Wait for all; False where the budget ends before. Those that are known then were tried."""
        for one in dict.fromkeys(some):
            if one.key not in self.study.known and one in self._running:
                group, figures = self._running[one]
                with suppress(TimeoutError):
                    found = figures.result(max(self._end - time.monotonic(), 0.0))
                    for each, its in zip(group, found, strict=True):
                        self.study.add(each.key, its)
            if one.key in self.study.known:
                self.tried.append(one)
                self._told(self)
        return all(one.key in self.study.known for one in some)


class _Asked(NamedTuple):
    """A proposal of the sampler, and what it proposes."""

    trial: Any
    one: Candidate


class _Sampler:
    """Optuna's sampler for several objectives, seeded."""

    def __init__(self, space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        category = optuna.distributions.CategoricalDistribution
        flags = ("tensor", *(["equalise"] if space.equalise else []), "correct_bias", "adaround", "rewrite")
        self._space: dict[str, Any] = {
            "scheme": category(("", "int16x8")),
            "wide": optuna.distributions.IntDistribution(0, min(space.layers, _MOST_WIDE)),
            "observer": category(("", *OBSERVERS[1:])),
            **{name: category((False, True)) for name in flags},
        }
        self._optuna = optuna
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
        self._study = optuna.create_study(directions=["minimize"] * 3 + ["maximize"], sampler=sampler)

    def ask(self) -> tuple[Any, Candidate]:
        trial = self._study.ask(self._space)
        return trial, _without_what_changes_nothing(Candidate(**trial.params))

    def tell(self, trial: Any, figures: dict[str, Any]) -> None:
        if is_sound(figures):
            self._study.tell(trial, _objectives(figures))
        else:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def tell_known(self, one: Candidate, figures: dict[str, Any]) -> None:
        if is_sound(figures) and not one.size:  # That is tried with each.
            made, params = self._optuna.trial.create_trial, asdict(one)
            params = {name: params[name] for name in self._space}
            values = _objectives(figures)
            self._study.add_trial(made(params=params, distributions=self._space, values=values))


def _without_what_changes_nothing(one: Candidate) -> Candidate:
    """Single layers in 16 bits where all are, and a correction of biases beside that of adaround."""
    wide = 0 if one.scheme == "int16x8" else one.wide
    return replace(one, wide=wide, correct_bias=one.correct_bias and not one.adaround)


def is_sound(figures: dict[str, Any]) -> bool:
    """Whether it could be built, and its error is known."""
    return "why" not in figures and figures.get("sqnr_db") is not None


def _objectives(figures: dict[str, Any]) -> list[float]:
    return [float(figures[name]) for name in ("cycles", "pte_bytes", "sram_bytes", "sqnr_db")]
