"""The options of a step's program, declared once as a dataclass in the step's module.

A field is an option (`option`, `reads`, `writes`) or a section of the recipe (`inline`) with all its settings. The
command line, its parser, and the files that the step reads and writes are made from the fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, field, replace
from typing import Any

from etbuild.build_engine.step import Step, outermost
from etbuild.config.setting import Setting, settings_of
from etbuild.steps.command_line import arguments, files, parse


def option(help_text: str, default: Any = MISSING, **facts: Any) -> Any:
    """An option that is neither read nor written. facts: fields of Setting, e.g. option="--stack"."""
    return field(default=default, metadata={"setting": Setting(help_text, **facts), "use": "value"})


def reads(help_text: str, default: Any = MISSING, **facts: Any) -> Any:
    """A file or folder that the step reads: an input; None or () for none. facts: as of `option`."""
    return field(default=default, metadata={"setting": Setting(help_text, **facts), "use": "reads"})


def writes(help_text: str, default: Any = MISSING) -> Any:
    """A file or folder that the step writes: an output; None for none."""
    return field(default=default, metadata={"setting": Setting(help_text), "use": "writes"})


def from_section(cls: type, name: str, default: Any = MISSING) -> Any:
    """One setting of a section as an option. default: in place of the setting's own."""
    one, made = next((one, made) for one, made in settings_of(cls) if one.name == name)
    return field(
        default=one.default if default is MISSING else default, metadata={"setting": replace(made, always=False)}
    )


def inline(prefix: str = "", *, reads: bool = True) -> Any:
    """A section of the recipe. prefix: of its options, e.g. "--vectors". reads: whether the step reads its files."""
    return field(metadata={"prefix": prefix, "reads": reads})


def plan(name: str, options: Any, tools: Iterable[str], **more: Any) -> Step:
    """The step with these options.

    more: inputs and outputs beyond the options' own, in place of the outputs that are not options; depfile; local.
    """
    inputs = (*files(options, "reads"), *map(str, more.get("inputs", ())))
    outputs = (*files(options, "writes"), *map(str, more.get("outputs", ())))
    last = str(more.get("depfile", "")), bool(more.get("local", False))
    return Step(name, arguments(options), outermost(inputs), outputs, ("python", *tools), *last)


def added(step: Step, words: Iterable[Any], **more: Iterable[Any]) -> Step:
    """The step with more words in its argv, and more inputs, outputs and tools."""
    inputs = outermost((*step.inputs, *map(str, more.get("inputs", ()))))
    outputs = (*step.outputs, *map(str, more.get("outputs", ())))
    tools = dict.fromkeys((*step.tools, *more.get("tools", ())))
    argv = (*step.argv, *map(str, words))
    return step._replace(argv=argv, inputs=inputs, outputs=outputs, tools=tuple(tools))


__all__ = ["added", "from_section", "inline", "option", "outermost", "parse", "plan", "reads", "writes"]
