"""The JSON Schema of recipes, made from the settings of the section classes and from the NPU catalog.

It requires neither model nor targets: a file that is only something to extend may lack them, and editors cannot tell
such a file by its name. `resolve.py` requires them of the merged recipe.
`python -m etbuild.recipe.schema` writes it to schemas/recipe.schema.json.
"""

from __future__ import annotations

import sys

from etbuild.config.schemas import write_schema
from etbuild.config.setting import TEXT, section_info
from etbuild.config.setting_schema import Json, definitions
from etbuild.errors import exit_code_of
from etbuild.hardware.deploy_sections import Place
from etbuild.hardware.npus import catalog
from etbuild.hardware.target import Target, Vela
from etbuild.recipe.data_sections import Calibration, Golden, Quantize, Rule, Vectors
from etbuild.recipe.evaluate_sections import METRIC, Evaluate, OwnMetric
from etbuild.recipe.method_sections import MethodSamples
from etbuild.recipe.model_sections import DynamicDim, Export, InputSpec, Model
from etbuild.recipe.operator_sections import OPERATORS, Operators
from etbuild.recipe.output_sections import Header, Pte, Report
from etbuild.recipe.program_sections import PASSES, PLANNING, Exclude, MemoryPlanning, Partition, Pass
from etbuild.recipe.qat_sections import Qat
from etbuild.recipe.rewrite_sections import REWRITE_RULES, Rewrite
from etbuild.recipe.runtime_sections import Run, Runtime
from etbuild.recipe.weight_sections import WeightChange

# The sections of a recipe by key, in the order of the schema. `targets` and `passes` are lists of theirs.
SECTIONS = {
    "model": Model,
    "operators": Operators,
    "export": Export,
    "quantize": Quantize,
    "passes": Pass,
    "partition": Partition,
    "memory_planning": MemoryPlanning,
    "rewrite": Rewrite,
    "targets": Target,
    "vectors": Vectors,
    "golden": Golden,
    "evaluate": Evaluate,
    "header": Header,
    "pte": Pte,
    "runtime": Runtime,
    "run": Run,
    "report": Report,
    "deploy": Place,
}
_PARTS = (
    *(InputSpec, DynamicDim, Rule, Calibration, MethodSamples),
    *(Qat, WeightChange, Vela, Pass, Exclude, OwnMetric),
)
_EXTENDS = {
    "description": "Another recipe of the project that this one builds on. Mappings merge, lists and single values"
    " replace, and null removes a key of the other. A file whose name starts with _ is not a recipe, only"
    " something to extend.",
    "type": "string",
    "pattern": TEXT,
    "x-wanted": "the path of a recipe",
    "examples": ["_common.yaml"],
}
_TARGETS = {
    "description": "What to compile for: one target, or a list of them. A setting that is a list makes the target a"
    " matrix, one target for each legal combination; illegal ones are left out.",
    "anyOf": [
        {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/target"}, "x-wanted": "a list of targets"},
        {"$ref": "#/$defs/target"},
    ],
    "x-wanted": "a target or a list of targets",
    "examples": [
        [{"npu": "ethos-u55-128", "system_config": "Ethos_U55_High_End_Embedded", "memory_mode": "Shared_Sram"}],
        {"npu": ["ethos-u55-128", "ethos-u55-256"], "memory_mode": ["Shared_Sram", "Sram_Only"]},
    ],
}


def recipe_schema() -> Json:
    """The whole schema."""
    sections: Json = {key: {"$ref": f"#/$defs/{section_info(cls).name}"} for key, cls in SECTIONS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "recipe.schema.json",
        "title": "etbuild recipe",
        "description": "One model, what it is compiled for, and how the result is checked. Paths are relative to the"
        " file that has them; ~, $NAME and ${NAME} are replaced, $$ is a dollar sign.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extends": _EXTENDS,
            **sections,
            "targets": _TARGETS,
            "operators": OPERATORS,
            "passes": PASSES,
            "memory_planning": PLANNING,
        },
        "examples": [{"model": {"source": "models/mnist.py"}, "targets": [{"npu": "ethos-u55-128"}]}],
        "$defs": {**_definitions(), **_catalog_definitions()},
    }


def _definitions() -> Json:
    found = definitions(*SECTIONS.values(), *_PARTS)
    found["target"] |= _only_known_names()
    found["evaluate"]["properties"]["metric"] = METRIC
    return found


def _catalog_definitions() -> Json:
    """The names of the NPU catalog, and types that several settings share."""
    return {
        "name": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_.-]+$",
            "x-wanted": "a name of letters, digits, _, . and -",
        },
        "npu": {"enum": [*catalog().npus, "none"]},
        "rewrite_rules": {"enum": ["all", "none", *REWRITE_RULES]},
        "system_config": {"enum": list(catalog().stock.system_configs)},
        "memory_mode": {"enum": list(catalog().stock.memory_modes)},
        "arena_cache_size": {"type": "integer", "minimum": 1, "maximum": 1 << 40},
    }


def _only_known_names() -> Json:
    """Only names of the catalog are valid without a Vela config file of the user. For editors: see `validate.check`."""

    def one_or_many(name: str, wanted: str) -> Json:
        one = {"$ref": f"#/$defs/{name}"}
        many = {"type": "array", "minItems": 1, "uniqueItems": True, "items": one, "x-wanted": wanted}
        return {"anyOf": [one, many]}

    names = {
        "system_config": one_or_many("system_config", "a list of system configs"),
        "memory_mode": one_or_many("memory_mode", "a list of memory modes"),
    }
    own_file = {"properties": {"vela": {"required": ["ini"]}}, "required": ["vela"]}
    return {"if": own_file, "else": {"properties": names}}


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda _: write_schema("recipe", recipe_schema()), sys.argv[1:]))
