"""The schema explains every key to an editor, agrees with the table and the code, and travels with the package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from etbuild.config.schemas import schema_file, text_of, with_table
from etbuild.hardware import npus
from etbuild.recipe import recipe

ROOT = Path(__file__).parents[2]
TEXT = schema_file("recipe").read_text()
SCHEMA: dict[str, Any] = json.loads(TEXT)
UNITS = {
    "arena_cache_size": "bytes",
    "alignment": "bytes",
    "bytes_per_line": "bytes",
    "timeout_s": "seconds",
    "samples": "samples",
    "lsb": "steps of the output's grid",
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
    """Draft 2020-12, as it says."""
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_committed_schema_is_what_the_generator_gives() -> None:
    """The NPUs stand in one table; `python -m etbuild.recipe.schema` brings the schema up to date."""
    assert text_of(with_table(SCHEMA)) == TEXT
    assert SCHEMA["$defs"]["npu"]["enum"] == [*npus.catalog().npus, "none"]


def test_every_key_has_a_description_and_an_example_that_is_valid() -> None:
    """What an editor shows is true."""
    wrong = []
    for where, key in keys():
        if not key.get("description") or not key.get("examples"):
            wrong.append(where)
        validator = Draft202012Validator({**key, "$defs": SCHEMA["$defs"]})
        wrong += [f"{where}: {example}" for example in key.get("examples", ()) if not validator.is_valid(example)]

    assert wrong == []
    assert len(list(keys())) > 50


def test_every_key_that_has_a_unit_says_it() -> None:
    """Bytes, seconds, samples."""
    found = {where.rpartition(".")[2]: key["x-unit"] for where, key in keys() if "x-unit" in key}

    assert {name: found.get(name) for name in UNITS} == UNITS


def test_no_mapping_takes_a_key_that_is_not_there() -> None:
    """Every object of the schema is closed."""
    objects = [SCHEMA, *(part for part in SCHEMA["$defs"].values() if part.get("type") == "object")]

    assert [part.get("additionalProperties") for part in objects] == [False] * len(objects)


def test_the_default_that_the_schema_shows_is_the_one_that_the_code_takes() -> None:
    """One fact in two places is held together here."""
    classes = {name.lower(): kind for name, kind in vars(recipe).items() if is_dataclass(kind)}
    shown = {
        (where.split(".")[1], where.rpartition(".")[2]): key["default"] for where, key in keys() if "default" in key
    }
    taken = {
        (section, field.name): field.default
        for section, kind in classes.items()
        for field in fields(kind)
        if (section, field.name) in shown and field.default is not MISSING
    }

    assert {key: value for key, value in shown.items() if key in taken} == taken
    assert len(taken) >= 9


def test_the_shipped_recipes_tell_editors_their_schema() -> None:
    """The first line makes an editor complete and check."""
    files = sorted((ROOT / "recipes").glob("*.yaml"))

    assert [
        file.name
        for file in files
        if not file.read_text().startswith("# yaml-language-server: $schema=../schemas/recipe.schema.json\n")
    ] == []


@pytest.mark.e2e
def test_a_wheel_holds_schema_and_table_and_finds_both(tmp_path: Path) -> None:
    """pip builds it from a copy of the sources; a recipe is then read by what came out, without the checkout."""
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
        "from etbuild import npus, recipe_loader, schema\n"
        "print(recipe_loader.load(Path('net.yaml'), Path('.'), {}).targets[0].memory_mode)\n"
        "print(schema.schema_file('recipe'), npus.TABLE)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)

    package = tmp_path / "site" / "etbuild"
    assert done.stdout == (
        f"Dedicated_Sram_384KB\n{package / 'schemas' / 'recipe.schema.json'} {package / 'data' / 'npus.yaml'}\n"
    )
