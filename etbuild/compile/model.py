"""A recipe's model and example inputs as PyTorch objects. It exports nothing.

What the user's code raises is told by the user's own lines, never as a traceback of ours.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.exported_program import load_program, portable_path
from etbuild.errors import MissingTool, StepError

if TYPE_CHECKING:
    from etbuild.recipe.model_sections import InputSpec, Model

# How torch.export names the user's lines within its message.
_TOLD_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)')


@contextmanager
def import_path() -> Iterator[None]:
    """While it lasts, sys.path may grow by what a model asks for."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


def load_model(model: Model) -> tuple[Any, tuple[Any, ...]]:
    """The module (or, for `program`, the ExportedProgram) and the tensors to export it with."""
    if model.program:
        module = load_program(model.program)
        inputs = _inputs_of_program(module, model.program)
    elif model.builtin:
        module, inputs = _builtin(model.builtin)
    else:
        module, inputs = _from_source(model)
    if model.inputs:
        inputs = tuple(make_input(spec, index) for index, spec in enumerate(model.inputs))
    if model.weights:
        _load_weights(module, model.weights)
    return module, inputs


@contextmanager
def users_code(doing: str) -> Iterator[None]:
    """What the user's code raises in here becomes a StepError: what was being done, their lines, their words."""
    try:
        yield
    except (StepError, MissingTool):
        raise
    except (Exception, SystemExit) as error:
        raise StepError(f"{doing}: got {_describe(error)}\n{_users_frames(error)}".rstrip()) from error


def make_input(spec: InputSpec, index: int) -> Any:
    """One tensor from its recipe: read from a file, or uniform from its seed."""
    import torch

    if spec.file:
        return _input_from_file(spec.file)
    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise StepError(f"model.inputs[{index}].dtype: got {spec.dtype}, wanted a torch dtype, e.g. float32 or int8")
    generator = torch.Generator().manual_seed(spec.seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, spec.shape, generator=generator).to(dtype)
    low, high = spec.range or (-1.0, 1.0)
    if not dtype.is_floating_point:
        return torch.randint(int(low), int(high) + 1, spec.shape, generator=generator).to(dtype)
    return (torch.rand(spec.shape, generator=generator) * (high - low) + low).to(dtype)


def _input_from_file(path: Path) -> Any:
    import numpy as np
    import torch

    try:
        if path.suffix == ".npy":
            value = torch.from_numpy(np.load(path, allow_pickle=False))
        else:
            value = torch.load(path, weights_only=True)
    except Exception as error:
        raise StepError(f"{path}: got {_describe(error)}, wanted one tensor in a .npy or .pt file") from error
    if not isinstance(value, torch.Tensor):
        raise StepError(f"{path}: got {type(value).__name__}, wanted one tensor")
    return value.float() if value.dtype == torch.float64 else value


def _inputs_of_program(program: Any, path: Path) -> tuple[Any, ...]:
    arguments, named = program.example_inputs or ((), {})
    if named:
        raise StepError(f"{path}: got keyword inputs {', '.join(named)}, wanted positional ones only")
    if not arguments:
        raise StepError(f"{path}: got a program without example inputs\n    give them in the recipe's model.inputs")
    return tuple(arguments)


def _builtin(name: str) -> tuple[Any, tuple[Any, ...]]:
    from executorch.examples.models import MODEL_NAME_TO_MODEL
    from executorch.examples.models.model_factory import EagerModelFactory

    if name not in MODEL_NAME_TO_MODEL:
        known = ", ".join(sorted(MODEL_NAME_TO_MODEL))
        raise StepError(f"model.builtin: got {name}, wanted one of {known}")
    try:
        module, inputs, _, _ = EagerModelFactory.create_model(*MODEL_NAME_TO_MODEL[name])
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"model.builtin {name}: got no Python package {error.name}, wanted it, as the model is made from it\n"
            f"    pip install {(error.name or '').partition('.')[0]}"
        ) from error
    except Exception as error:
        raise StepError(
            f"model.builtin {name}: got {_describe(error)} while it was made\n"
            "    the model needs a package that does not fit the installed PyTorch, or the network"
        ) from error
    return module, tuple(inputs)


def _from_source(model: Model) -> tuple[Any, tuple[Any, ...]]:
    place = str(model.source or model.entry)
    with users_code(f"{place}: import"):
        namespace = _import_source(model)
    if model.entry:
        module, inputs = _call_factory(namespace, model.entry.rpartition(":")[2], place)
    else:
        missing = [name for name in ("ModelUnderTest", "ModelInputs") if not hasattr(namespace, name)]
        if missing:
            raise StepError(
                f"{place}: got no {' and no '.join(missing)}, wanted ModelUnderTest (a torch.nn.Module) "
                "and ModelInputs (a tuple of tensors)\n    define them, or name a factory in model.entry"
            )
        module, inputs = namespace.ModelUnderTest, namespace.ModelInputs
    return _checked(module, inputs, place)


