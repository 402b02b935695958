"""The search: which candidates are tried, in which order, within a budget of seconds. It builds none itself.

First come those that have shown to help most, each by itself and together; then those that Optuna's sampler proposes
for few cycles, bytes and SRAM and a high SQNR. The order depends on the seed and on figures alone, not on time: what a
longer search tries begins with what a shorter one has tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from etbuild.tune.candidate import OBSERVERS, Candidate

if TYPE_CHECKING:
    from etbuild.tune.study import Study

# Builds candidates at the same time; the figures of those that were done before the end, None for others.
BuildAll = Callable[[Sequence[Candidate], float], list[dict[str, Any] | None]]
# Candidates that are chosen together, whatever the number of processors: the order must not depend on it.
_TOGETHER = 4
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
    """What there is to try. layers: as of `first_candidates`. size: whether Vela may optimise for least memory."""

    layers: int
    size: bool = False

    def family(self, some: Sequence[Candidate]) -> list[Candidate]:
        """And those with the same lowered program: what is behind that takes the time of a few runs of Vela."""
        found = [one for each in some for one in (each.lowered, each, *self._sizes(each))]
        return list(dict.fromkeys(found))

    def _sizes(self, one: Candidate) -> list[Candidate]:
        return [replace(one, size=True)] if self.size else []


def search(study: Study, space: Space, seed: int, build: BuildAll, end: float) -> list[Candidate]:
    """Those that were tried, in order. end: of the budget, as time.monotonic has it."""
    tried: dict[Candidate, None] = {}
    first = first_candidates(space.layers)
    for start in range(0, len(first), _TOGETHER):
        if not _try(space.family(first[start : start + _TOGETHER]), study, tried, (build, end)):
            return list(tried)
    sampler, known = _Sampler(space.layers, seed), 0
    for one in tried:
        sampler.tell_known(one, study.known[one.key])
    while known < _MOST_KNOWN:
        asked = [sampler.ask() for _ in range(_TOGETHER)]
        new = [one for one in dict.fromkeys(one for _, one in asked) if one not in tried]
        known = 0 if new else known + _TOGETHER
        family = [one for one in space.family(new) if one not in tried]
        if not _try(family, study, tried, (build, end)):
            break
        for trial, one in asked:
            sampler.tell(trial, study.known[one.key])
        for one in family:
            if one not in new:
                sampler.tell_known(one, study.known[one.key])
    return list(tried)


def _try(some: Sequence[Candidate], study: Study, tried: dict[Candidate, None], how: tuple[BuildAll, float]) -> bool:
    """Whether all were built, now or before. how: to build, and the end of the budget."""
    build, end = how
    missing = [one for one in some if one.key not in study.known]
    if missing and time.monotonic() < end:
        for one, figures in zip(missing, build(missing, end), strict=True):
            if figures is not None:
                study.add(one.key, figures)
    tried.update(dict.fromkeys(one for one in some if one.key in study.known))
    return all(one.key in study.known for one in some)


class _Sampler:
    """Optuna's sampler for several objectives, seeded."""

    def __init__(self, layers: int, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        category = optuna.distributions.CategoricalDistribution
        flags = ("tensor", "equalise", "correct_bias", "adaround", "rewrite")
        self._space: dict[str, Any] = {
            "scheme": category(("", "int16x8")),
            "wide": optuna.distributions.IntDistribution(0, min(layers, _MOST_WIDE)),
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
