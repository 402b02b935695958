"""The NPU catalog agrees with Vela, and a recipe's targets are the legal combinations, each with its own name."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import pytest

from etbuild.hardware.npus import VelaConfig, catalog, incompatibility, legal_modes, read_vela_ini
from etbuild.hardware.target import Target, Vela
from etbuild.hardware.targets import IllegalTargetError, TargetSpec, expand, flag_problem, named

STOCK = catalog().stock


def names(*specs: TargetSpec) -> list[str]:
    return [target.variant for target in named([target for spec in specs for target in expand(spec)])]


def illegal(spec: TargetSpec) -> tuple[str, str, str, str]:
    with pytest.raises(IllegalTargetError) as caught:
        expand(spec)
    return caught.value.key, caught.value.got, caught.value.wanted, caught.value.remedy


@pytest.fixture(scope="module")
def velas() -> VelaConfig:
    """The config file of the installed Vela."""
    architecture = pytest.importorskip("ethosu.vela.architecture_features")
    return read_vela_ini(Path(architecture.CONFIG_FILES_PATH) / "Arm" / "vela.ini", "vela.ini")


def test_every_system_config_is_velas(velas: VelaConfig) -> None:
    """Names, clocks and the memories behind both ports; the family is in the name."""
    assert {row.name: (row.clock_hz, row.axi0, row.axi1) for row in STOCK.system_configs.values()} == {
        row.name: (row.clock_hz, row.axi0, row.axi1) for row in velas.system_configs.values()
    }
    assert {
        row.name.split("_")[1].lower() == row.family.name for row in STOCK.system_configs.values() if row.family
    } == {True}


def test_every_memory_mode_is_velas(velas: VelaConfig) -> None:
    """Names, ports and the size of the fast scratch."""
    assert STOCK.memory_modes == velas.memory_modes


def test_every_npu_is_velas() -> None:
    """Names, MACs, cores and width of addresses."""
    architecture = pytest.importorskip("ethosu.vela.architecture_features")
    with contextlib.redirect_stdout(io.StringIO()):
        features = {
            accelerator.value: architecture.create_default_arch(accelerator) for accelerator in architecture.Accelerator
        }

    assert {npu.name: (npu.macs, npu.cores, 2**npu.family.address_bits) for npu in catalog().npus.values()} == {
        name: (row.num_macs_per_cycle, row.ncores, row.max_address_offset) for name, row in features.items()
    }


def test_a_pair_is_legal_here_exactly_when_vela_accepts_it() -> None:
    """All system configs with all memory modes, on each NPU of the config's family, against Vela's own code."""
    architecture = pytest.importorskip("ethosu.vela.architecture_features")
    from ethosu.vela.errors import ConfigOptionError

    def vela_accepts(npu: str, config: str, mode: str) -> bool:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                architecture.ArchitectureFeatures(None, npu, config, mode, 3, False, None)
            except ConfigOptionError:
                return False
        return True

    ours = {
        (npu.name, config.name, mode.name): not incompatibility(config, mode)
        for npu in catalog().npus.values()
        for config in STOCK.system_configs.values()
        for mode in STOCK.memory_modes.values()
        if config.family == npu.family
    }

    assert ours == {triple: vela_accepts(*triple) for triple in ours}
    assert (len(ours), sum(ours.values())) == (246, 166)


def test_the_defaults_are_those_of_executorchs_compile_spec() -> None:
    """A .pte built from an NPU's name alone is then ExecuTorch's own. Only that function is taken from its source:
    importing ExecuTorch costs seconds."""
    package = importlib.util.find_spec("executorch")
    assert package and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "backends/arm/ethosu/compile_spec.py"
    (function,) = (
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "_default_system_config_and_memory_mode"
    )
    function.decorator_list = []
    namespace: dict[str, Any] = {}
    exec(compile(ast.Module([function], []), file, "exec"), namespace)

    theirs = {name: namespace[function.name](name, None, None) for name in catalog().npus}

    assert theirs == {npu.name: (npu.family.system_config, npu.family.memory_mode) for npu in catalog().npus.values()}


def test_the_defaults_are_legal() -> None:
    """A target that names only its NPU always resolves."""
    assert [target.npu for name in catalog().npus for target in expand(TargetSpec((name,)))] == list(catalog().npus)


def test_a_matrix_is_every_legal_combination() -> None:
    """By families and memory areas, in the order of the recipe."""
    spec = TargetSpec(
        npu=("ethos-u55-64", "ethos-u85-256"),
        system_config=("Ethos_U55_Deep_Embedded", "Ethos_U85_SYS_Flash_Low", "Ethos_U85_SYS_DRAM_Low"),
        memory_mode=("Shared_Sram", "Dedicated_Sram_256KB"),
        matrix=True,
    )

    assert expand(spec) == tuple(
        Target(npu, npu, profile, config, mode)
        for npu, profile, config, mode in (
            ("ethos-u55-64", "tosa-u55", "Ethos_U55_Deep_Embedded", "Shared_Sram"),
            ("ethos-u85-256", "tosa-u85", "Ethos_U85_SYS_Flash_Low", "Shared_Sram"),
            ("ethos-u85-256", "tosa-u85", "Ethos_U85_SYS_DRAM_Low", "Shared_Sram"),
            ("ethos-u85-256", "tosa-u85", "Ethos_U85_SYS_DRAM_Low", "Dedicated_Sram_256KB"),
        )
    )


def test_a_matrix_over_all_npus_and_modes_has_each_pair_once() -> None:
    """A sweep that takes two lines of a recipe."""
    spec = TargetSpec(tuple(catalog().npus), memory_mode=tuple(STOCK.memory_modes), matrix=True)

    assert len(set(expand(spec))) == len(expand(spec)) == 4 * 2 + 2 * 6 + 5 * 6


def test_the_cpu_is_in_a_matrix_once() -> None:
    """The other settings are for the NPUs."""
    spec = TargetSpec(("none", "ethos-u55-128"), memory_mode=("Shared_Sram", "Sram_Only"), matrix=True)

    assert names(spec) == ["cpu", "ethos-u55-128+Shared_Sram", "ethos-u55-128+Sram_Only"]


def test_a_processor_names_the_variant_and_gives_the_profile() -> None:
    """Processors with the same kind of kernels share the lowering."""
    found = expand(TargetSpec(("none",), cpu=("cortex-m55", "cortex-m85", "cortex-m4", "cortex-m0plus")))

    assert [(target.variant, target.profile, target.cpu) for target in named(found)] == [
        ("cortex-m55", "cortex-m-mve", "cortex-m55"),
        ("cortex-m85", "cortex-m-mve", "cortex-m85"),
        ("cortex-m4", "cortex-m-dsp", "cortex-m4"),
        ("cortex-m0plus", "cortex-m-scalar", "cortex-m0plus"),
    ]


def test_the_fallback_is_part_of_the_profile() -> None:
    """What the CPU gets is lowered in another way; the variant's name says so where both are built."""
    specs = (TargetSpec(("ethos-u55-128",)), TargetSpec(("ethos-u55-128",), fallback="cortex_m"))

    found = named([target for spec in specs for target in expand(spec)])

    assert [(target.variant, target.profile) for target in found] == [
        ("ethos-u55-128+portable", "tosa-u55"),
        ("ethos-u55-128+cortex_m", "tosa-u55-cortex-m"),
    ]


