"""`etbuild new`: writes a commented recipe and, if there is no model yet, an example model. It overwrites nothing."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from etbuild.config.diagnostics import did_you_mean, one_of, quoted
from etbuild.config.schemas import schema_file
from etbuild.errors import UsageError
from etbuild.hardware.npus import Family, catalog

DODO = """\
from etbuild.tasks import Project
project = Project(__file__)
DOIT_CONFIG = project.doit_config"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the recipe; the file is recipes/NAME.yaml")
    parser.add_argument("--model", metavar="FILE.py", help="source of the model; written when it does not exist")
    parser.add_argument("--npu", default="ethos-u55-128", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    name, npu = arguments.name, arguments.npu
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UsageError(
            f"NAME: got {quoted(name)}, wanted letters, digits, _, . and -, beginning with a letter or digit"
        )
    if npu not in catalog().npus:
        hint = did_you_mean(npu, catalog().npus)
        raise UsageError(
            f"--npu: got {quoted(npu)}, wanted {one_of(catalog().npus)}" + (f"\n    {hint}" if hint else "")
        )
    recipe = Path("recipes") / f"{name}.yaml"
    model = Path(arguments.model or f"recipes/models/{re.sub('[^A-Za-z0-9_]', '_', name)}.py")
    if model.suffix != ".py":
        raise UsageError(f"--model: got {quoted(str(model))}, wanted a .py file")
    _write_new(recipe, recipe_text(name, npu, recipe, model))
    print(f"wrote {recipe}")
    if not model.exists():
        _write_new(model, MODEL_TEXT)
        print(f"wrote {model}")
    if not Path("dodo.py").exists():
        print(f"a dodo.py of these lines makes this folder a project:\n\n{DODO}\n")
    print(f"next: doit build:{name}")
    return 0


def recipe_text(name: str, npu: str, recipe: Path, model: Path) -> str:
    """The text of a recipe for one NPU, with the system configuration and memory mode that ExecuTorch defaults to.

    recipe, model: paths relative to the project; the recipe names the model relative to itself.
    """
    family = catalog().npus[npu].family
    source = os.path.relpath(model, recipe.parent)
    return f"""\
# yaml-language-server: $schema={_schema(recipe)}
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
{_target(npu, family)}

# Test vectors: outputs are compared with a reference; an array `labels` in the .npz adds the accuracy:
# vectors: {{data: data/{name}_test.npz, samples: 16}}

header:
  symbol: {re.sub("[^A-Za-z0-9_]", "_", f"model_{name}")}  # name of the C array
"""


def _target(npu: str, family: Family) -> str:
    configs = [name for name, config in catalog().stock.system_configs.items() if config.family == family]
    return f"""\
  - npu: {npu}
    # Memory bandwidths and latencies for Vela's decisions and estimates: {", ".join(configs)}.
    system_config: {family.system_config}
    memory_mode: {family.memory_mode}"""


def _schema(recipe: Path) -> str:
    """The JSON Schema for editors: of this project when it is a checkout of etbuild, else of the installed etbuild."""
    own = Path("schemas/recipe.schema.json")
    return os.path.relpath(own, recipe.parent) if own.exists() else str(schema_file("recipe"))


def _scalar(text: str) -> str:
    """The text as a YAML scalar, quoted where needed."""
    return text if re.fullmatch(r"[A-Za-z./][A-Za-z0-9_./-]*", text) else quoted(text)


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: got a file that exists, wanted a new name; nothing was overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: got {error.strerror}, wanted to write it") from error


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
