"""Writes the quantised program of a model, or one of each of its methods, after passes, quantisation and training.

It writes no report and no depfile: step quantize does.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile import methods
from etbuild.compile.quantized_model import may_be_quantized
from etbuild.compile.quantizer import UnmatchedRuleError
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.tracked_code import UserCode
    from etbuild.recipe.data_sections import Quantize, Rule
    from etbuild.recipe.model_sections import Export
    from etbuild.recipe.program_sections import Pass


@dataclass(frozen=True)
class Quantization:
    """What is quantised, and how.

    program, output: exported.pt2 and quantized.pt2; of a model with several methods folders with one a method.
    operators:       files that register operators of the user.
    passes:          at aten or quantized.
    """

    program: Path
    output: Path
    profile: str
    settings: Quantize
    export: Export
    operators: tuple[Path, ...] = ()
    passes: tuple[Pass, ...] = ()


def quantizes(settings: Quantize) -> bool:
    """Whether anything is quantised with these settings."""
    return settings.scheme != "none" or bool(settings.rules)


def write_quantized(what: Quantization, code: UserCode) -> dict[str, Any]:
    """Write the output; the content of quantization.json. code: runs what the recipe names.

    raises: StepError; it names the method.
    """
    names = methods.names_in(what.program)
    return _write_methods(what, names, code) if names else _written(what, code)


def _write_methods(what: Quantization, names: Sequence[str], code: UserCode) -> dict[str, Any]:
    """A rule has to match in one method at least; in others it counts for nothing."""
    unmatched: dict[Rule, dict[str, UnmatchedRuleError]] = {}

    def written(name: str) -> dict[str, Any]:
        one = _of_method(what, name, names)
        while True:
            try:
                return _written(one, code)
            except UnmatchedRuleError as error:
                unmatched.setdefault(error.rule, {})[name] = error
                rules = tuple(rule for rule in one.settings.rules if rule != error.rule)
                one = replace(one, settings=replace(one.settings, rules=rules), operators=())

    methods.new_folder(what.output)
    reports = methods.for_each(names, written)
    for errors in unmatched.values():
        if len(errors) == len(names):
            raise StepError("\n".join(f"method {name}: {error}" for name, error in errors.items()))
    return _joined(reports)


def _of_method(what: Quantization, name: str, names: Sequence[str]) -> Quantization:
    """For one method, as for a model that has no other. The user's operators are registered by the first."""
    program, output = (methods.file_of(folder, name) for folder in (what.program, what.output))
    settings = replace(what.settings, calibration=methods.samples_of(what.settings.calibration, name))
    operators = what.operators if name == names[0] else ()
    return replace(what, program=program, output=output, settings=settings, operators=operators)


def _joined(reports: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The reports of all methods in one: each entry of a list with its method, and what all reports say."""
    first, *others = reports.values()
    joined = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    for key in ("tensors", "accepted", "rejected"):
        joined[key] = [{"method": name, **entry} for name, report in reports.items() for entry in report[key]]
    return joined


def _written(what: Quantization, code: UserCode) -> dict[str, Any]:
    is_quantized = may_be_quantized(what.program)
    is_worked_on = is_quantized or quantizes(what.settings) or bool(what.passes)
    return _made(what, code, is_quantized) if is_worked_on else _copied(what)


def _copied(what: Quantization) -> dict[str, Any]:
    what.output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(what.program, what.output)
    return {"tensors": [], "accepted": [], "rejected": []}


def _made(what: Quantization, code: UserCode, may_be_quantized: bool) -> dict[str, Any]:
    """Write the program, after its passes and its quantisation; quantization.json. A model that is quantised already is
    taken as it is."""
    from etbuild.compile import compiler_imports, qat, quantized_model
    from etbuild.compile.custom_operators import register
    from etbuild.compile.exported_program import load_program, save_program
    from etbuild.compile.passes import Passes
    from etbuild.compile.quantizing import quantize

    compiler_imports.load_executorch()
    register(what.operators, code.operators)
    passes, settings, training = Passes(what.passes, code), what.settings, what.settings.qat

    def train(prepared: Any, samples: Sequence[qat.Sample]) -> None:
        with code.recorded():
            qat.train(prepared, training, samples)

    program = load_program(what.program)
    found = quantized_model.quantized_tensors(program) if may_be_quantized else []
    report: dict[str, Any] = {"tensors": found, "accepted": [], "rejected": []}
    if found:
        scheme = quantized_model.accept(found, settings, what.program)
        print(f"the model is quantised already, to {scheme}: it is taken as it is")
        report |= {"scheme": scheme, "already_quantized": True}
        if not what.passes:
            return {**_copied(what), **report}
    program = passes.apply(program, "aten")
    if not found and quantizes(settings):
        trained = train if training.source else None
        program, report = quantize(program, settings, what.profile, what.export, trained)
    save_program(passes.apply(program, "quantized"), what.output)
    if training.source:
        report["trained"] = {"source": str(training.source), "entry": training.entry, "seed": training.seed}
    return report
