"""A finding of lint as data: what, where, why, what to do, and a patch with its effect. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]


class Rule(NamedTuple):
    """One rule. level: error (the build or its result cannot be used), warning, or note. text: what it finds."""

    id: str
    level: str
    text: str


# In the order in which findings are reported.
RULES = {
    rule.id: rule
    for rule in (
        Rule("does-not-fit", "error", "A constant or a model input or output is larger than its memory of the board."),
        Rule("cpu-operator", "warning", "An operator stays on the CPU."),
        Rule("pad-before-convolution", "warning", "A padding of zeros is an operator of its own before a convolution."),
        Rule("mean-as-reduction", "warning", "A mean over an image becomes a sum and a multiplication."),
        Rule("per-tensor-weights", "warning", "Channels of very different ranges share one scale of the weights."),
        Rule("scale-mismatch", "warning", "A sum or concatenation joins values whose scales are far apart."),
        Rule("softmax-at-end", "note", "The last operator is a softmax, and the largest value is the same without it."),
        Rule("channel-padding", "note", "Channels are no multiple of what the NPU computes at once."),
        Rule("float-border", "note", "The model's inputs and outputs are floats that the CPU quantises."),
    )
}


@dataclass(frozen=True)
class Edit:
    """Text in place of a part of a file. Lines from 1, columns from 1; the end is after the last character."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Patch:
    """Changes of files that together avoid a finding.

    title: what they do.
    exact: the float model computes the same function afterwards.
    """

    title: str
    exact: bool
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Figure:
    """One figure of a build before and after a patch. kind: exact, or estimate (Vela's)."""

    name: str
    unit: str
    kind: str
    before: float
    after: float


@dataclass(frozen=True)
class Effect:
    """What a patch brings.

    how:     "measured", by two builds; or why it is not known.
    variant: which was built.
    note:    what the build of the patch says against it, such as a limit of golden that it exceeds; "" for nothing.
    """

    how: str
    variant: str = ""
    figures: tuple[Figure, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding. line: "file:line" in the model or recipe; module: its path in the model; None for unknown."""

    rule: str
    profile: str
    what: str
    why: str
    remedy: str
    line: str | None = None
    module: str | None = None
    count: int = 1
    patch: Patch | None = None
    effect: Effect | None = None

    @property
    def level(self) -> str:
        return RULES[self.rule].level

    @property
    def place(self) -> str:
        """For people."""
        if self.line and self.module:
            return f"{self.line} (module {self.module})"
        return self.line or (f"module {self.module}" if self.module else "the model")

    def to_json(self) -> Json:
        return {"level": self.level, **asdict(self)}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By the order of the rules; equal ones of several profiles once, with the first profile."""
    once: dict[tuple[object, ...], Finding] = {}
    for one in findings:
        once.setdefault((one.rule, one.what, one.line, one.module), one)
    order = list(RULES)
    return tuple(sorted(once.values(), key=lambda one: order.index(one.rule)))