def test_a_variant_is_named_by_its_npu_and_the_settings_that_differ() -> None:
    """Settings that all targets of one NPU share are omitted; those of other NPUs do not count."""
    specs = (
        TargetSpec(("ethos-u85-256",), memory_mode=("Sram_Only",)),
        TargetSpec(("ethos-u55-128",), ("Ethos_U55_Deep_Embedded",)),
        TargetSpec(("ethos-u55-128",)),
        TargetSpec(("ethos-u55-128",), memory_mode=("Sram_Only",), optimise=("Size",)),
        TargetSpec(("ethos-u55-128",), arena_cache_size=(65536,), flags=("--verbose-all", "--recursion-limit=9")),
    )

    assert names(*specs) == [
        "ethos-u85-256",
        "ethos-u55-128+Ethos_U55_Deep_Embedded+Shared_Sram+Performance",
        "ethos-u55-128+Ethos_U55_High_End_Embedded+Shared_Sram+Performance",
        "ethos-u55-128+Ethos_U55_High_End_Embedded+Sram_Only+Size",
        "ethos-u55-128+Ethos_U55_High_End_Embedded+Shared_Sram+Performance+arena_65536+verbose-all-recursion-limit-9",
    ]


def test_variants_whose_differences_do_not_fit_a_name_are_numbered() -> None:
    """Config files with equal names in three folders."""
    targets = [Target("x", "ethos-u55-32", "tosa-u55", "A", "B", Vela(Path(folder, "v.ini"))) for folder in "abc"]

    assert [target.variant for target in named(targets)] == ["ethos-u55-32", "ethos-u55-32+2", "ethos-u55-32+3"]