def _import_source(model: Model) -> Any:
    """The model's module, with its folder and the project's root on sys.path as for a script started there."""
    root = Path.cwd()
    if not model.source:
        sys.path.insert(0, str(root))
        return importlib.import_module((model.entry or "").partition(":")[0])
    path = root / model.source
    if not path.is_file():
        raise StepError(f"{model.source}: got no such file, wanted the model's source")
    name = _module_name(path)
    sys.path[:0] = [str(path.parent), str(root)]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader, "a .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _module_name(path: Path) -> str:
    """The file's name, unless a package is called so; the project itself may stand on sys.path and does not count."""
    name = re.sub(r"\W", "_", path.stem)
    root = Path.cwd()
    inside = [
        entry for entry in sys.path if Path(entry).is_relative_to(root) and not Path(entry).is_relative_to(sys.prefix)
    ]
    packages = [entry for entry in sys.path if entry and entry not in inside]
    taken = name in sys.builtin_module_names or importlib.machinery.PathFinder.find_spec(name, packages)
    return name if name.isidentifier() and not taken else f"model_{name}"


def _call_factory(namespace: Any, function: str, place: str) -> tuple[Any, Any]:
    factory: Callable[[], Any] | None = getattr(namespace, function, None)
    if not callable(factory):
        raise StepError(f"{place}: model.entry: got no function {function}, wanted one that returns (module, inputs)")
    with users_code(f"{place}: {function}()"):
        made = factory()
    if not isinstance(made, tuple) or len(made) != 2:
        raise StepError(f"{place}: {function}(): got {type(made).__name__}, wanted a pair (module, inputs)")
    return made


def _checked(module: Any, inputs: Any, place: str) -> tuple[Any, tuple[Any, ...]]:
    import torch

    if not isinstance(module, torch.nn.Module):
        hint = "\n    call it: ModelUnderTest = MyModel()" if isinstance(module, type) else ""
        raise StepError(f"{place}: the model: got {_kind(module)}, wanted a torch.nn.Module{hint}")
    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if not isinstance(inputs, (tuple, list)) or not all(isinstance(value, torch.Tensor) for value in inputs):
        raise StepError(f"{place}: its inputs: got {_kind(inputs)}, wanted a tuple of tensors")
    return module, tuple(inputs)


def _load_weights(module: Any, path: Path) -> None:
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise StepError(f"{path}: got {_describe(error)}, wanted weights: .safetensors or a .pt state_dict") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise StepError(f"{path}: got {_kind(state)}, wanted a state_dict: names and tensors")
    own = module.state_dict if isinstance(module, torch.export.ExportedProgram) else module.state_dict()
    faults = [f"missing: {name} {_shape(own[name])}" for name in own if name not in state]
    faults += [f"unexpected: {name} {_shape(state[name])}" for name in state if name not in own]
    faults += [
        f"shape of {name}: got {_shape(state[name])}, wanted {_shape(own[name])}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if faults:
        shown = faults[:10] + ([f"... and {len(faults) - 10} more"] if len(faults) > 10 else [])
        told = "\n    ".join(shown)
        raise StepError(f"{path}: got weights of another model, wanted the tensors of this one\n    {told}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _shape(tensor: Any) -> str:
    return f"[{', '.join(str(size) for size in tensor.shape)}]"


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _describe(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _users_frames(error: BaseException) -> str:
    """The lines of the user's own files that led to the error, outermost first, and the compiler's advice."""
    walked = traceback.extract_tb(error.__traceback__)
    frames = [(frame.filename, frame.lineno, frame.name, frame.line or "") for frame in walked]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno, "<module>", (error.text or "").strip()))
    told = str(error).splitlines()
    for line, code in zip(told, [*told[1:], ""], strict=True):
        if match := _TOLD_FRAME.match(line):
            frames.append((match.group(1), int(match.group(2)), match.group(3), code.strip()))
    here = Path.cwd()
    lines = []
    for file, number, function, code in frames:
        path = portable_path(file)
        if (here / path).is_file() and not path.startswith("etbuild/"):
            lines.append(f"    {path}:{number} in {function}: {code}")
    lines += [
        f"    {line.strip()}" for line in told if line.lstrip().startswith(("Explanation:", "Hint:", "- You marked"))
    ]
    return "\n".join(dict.fromkeys(lines))
