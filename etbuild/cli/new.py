"""`etbuild new`: writes a commented recipe, and what the folder lacks to be a project. It overwrites nothing.

That is: a model to start from, dodo.py, .gitignore, and the recipes' schema for editors: a copy in the repository is
found on every machine that clones it.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from etbuild.config.diagnostics import did_you_mean, one_of, quoted
from etbuild.config.schemas import schema_file
from etbuild.errors import UsageError
from etbuild.hardware.boards import board_names
from etbuild.hardware.npus import catalog

DODO = '''\
"""The tasks of this project: those of the recipes in recipes/. Tasks of your own can follow."""

from etbuild.tasks import Project

project = Project(__file__)
DOIT_CONFIG = project.doit_config
'''
GITIGNORE = """\
# What doit and Python write; all of it is made again.
build/
__pycache__/
"""
BOARD = "qemu-mps3-an547"
SCHEMA = Path("schemas/recipe.schema.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the recipe; the file is recipes/NAME.yaml")
    parser.add_argument("--model", metavar="FILE.py", help="source of the model; written when it does not exist")
    parser.add_argument("--npu", default="ethos-u55-128", help="none for the CPU alone; default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    name, npu = arguments.name, arguments.npu
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UsageError(
            f"NAME: got {quoted(name)}, wanted letters, digits, _, . and -, beginning with a letter or digit"
        )
    known = [*catalog().npus, "none"]
    if npu not in known:
        hint = did_you_mean(npu, known)
        raise UsageError(f"--npu: got {quoted(npu)}, wanted {one_of(known)}" + (f"\n    {hint}" if hint else ""))
    recipe = Path("recipes") / f"{name}.yaml"
    model = Path(arguments.model or f"recipes/models/{re.sub('[^A-Za-z0-9_]', '_', name)}.py")
    if model.suffix != ".py":
        raise UsageError(f"--model: got {quoted(str(model))}, wanted a .py file")
    is_example = not model.exists()
    _write_new(recipe, recipe_text(name, npu, os.path.relpath(model, recipe.parent), is_example))
    if is_example:
        _write_new(model, MODEL_TEXT)
    schema = schema_file("recipe").read_text(encoding="utf-8")
    for path, text in ((Path("dodo.py"), DODO), (Path(".gitignore"), GITIGNORE), (SCHEMA, schema)):
        if not path.exists():
            _write_new(path, text)
    if _text(SCHEMA) != schema:
        print(f"{SCHEMA} is not that of this etbuild: delete it, and `etbuild new` writes it again")
    if not any(line.strip().strip("/") == "build" for line in _text(Path(".gitignore")).splitlines()):
        print(".gitignore has no line build/: add it, all outputs are there")
    print(f"next: doit build:{name}")
    return 0


def recipe_text(name: str, npu: str, source: str, is_example: bool) -> str:
    """The text of a recipe for one NPU, with the system configuration and memory mode that ExecuTorch defaults to.

    source:     the model's file, relative to the recipe's folder.
    is_example: whether the model is MODEL_TEXT, for which a limit of the difference to the float model is known.
    """
    return f"""\
# yaml-language-server: $schema=../{SCHEMA}
# `doit build:{name}` builds this recipe into build/{name}/. The schema above describes every key.
model:
  # It defines ModelUnderTest, a torch.nn.Module, and ModelInputs, a tuple of example tensors.
  source: {_scalar(source)}
  # A state_dict of the model, .safetensors or .pt:
  # weights: models/{name}.safetensors

quantize:
  scheme: int8  # or int16x8, or none
  # Samples whose value ranges set the quantisation, instead of the example inputs. The first axis counts them:
  # calibration: {{data: data/{name}_calibration.npz, samples: 64}}

targets:
{_target(npu)}

# Test vectors: outputs are compared with a reference; an array `labels` in the .npz adds the accuracy:
# vectors: {{data: data/{name}_test.npz, samples: 16}}

# What runs is always compared with the expected outputs, bit by bit. This is a limit of another difference, that of the
# quantised from the float model, in the unit of the outputs; without a limit it is only reported.
{GOLDEN if is_example else "".join(f"# {line}" for line in GOLDEN.splitlines(keepends=True))}
header:
  symbol: {re.sub("[^A-Za-z0-9_]", "_", f"model_{name}")}  # name of the C array

# The firmware that is built and run on the test vectors. {BOARD} is QEMU's, with an NPU beside it; others
# are {", ".join(name for name in board_names() if name != BOARD)}, and the path of a board's file of your own.
runtime: {{board: {BOARD}}}
run: {{on: auto}}  # or host, or none
"""


def _target(npu: str) -> str:
    if npu == "none":
        return "  - npu: none"
    family = catalog().npus[npu].family
    configs = [name for name, config in catalog().stock.system_configs.items() if config.family == family]
    return f"""\
  - npu: {npu}
    # Memory bandwidths and latencies for Vela's decisions and estimates: {", ".join(configs)}.
    system_config: {family.system_config}
    memory_mode: {family.memory_mode}"""


def _text(path: Path) -> str:
    """The text of a file that exists; "" when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _scalar(text: str) -> str:
    """The text as a YAML scalar, quoted where needed."""
    return text if re.fullmatch(r"[A-Za-z./][A-Za-z0-9_./-]*", text) else quoted(text)


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        print(f"wrote {path}")
    except FileExistsError:
        raise UsageError(f"{path}: got a file that exists, wanted a new name; nothing was overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: got {error.strerror}, wanted to write it") from error


GOLDEN = """\
golden:
  atol: 0.02
"""

MODEL_TEXT = '''\
"""A small network to start from: two convolutions and a classifier, weights by seed.

input:  [1, 1, 28, 28] float32, a grey image.
output: [1, 10] float32, one logit a class.
"""

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


torch.manual_seed(0)
ModelUnderTest = Classifier().eval()
ModelInputs = (torch.rand(1, 1, 28, 28) * 2 - 1,)
'''