def test_a_variant_name_is_a_safe_file_and_task_name() -> None:
    """Without separators of paths and of doit's command line (`name=value`, `:`), and of limited length."""
    targets = [
        Target("x", "ethos-u55-32", "tosa-u55", "A", "B", Vela(None, flags=(f"--ignore-ops={'a/b:c;' * 40}",))),
        Target("x", "ethos-u55-32", "tosa-u55", "A", "B"),
    ]

    assert [target.variant for target in named(targets)] == [
        "ethos-u55-32+ignore-ops-a-b-c-a-b-c-a-b-c-a-b-c-a-b-c-a-b-c-a",
        "ethos-u55-32",
    ]


@pytest.mark.parametrize(
    ("family", "mode", "expected"),
    [
        ("Ethos_U55_High_End_Embedded", "Dedicated_Sram", ("Sram_Only", "Shared_Sram")),
        ("Ethos_U85_SYS_Flash_High", "Dedicated_Sram_512KB", ("Sram_Only", "Shared_Sram")),
        ("Ethos_U65_High_End", "", tuple(STOCK.memory_modes)),
    ],
)
def test_the_legal_modes_of_a_config_are_known(family: str, mode: str, expected: tuple[str, ...]) -> None:
    """Only a config with Dram behind axi1 allows a dedicated SRAM."""
    assert legal_modes(STOCK.system_configs[family], STOCK) == expected


def test_an_illegal_pair_is_reported_with_the_legal_ones_and_the_reason() -> None:
    """Before export and quantisation, which take minutes."""
    assert illegal(TargetSpec(("ethos-u55-128",), memory_mode=("Dedicated_Sram",))) == (
        "memory_mode",
        '"Dedicated_Sram"',
        "one of Sram_Only, Shared_Sram with Ethos_U55_High_End_Embedded",
        "Dedicated_Sram puts the arena area behind axi1, which is OffChipFlash in Ethos_U55_High_End_Embedded: "
        "activations are written and flash is not",
    )


def test_an_unknown_name_is_an_error_in_a_matrix_too() -> None:
    """A matrix omits illegal pairs, but no misspelt names."""
    spec = TargetSpec(("ethos-u55-128",), memory_mode=("Shared_Sram", "SramOnly"), matrix=True)

    assert illegal(spec) == (
        "memory_mode",
        '"SramOnly"',
        "one of Sram_Only, Shared_Sram, Dedicated_Sram, Dedicated_Sram_256KB, Dedicated_Sram_384KB, "
        "Dedicated_Sram_512KB",
        "did you mean Sram_Only?",
    )


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("--verbose-performance", ""),
        ("--tensor-allocator=HillClimb", ""),
        ("--arena-cache-size=1", "use vela.arena_cache_size for it"),
        ("--opt=Size", "use vela.optimise for it"),
        ("--sys=x", "use system_config for it"),
        ("--output-dir=x", "etbuild decides where and what Vela writes"),
    ],
)
def test_a_flag_that_a_recipe_key_sets_is_an_error(flag: str, problem: str) -> None:
    """Also abbreviated, as Vela accepts it."""
    assert flag_problem(flag) == problem


