"""Loads a recipe's model and example inputs as PyTorch objects. It exports nothing.

Errors in the user's code are reported with the user's source lines, without a traceback of etbuild.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.example_inputs import given_inputs
from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import Inputs, described, inputs_of, kind
from etbuild.compile.user_code import import_source, users_code
from etbuild.errors import MissingTool, StepError

if TYPE_CHECKING:
    from etbuild.recipe.model_sections import Model


def load_model(model: Model) -> tuple[Any, Inputs]:
    """The torch.nn.Module (for model.program an ExportedProgram) and its example inputs.

    raises: StepError; MissingTool when a built-in model needs a package that is not installed.
    """
    if model.program:
        module = load_program(model.program)
        inputs = _inputs_of_program(module, model)
    elif model.builtin:
        module, inputs = _builtin(model.builtin)
    elif model.module:
        module, inputs = _saved_module(model.module), Inputs(())
    else:
        module, inputs = _from_source(model)
    if model.inputs:
        inputs = given_inputs(model.inputs, inputs)
    if model.weights:
        _load_weights(module, model.weights)
    return module, inputs


def _inputs_of_program(program: Any, model: Model) -> Inputs:
    arguments, named = program.example_inputs or ((), {})
    if not arguments and not named and not model.inputs:
        raise StepError(
            f"{model.program}: got a program without example inputs\n    give them in the recipe's model.inputs"
        )
    return _placed(f"{model.program}: its inputs", arguments, named)


def _placed(place: str, value: Any, keywords: Any = None) -> Inputs:
    """The inputs; errors begin with the place."""
    try:
        return inputs_of(value, keywords)
    except StepError as error:
        raise StepError(f"{place}: {error}") from None


def _builtin(name: str) -> tuple[Any, Inputs]:
    import torch
    from executorch.examples.models import MODEL_NAME_TO_MODEL
    from executorch.examples.models.model_factory import EagerModelFactory

    if name not in MODEL_NAME_TO_MODEL:
        known = ", ".join(sorted(MODEL_NAME_TO_MODEL))
        raise StepError(f"model.builtin: got {name}, wanted one of {known}")
    try:
        module, inputs, keywords, _ = EagerModelFactory.create_model(*MODEL_NAME_TO_MODEL[name])
    except ModuleNotFoundError as error:
        # With torch in the command pip chooses a version for this PyTorch, and does not replace PyTorch.
        raise MissingTool(
            f"model.builtin {name}: got no Python package {error.name}, wanted it to create the model\n"
            f"    pip install torch=={torch.__version__.partition('+')[0]} {(error.name or '').partition('.')[0]}"
        ) from error
    except Exception as error:
        raise StepError(
            f"model.builtin {name}: got {described(error)}, wanted the model\n"
            "    it needs the network, or a package that is not compatible with the installed PyTorch"
        ) from error
    return module, _placed(f"model.builtin {name}: its inputs", inputs, keywords)


def _saved_module(path: Path) -> Any:
    """The module in a file of torch.save; its classes are imported from the file's folder or the project."""
    import torch

    sys.path[:0] = [str((Path.cwd() / path).parent), str(Path.cwd())]
    with users_code(f"{path}: torch.load"):
        try:
            module = torch.load(path, weights_only=False, map_location="cpu")
        except AttributeError as error:
            raise StepError(
                f"{path}: got {described(error)}, wanted classes that can be imported\n"
                "    define the model's class in a module of the project, not in the program that saves it"
            ) from error
    if isinstance(module, dict):
        raise StepError(
            f"{path}: got a state_dict, wanted a torch.nn.Module\n"
            "    name the module in model.source and this file in model.weights"
        )
    _check_module(module, str(path))
    return module


def load_methods(model: Model) -> dict[str, tuple[Any, Inputs]]:
    """By the name of each of model.methods: its module and example inputs. The source is imported once, so that what it
    defines is shared.

    raises: StepError.
    """
    source = str(model.source)
    with users_code(f"{source}: import"):
        namespace = _import_source(model)
    found = {}
    for method in model.methods:
        module, *inputs = _call_factory(namespace, method.factory, source, f"model.methods.{method.name}")
        _check_module(module, source)
        found[method.name] = module, _placed(f"{source}: {method.factory}(): its inputs", *inputs)
    return found


def _from_source(model: Model) -> tuple[Any, Inputs]:
    source = str(model.source or model.entry)
    with users_code(f"{source}: import"):
        namespace = _import_source(model)
    if model.entry:
        module, *inputs = _call_factory(namespace, model.entry.rpartition(":")[2], source, "model.entry")
    else:
        missing = [name for name in ("ModelUnderTest", "ModelInputs") if not hasattr(namespace, name)]
        if missing:
            raise StepError(
                f"{source}: got no {' and no '.join(missing)}, wanted ModelUnderTest (a torch.nn.Module) "
                "and ModelInputs (a tuple of tensors)\n    define them, or name a factory in model.entry"
            )
        module, inputs = namespace.ModelUnderTest, [namespace.ModelInputs]
        inputs += [namespace.ModelKeywordInputs] if hasattr(namespace, "ModelKeywordInputs") else []
    _check_module(module, source)
    return module, _placed(f"{source}: its inputs", *inputs)


def _import_source(model: Model) -> Any:
    """Import the model's module, with its folder and the project's root on sys.path, as for a script run there."""
    if model.source:
        return import_source(model.source, "the model's source")
    sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module((model.entry or "").partition(":")[0])


def _call_factory(namespace: Any, function: str, source: str, key: str) -> tuple[Any, ...]:
    """What the factory returns: module and inputs, or module, inputs and keyword inputs. key: of the recipe."""
    factory: Callable[[], Any] | None = getattr(namespace, function, None)
    if not callable(factory):
        raise StepError(f"{source}: {key}: got no function {function}, wanted one that returns (module, inputs)")
    with users_code(f"{source}: {function}()"):
        made = factory()
    if not isinstance(made, tuple) or len(made) not in (2, 3):
        raise StepError(f"{source}: {function}(): got {type(made).__name__}, wanted a pair (module, inputs)")
    return made


def _check_module(module: Any, source: str) -> None:
    import torch

    if not isinstance(module, torch.nn.Module):
        hint = "\n    call it: ModelUnderTest = MyModel()" if isinstance(module, type) else ""
        raise StepError(f"{source}: the model: got {kind(module)}, wanted a torch.nn.Module{hint}")


def _load_weights(module: Any, path: Path) -> None:
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise StepError(f"{path}: got {described(error)}, wanted weights: .safetensors or a .pt state_dict") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise StepError(f"{path}: got {kind(state)}, wanted a state_dict: names and tensors")
    own = module.state_dict if isinstance(module, torch.export.ExportedProgram) else module.state_dict()
    mismatches = [f"missing: {name} {_shape(own[name])}" for name in own if name not in state]
    mismatches += [f"unexpected: {name} {_shape(state[name])}" for name in state if name not in own]
    mismatches += [
        f"shape of {name}: got {_shape(state[name])}, wanted {_shape(own[name])}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if mismatches:
        shown = mismatches[:10] + ([f"... and {len(mismatches) - 10} more"] if len(mismatches) > 10 else [])
        details = "\n    ".join(shown)
        raise StepError(f"{path}: got weights of another model, wanted the tensors of this one\n    {details}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _shape(tensor: Any) -> str:
    return f"[{', '.join(str(size) for size in tensor.shape)}]"
