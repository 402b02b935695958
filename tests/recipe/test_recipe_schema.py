"""The schema describes every key for editors, is generated from the sections, and is part of the wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from etbuild.config import yaml_tree
from etbuild.config.diagnostics import Diagnostics
from etbuild.config.schemas import schema_file, schema_text
from etbuild.hardware import npus
from etbuild.recipe.schema import recipe_schema

ROOT = Path(__file__).parents[2]
TEXT = schema_file("recipe").read_text()
SCHEMA: dict[str, Any] = json.loads(TEXT)
SHIPPED = sorted([*(ROOT / "recipes").glob("*.yaml"), *(ROOT / "etbuild/hardware/boards").glob("*.yaml")])
UNITS = {
    "arena_cache_size": "bytes",
    "alignment": "bytes",
    "bytes_per_line": "bytes",
    "timeout_s": "seconds",
    "samples": "samples",
    "lsb": "LSB of the output",
    "accuracy": "share of the vectors",
    "shape": "elements",
}


def keys(schema: Any = SCHEMA, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of every mapping with its schema; a reference is replaced by what it names."""
    for name, key in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        named = SCHEMA["$defs"][key["$ref"].rpartition("/")[2]] | key if "$ref" in key else key
        yield where, named
        if "properties" in named:
            yield from keys(named, where)
    if not path:
        for name in ("input", "dynamic_axis", "rule", "target"):
            yield from keys(SCHEMA["$defs"][name], name)


def test_the_schema_is_a_json_schema() -> None:
    """Draft 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_committed_schema_is_what_the_generator_gives() -> None:
    """The whole file; else run `python -m etbuild.recipe.schema`. The NPUs are those of the catalog."""
    assert schema_text(recipe_schema()) == TEXT
    assert SCHEMA["$defs"]["npu"]["enum"] == [*npus.catalog().npus, "none"]


def test_every_key_has_a_description_and_an_example_that_is_valid() -> None:
    """An editor shows both."""
    wrong = []
    for where, key in keys():
        if not key.get("description") or not key.get("examples"):
            wrong.append(where)
        validator = Draft202012Validator({**key, "$defs": SCHEMA["$defs"]})
        wrong += [f"{where}: {example}" for example in key.get("examples", ()) if not validator.is_valid(example)]

    assert wrong == []
    assert len(list(keys())) > 50


def test_every_quantity_names_its_unit() -> None:
    """Bytes, seconds, samples."""
    found = {where.rpartition(".")[2]: key["x-unit"] for where, key in keys() if "x-unit" in key}

    assert {name: found.get(name) for name in UNITS} == UNITS


def test_no_mapping_accepts_an_unknown_key() -> None:
    """Every object of the schema is closed."""
    objects = [SCHEMA, *(part for part in SCHEMA["$defs"].values() if part.get("type") == "object")]

    assert [part.get("additionalProperties") for part in objects] == [False] * len(objects)


def test_the_shipped_recipes_name_their_schema() -> None:
    """In the first line, where editors look for it."""
    files = sorted((ROOT / "recipes").glob("*.yaml"))

    assert [
        file.name
        for file in files
        if not file.read_text().startswith("# yaml-language-server: $schema=../schemas/recipe.schema.json\n")
    ] == []


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_file_is_valid_by_the_schema_that_it_names(file: Path) -> None:
    """Editors show no error in it: neither in a recipe, nor in what is only something to extend, nor in a board."""
    diagnostics = Diagnostics()
    first = file.read_text().partition("\n")[0]
    schema = json.loads((file.parent / first.partition("$schema=")[2]).read_text())
    tree = yaml_tree.read(file.read_bytes(), file, diagnostics)

    assert tree is not None
    assert [error.message for error in Draft202012Validator(schema).iter_errors(yaml_tree.plain(tree))] == []


@pytest.mark.e2e
def test_a_wheel_contains_the_schema_and_the_npu_catalog(tmp_path: Path) -> None:
    """pip builds it from a copy of the sources; its content then loads a recipe without the checkout."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("etbuild", "schemas"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*pip, str(source)], check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "net.yaml").write_text("model: {builtin: add}\ntargets: {npu: ethos-u65-512}\n")
    code = (
        "import sys; sys.path.insert(0, 'site')\n"
        "from pathlib import Path\n"
        "from etbuild.config.schemas import schema_file\n"
        "from etbuild.hardware import npus\n"
        "from etbuild.recipe.load import load\n"
        "print(load(Path('net.yaml'), Path('.'), {}).targets[0].memory_mode)\n"
        "print(schema_file('recipe'), npus.TABLE)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)

    package = tmp_path / "site" / "etbuild"
    assert done.stdout == (
        f"Dedicated_Sram_384KB\n{package / 'schemas' / 'recipe.schema.json'} {package / 'hardware' / 'npus.yaml'}\n"
    )
