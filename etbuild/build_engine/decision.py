"""Whether a step runs again, and why: compares the record of its last run with the current state. It changes nothing.

`reasons` is both the decision and its explanation: no reason, no run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.system.facts import title

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step


class Reason(NamedTuple):
    """One difference. key: what differs; old, new: as the user would write them, "" where there is none."""

    key: str
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        if not self.old and not self.new:
            return self.key
        return f"{self.key}: {self.old or '(nothing)'} -> {self.new or '(nothing)'}"


@dataclass(frozen=True)
class Record:
    """What a step read and wrote in its last successful run. Paths as in the step; digests are SHA-256.

    tools:      version by name.                  source:     digest of our own source files, by path in the package.
    inputs:     digest by path.                   discovered: digest of what the depfile names, by path.
    outputs:    digest by path.                   peak_bytes: largest resident memory of the step's process.
    """

    argv: tuple[str, ...]
    tools: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    discovered: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0

    def to_json(self) -> str:
        return json.dumps(self.__dict__, indent=1, default=list)

    @classmethod
    def from_json(cls, text: str | bytes) -> Record | None:
        """The record, or None when the text is not one: a step with a damaged record counts as never built."""
        try:
            data = json.loads(text)
            maps = ("tools", "source", "inputs", "discovered", "outputs")
            strings = [*data["argv"], *(value for name in maps for value in data[name].values())]
            numbers = isinstance(data["seconds"], int | float) and isinstance(data["peak_bytes"], int)
            if not (numbers and all(isinstance(value, str) for value in strings)):
                return None
            return cls(
                tuple(data["argv"]),
                **{name: data[name] for name in maps},
                seconds=data["seconds"],
                peak_bytes=data["peak_bytes"],
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


@dataclass(frozen=True)
class CurrentState:
    """How to look up what exists now. digest: of a path, None when nothing exists; tools and source: as in Record."""

    digest: Callable[[Path | str], str | None]
    tools: Callable[[Step], Mapping[str, str]]
    source: Callable[[Step], Mapping[str, str]]


def reasons(step: Step, record: Record | None, current: CurrentState) -> tuple[Reason, ...]:
    """Why the step has to run; empty when a run would write what its outputs already hold.

    Ordered by interest to the user: settings, tools, our own source, inputs, outputs.
    """
    if record is None:
        return (Reason("never built"),)
    found = [
        *_settings(record.argv, step.argv),
        *_differences("", record.tools, current.tools(step)),
        *_differences("source of ", record.source, current.source(step)),
    ]
    inputs = {path: current.digest(path) or "" for path in step.inputs}
    found += _differences("input ", record.inputs, inputs)
    discovered = {path: current.digest(path) or "" for path in record.discovered}
    found += _differences("", _titled(record.discovered), _titled(discovered))
    for path in step.outputs:
        digest = current.digest(path)
        if digest is None:
            found.append(Reason(f"output {path} is missing"))
        elif digest != record.outputs.get(path):
            found.append(Reason(f"output {path} is not what the step wrote"))
    return tuple(found)


def _settings(old: tuple[str, ...], new: tuple[str, ...]) -> list[Reason]:
    if old == new:
        return []
    before, after = _options(old), _options(new)
    changed = [
        Reason(name, *_changed_values(before.get(name, []), after.get(name, [])))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    return changed or [Reason("order of settings", " ".join(old), " ".join(new))]


def _changed_values(old: list[str], new: list[str]) -> tuple[str, str]:
    """The values that only one of them has; all values where both have the same, in another order or number."""
    gone, added = [value for value in old if value not in new], [value for value in new if value not in old]
    return (" ".join(gone), " ".join(added)) if gone or added else (" ".join(old), " ".join(new))


def _options(argv: tuple[str, ...]) -> dict[str, list[str]]:
    """Option values by the name that the recipe uses: "--memory-mode X" is memory_mode."""
    options: dict[str, list[str]] = {}
    name = "arguments"
    for word in argv:
        if word.startswith("--"):
            head, equals, value = word[2:].partition("=")
            name = head.replace("-", "_")
            options.setdefault(name, []).extend([value] if equals else [])
        else:
            options.setdefault(name, []).append(word)
    return options


def _differences(prefix: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Reason]:
    if old == new:
        return []
    return [
        Reason(f"{prefix}{name}", _short(old.get(name, "")), _short(new.get(name, "")))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _titled(discovered: Mapping[str, str]) -> dict[str, str]:
    return {title(name): value for name, value in discovered.items()}


def _short(value: str) -> str:
    """The first ten digits of a digest, anything else in full."""
    return value[:10] if len(value) == 64 else value
