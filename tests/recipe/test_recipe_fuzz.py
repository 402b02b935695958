"""Whatever a file contains, loading it gives a Recipe or a RecipeError, in bounded time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etbuild.errors import RecipeError
from etbuild.recipe.load import load
from etbuild.recipe.recipe import Recipe

HERE = Path(__file__).parent
GOOD = b"""\
model: {source: net.py, inputs: [{shape: [1, 2], dtype: int8, range: [-1, 1]}]}
export: {strict: true, dynamic_shapes: []}
quantize: {scheme: int8, rules: [{operator: add, scheme: none}], calibration: {samples: 3, seed: 1}}
targets:
  - &t {npu: ethos-u55-128, memory_mode: [Shared_Sram, Sram_Only], vela: {optimise: Size, flags: [--verbose-all]}}
  - {<<: *t, npu: ethos-u55-256}
vectors: {samples: 4}
golden: {lsb: 0, atol: 1e-3}
header: {symbol: x, alignment: 16, section: .s}
run: {on: host, timeout_s: 5}
"""
SEEDS = [GOOD, *(file.read_bytes() for file in sorted((HERE / "bad").glob("*.yaml")))]

KEYS = (
    "model source entry builtin inputs shape dtype range seed file export dynamic_shapes input axis name quantize "
    "scheme rules operator calibration data samples targets npu system_config memory_mode vela ini optimise flags "
    "arena_cache_size vectors golden lsb accuracy header symbol alignment run on timeout_s extends x"
)
WORDS = (
    "net.py ethos-u55-128 ethos-u85-256 none int8 uint8 Shared_Sram Dedicated_Sram Ethos_U65_Embedded host "
    "Ethos_U85_SYS_DRAM_Mid ~ $HOME ${X $$ .. / _base.yaml net.yaml --config=x vela.ini"
)

keys = st.sampled_from(KEYS.split())
words = st.sampled_from(WORDS.split())
scalars = words | st.text(max_size=8) | st.integers() | st.floats() | st.booleans() | st.none()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


def read(data: bytes) -> Recipe | RecipeError:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "net.py").touch()
        (root / "vela.ini").write_text("[System_Config.A]\n[Memory_Mode.B]\n")
        (root / "_base.yaml").write_bytes(GOOD)
        (root / "net.yaml").write_bytes(data)
        try:
            return load(root / "net.yaml", root, {"HOME": folder})
        except RecipeError as error:
            assert error.problems
            str(error).encode()
            return error


def test_the_seed_is_a_valid_recipe() -> None:
    """Otherwise the mutations start from an error."""
    assert isinstance(read(GOOD), Recipe)


@pytest.mark.parametrize(
    "text",
    [
        "targets: {npu: [" + ",".join(f"x{n}" if n % 2 else str(n) for n in range(4900)) + "]}",
        "targets: {npu: [" + ",".join(f"{{a: {n}}}" for n in range(1600)) + "]}",
        "targets: [" + ",".join(f"{{npu: none, vela: {{arena_cache_size: {n}}}}}" for n in range(1, 900)) + "]",
        "\n".join(f"key{n}: {n}" for n in range(4900)),
        "targets: " + "9" * 250_000,
        "? " * 120_000,
        "&a " * 80_000,
        "'" * 250_001,
        "a: |\n" + " x\n" * 80_000,
    ],
)
def test_a_large_file_of_one_kind_is_rejected_in_bounded_time(text: str) -> None:
    """No pairwise comparison of values, and no quadratic case of the parser."""
    assert isinstance(read(text.encode()), RecipeError)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_recipe_or_its_diagnostics(data: bytes) -> None:
    """Binary files, broken UTF-8."""
    read(data)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("[]{}:,-?&*!|>'\"%@`#\n\t ~<01e.ax"), max_size=60))
def test_any_yaml_syntax_gives_a_recipe_or_its_diagnostics(text: str) -> None:
    """Sequences of YAML's indicators."""
    read(text.encode())


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(keys, values, max_size=8))
def test_any_values_under_the_recipes_own_keys_give_a_recipe_or_its_diagnostics(tree: dict[str, Any]) -> None:
    """Right keys in wrong places, wrong types, huge and odd numbers."""
    read(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_any_small_edit_gives_a_recipe_or_its_diagnostics(seed: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    """Valid and invalid recipes with some bytes replaced."""
    data = seed
    for start, length, new in edits:
        start %= len(data) + 1
        data = data[:start] + new + data[start + length :]

    read(data)
