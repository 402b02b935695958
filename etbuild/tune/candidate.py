"""A candidate: the settings of a recipe that a search tries. It builds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etbuild.recipe.data_sections import PERCENTILE, Rule
from etbuild.recipe.rewrite_sections import REWRITE_RULES
from etbuild.recipe.weight_sections import WeightChange

if TYPE_CHECKING:
    from etbuild.hardware.target import Target
    from etbuild.recipe.data_sections import Quantize

OBSERVERS = ("histogram", "minmax", "mse", "percentile")
SCHEMES = ("int8", "int16x8")
# The recipe's key for least memory, in each of its targets.
SIZE_KEY, SIZE = ("targets", "vela"), {"optimise": "Size"}
# Changes of the weights, in the order in which they are made.
_WEIGHTS = ("equalise", "correct_bias", "adaround")


@dataclass(frozen=True)
class Candidate:
    """What is tried; the defaults are the recipe as it is.

    wide:     how many layers compute in 16 bits, those that cost most by their values first.
    tensor:   whether weights have one scale for the tensor instead of one for each channel.
    observer: "" for the recipe's.
    size:     whether Vela optimises for least memory.
    """

    scheme: str = ""
    wide: int = 0
    tensor: bool = False
    observer: str = ""
    equalise: bool = False
    correct_bias: bool = False
    adaround: bool = False
    rewrite: bool = False
    size: bool = False

    @property
    def lowered(self) -> Candidate:
        """What it has in common with candidates whose lowered program is the same."""
        return replace(self, rewrite=False, size=False)

    @property
    def key(self) -> str:
        """The same for equal candidates alone; for people, too."""
        parts = [
            "the recipe" if self == Candidate(size=True) else "",
            self.scheme,
            _counted(self.wide),
            "per tensor" if self.tensor else "",
        ]
        parts += [self.observer, "equalise" if self.equalise else "", "correct_bias" if self.correct_bias else ""]
        parts += ["adaround" if self.adaround else "", "rewrite" if self.rewrite else ""]
        parts += ["optimise Size" if self.size else ""]
        return ", ".join(filter(None, parts)) or "the recipe"

    def quantize(self, base: Quantize, worst: Sequence[Sequence[str]], narrow: Sequence[str] = ()) -> Quantize:
        """The recipe's section with what the candidate changes.

        worst: modules of layers, the worst first. narrow: modules that cannot be in int16x8.
        """
        names = dict.fromkeys(name for modules in worst[: self.wide] for name in modules if name not in narrow)
        within = [name for name in narrow if self.scheme == "int16x8" or any(map(name.startswith, _below(names)))]
        schemes = {**dict.fromkeys(within, "int8"), **dict.fromkeys(names, "int16x8")}
        known = {rule.match for rule in base.rules}
        rules = tuple(Rule(module_name=name, scheme=one) for name, one in schemes.items() if name not in known)
        changed = replace(base, rules=(*base.rules, *rules), weights=self._weights(base.weights))
        if self.scheme:
            changed = replace(changed, scheme=self.scheme)
        if self.tensor:
            changed = replace(changed, per_channel=False)
        if self.observer:
            changed = replace(changed, observer=self.observer, percentile=_percentile(self.observer, base))
        return changed

    def _weights(self, base: Sequence[WeightChange]) -> tuple[WeightChange, ...]:
        """The recipe's and the candidate's; adaround corrects biases itself, and a second correction is too much."""
        had = {one.method for one in base}
        rounds = self.adaround or "adaround" in had
        added = [WeightChange(name) for name in _WEIGHTS if getattr(self, name) and name not in had]
        return tuple(one for one in (*base, *added) if not (rounds and one.method == "correct_bias"))

    def keys(
        self, base: Quantize, worst: Sequence[Sequence[str]], narrow: Sequence[str] = ()
    ) -> dict[tuple[str, str], Any]:
        """The recipe's keys that it changes, as YAML has them, by section and key. worst, narrow: as of `quantize`."""
        made, found = self.quantize(base, worst, narrow), dict[tuple[str, str], Any]()
        if made.scheme != base.scheme:
            found["quantize", "scheme"] = made.scheme
        if made.per_channel != base.per_channel:
            found["quantize", "per_channel"] = made.per_channel
        if made.observer != base.observer:
            found["quantize", "observer"] = made.observer
        if made.percentile != base.percentile:
            found["quantize", "percentile"] = made.percentile
        if made.rules != base.rules:
            found["quantize", "rules"] = [_plain(rule) for rule in made.rules]
        if made.weights != base.weights:
            found["quantize", "weights"] = [_plain(one) for one in made.weights]
        if self.rewrite:
            found["rewrite", "rules"] = "all"
        if self.size:
            found[SIZE_KEY] = SIZE
        return found


def _below(modules: Iterable[str]) -> list[str]:
    """What the names of all modules below these begin with."""
    return [f"{name}." for name in modules]


def _counted(wide: int) -> str:
    return f"{wide} layer{'s' if wide > 1 else ''} int16x8" if wide else ""


def target_of(candidate: Candidate, own: Target) -> Target:
    """The target with what the candidate changes. own: the recipe's."""
    return replace(own, vela=replace(own.vela, optimise="Size")) if candidate.size else own


def rewrite_rules(candidate: Candidate, own: Sequence[str]) -> tuple[str, ...]:
    """The rules that change delegates' graphs. own: the recipe's."""
    return tuple(REWRITE_RULES) if candidate.rewrite else tuple(own)


def _percentile(observer: str, base: Quantize) -> float:
    return 99.99 if observer == "percentile" and base.percentile == PERCENTILE else base.percentile


def _plain(one: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if value is not None}
