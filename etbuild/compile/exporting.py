"""Exports a recipe's model as a torch.export.ExportedProgram. It quantises and lowers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.recipe.model_sections import Export, Model


def export(model: Model, settings: Export) -> Any:
    """The ExportedProgram of a recipe's model.

    raises: StepError, with the user's source lines, for any error in the user's code.
    """
    from etbuild.compile.model import load_model

    name = str(model.source or model.entry or model.program or model.module or model.builtin)
    return _exported(name, *load_model(model), settings)


def export_methods(model: Model, settings: Export) -> dict[str, Any]:
    """The ExportedProgram of each of model.methods, by name.

    raises: as `export`, and StepError for methods that share a state.
    """
    from etbuild.compile.methods import for_each, require_own_state
    from etbuild.compile.model import load_methods

    source, loaded = str(model.source), load_methods(model)
    programs = for_each(list(loaded), lambda method: _exported(source, *loaded[method], settings))
    require_own_state(source, {method: module for method, (module, _) in loaded.items()}, programs)
    return programs


def _exported(name: str, module: Any, inputs: Inputs, settings: Export) -> Any:
    """name: of the model, for messages."""
    import torch

    from etbuild.compile import trace_patches
    from etbuild.compile.dynamic_shapes import dynamic_shapes, remedy_of_size_one
    from etbuild.compile.model_state import Snapshot, what_is_lost
    from etbuild.compile.user_code import users_code

    is_program = isinstance(module, torch.export.ExportedProgram)
    module = module.module(check_guards=False) if is_program else _evaluating(module)
    module.requires_grad_(False)
    before = Snapshot(module)
    with users_code(f"{name}: forward, called with its example inputs"), torch.no_grad():
        inputs.call(module)
    changed = before.changed()
    before.restore()  # The program begins as the model does.
    shapes = dynamic_shapes(module, inputs, settings.dynamic_shapes)
    lost = ""
    # A strict export loses what is assigned to a buffer, as in self.h = h.
    for strict in dict.fromkeys((settings.strict, False)):
        try:
            remedy = remedy_of_size_one(inputs, settings.dynamic_shapes)
            with remedy, users_code(f"{name}: torch.export"), trace_patches.cheaper_guards():
                program = torch.export.export(
                    module, inputs.arguments, inputs.keywords, dynamic_shapes=shapes, strict=strict
                )
        except StepError:
            if lost:
                break
            raise
        before.restore()
        with torch.no_grad():
            lost = what_is_lost(module, program, inputs, changed)
        before.restore()
        if not lost:
            return program
    raise StepError(f"{name}: {lost}")


def _evaluating(module: Any) -> Any:
    """The module in evaluation mode. A module that was exported or quantised before has one mode, and refuses."""
    try:
        return module.eval()
    except NotImplementedError:
        return module