INI = """\
[System_Config.Board]
core_clock=160e6
axi0_port={axi0}
axi1_port=OffChipFlash
[Memory_Mode.Base]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
[Memory_Mode.Small]
inherit=Memory_Mode.Base
arena_cache_size=65536
"""


def test_a_users_config_file_replaces_the_catalog(tmp_path: Path) -> None:
    """Every family may use it, and it has no defaults."""
    file = tmp_path / "board.ini"
    file.write_text(INI.format(axi0="Sram"))
    own_file = read_vela_ini(file, "board.ini")
    spec = TargetSpec(
        ("ethos-u85-512", "ethos-u55-32"), ("Board",), ("Base", "Small"), ini=file, own_file=own_file, matrix=True
    )

    assert [(target.variant, target.memory_mode) for target in named(expand(spec))] == [
        ("ethos-u85-512+Base", "Base"),
        ("ethos-u85-512+Small", "Small"),
        ("ethos-u55-32+Base", "Base"),
        ("ethos-u55-32+Small", "Small"),
    ]
    assert illegal(TargetSpec(("ethos-u55-32",), ("Board",), ini=file, own_file=own_file)) == (
        "memory_mode",
        "nothing",
        "one of Base, Small of board.ini",
        "a config file of your own has no defaults",
    )


def test_an_illegal_pair_of_a_users_config_file_is_an_error(tmp_path: Path) -> None:
    """The rule depends on the memories, not on the names."""
    file = tmp_path / "board.ini"
    file.write_text(INI.format(axi0="Dram"))
    own_file = read_vela_ini(file, "board.ini")

    assert illegal(TargetSpec(("ethos-u55-32",), ("Board",), ("Base",), ini=file, own_file=own_file)) == (
        "memory_mode",
        '"Base"',
        "another system_config with Board",
        "Base puts the cache area behind axi0, which is Dram in Board: the fast scratch must be the fastest memory",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axi0_port=Sram\n", "File contains no section headers. file: '{}', line: 1 'axi0_port=Sram\\n'"),
        (
            "[System_Config.A]\naxi0_port=Rom\n",
            "axi0_port of A is Rom, not one of Sram, Dram, OnChipFlash, OffChipFlash",
        ),
        ("[System_Config.A]\ncore_clock=1 GHz\n", "core_clock of A is 1 GHz, not a number"),
        ("[Memory_Mode.A]\narena_mem_area=Axi2\n", "arena_mem_area of A is Axi2, not one of Axi0, Axi1"),
        ("[Memory_Mode.A]\narena_cache_size=1e6\n", "arena_cache_size of A is 1e6, not an integer"),
        ("[Memory_Mode.A]\ninherit=Memory_Mode.B\n", "[Memory_Mode.A] inherits [Memory_Mode.B], which is not there"),
        ("[Memory_Mode.A]\ninherit=Memory_Mode.A\n", "[Memory_Mode.A] inherits itself"),
        ("[System_Config.A]\n", "no section [Memory_Mode.NAME]"),
        ("[Memory_Mode.A]\n", "no section [System_Config.NAME]"),
        ("\x00[\xff", "File contains no section headers. file: '{}', line: 1 '\\x00[ÿ'"),
    ],
)
def test_a_config_file_that_vela_cannot_use_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """The message is one line, also for errors of configparser."""
    file = tmp_path / "board.ini"
    file.write_text(text)

    with pytest.raises(ValueError) as caught:
        read_vela_ini(file, "board.ini")

    assert str(caught.value) == message.format(file)
