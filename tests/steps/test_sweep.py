"""sweep.json and sweep.csv lay variants side by side; the table shows those that fit and marks the best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etbuild.build_engine.step import Step
from etbuild.errors import StepError, UsageError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.steps import sweep

SMALL = Target("ethos-u55-32", "ethos-u55-32", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
FAST = Target("ethos-u55-256", "ethos-u55-256", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
WORSE = Target("ethos-u55-64", "ethos-u55-64", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
CPU = Target("cpu", "none", "cpu")
# .pte bytes, SRAM bytes, seconds.
SIZES = {"ethos-u55-32": (64000, 2048, 0.002), "ethos-u55-256": (65000, 4096, 0.0005), "cpu": (90000, 1000, 0.0)}
SIZES["ethos-u55-64"] = (65000, 4096, 0.003)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What vela and pte have left for every target above."""
    monkeypatch.chdir(tmp_path)
    for variant, (pte, sram, seconds) in SIZES.items():
        npu = "none" if variant == "cpu" else variant
        target = {"npu": npu, "system_config": "", "memory_mode": "", "optimise": "Performance"}
        memory = ("constant", "scratch", "fast_scratch", "weight", "command")
        manifest = {
            "pte": {"bytes": pte, "sha256": "0" * 64},
            "target": {**target, "arena_cache_size_bytes": None},
            "operators": {"npu_share": 0.0 if variant == "cpu" else 1.0},
            "memory": {"planned_bytes": [sram], **{f"{name}_bytes": 0 for name in memory}},
            "macs": 0,
        }
        areas = {"sram": sram, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 60000}
        total = {"memory_bytes": areas, "cycles": {"total": 1}, "inference_time_s": seconds}
        place = tmp_path / "build/kws" / variant
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(json.dumps(manifest))
        if variant != "cpu":
            (place / "vela.json").write_text(json.dumps({"total": total}))
    return tmp_path / "build/kws"


def make(*targets: Target, fit: str = "") -> Any:
    step = sweep.step(Recipe("kws", (), Model(), targets))
    assert sweep.main([*step.argv, *(["--fit", fit] if fit else [])]) == 0
    return json.loads(Path("build/kws/sweep.json").read_text())


def marked(read: Any, mark: str) -> list[str]:
    return [variant["variant"] for variant in read["variants"] if variant[mark]]


def test_the_step_reads_what_vela_and_the_pte_say() -> None:
    """Nothing of golden, firmware or run, so that a sweep waits for none of them."""
    assert sweep.step(Recipe("kws", (), Model(), (SMALL, CPU))) == Step(
        name="sweep:kws",
        argv=("--recipe", "kws", "--folder", "build/kws", "--variant", "ethos-u55-32", "--variant", "cpu"),
        inputs=tuple(
            Path("build/kws") / name
            for name in ("ethos-u55-32/manifest.json", "ethos-u55-32/vela.json", "cpu/manifest.json")
        ),
        outputs=(Path("build/kws/sweep.json"), Path("build/kws/sweep.csv")),
        tools=("python",),
    )


@pytest.mark.usefixtures("folder")
def test_the_front_is_what_nothing_else_beats() -> None:
    """The slower one of the same size is beaten; the CPU, whose time nobody knows, takes the least SRAM."""
    assert marked(make(SMALL, FAST, WORSE, CPU), "front") == ["ethos-u55-32", "ethos-u55-256", "cpu"]


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1.0, 2.0)], [True]),
        ([(1.0, 2.0), (1.0, 2.0)], [True, True]),
        ([(1.0, 2.0), (1.0, 3.0)], [True, False]),
        ([(1.0, 2.0), (2.0, 1.0)], [True, True]),
        ([(1.0, 3.0), (3.0, 1.0), (2.0, 2.0), (3.0, 3.0)], [True, True, True, False]),
    ],
)
def test_equals_share_the_front(points: list[tuple[float, ...]], front: list[bool]) -> None:
    """Dominated is as large in every place and larger in one."""
    assert sweep.pareto_front(points) == front


@pytest.mark.usefixtures("folder")
def test_what_does_not_fit_is_kept_and_marked() -> None:
    """At most means that the limit itself still fits."""
    read = make(SMALL, FAST, fit="SRAM=2K")

    assert read["fit"] == {"sram_bytes": 2048}
    assert [variant["variant"] for variant in read["variants"]] == ["ethos-u55-32", "ethos-u55-256"]
    assert marked(read, "fits") == ["ethos-u55-32"]


def test_the_csv_has_every_variant(folder: Path) -> None:
    """A time says in its title whose guess it is; an unknown one is empty."""
    make(FAST, CPU, fit="SRAM=1000")

    assert (folder / "sweep.csv").read_text() == (
        "variant,npu,system_config,memory_mode,optimise,arena_cache_size_bytes,pte_bytes,sram_bytes,dram_bytes,"
        "flash_bytes,npu_share,vela_estimated_inference_s,fits,front\n"
        "ethos-u55-256,ethos-u55-256,,,Performance,,65000,4096,0,60000,1.0,0.0005,no,yes\n"
        "cpu,none,,,Performance,,90000,1000,0,90000,0.0,,yes,yes\n"
    )


def test_the_same_accounts_give_the_same_bytes(folder: Path) -> None:
    """Twice."""
    texts = []
    for _ in range(2):
        make(SMALL, FAST, CPU)
        texts.append([(folder / name).read_bytes() for name in ("sweep.json", "sweep.csv")])

    assert texts[0] == texts[1]


@pytest.mark.usefixtures("folder")
def test_the_table_says_whose_time_it_is() -> None:
    """And leaves an empty column out."""
    assert sweep.table(make(SMALL, FAST, WORSE, CPU)) == (
        """\
                   front  .pte bytes     SRAM     flash  on NPU  Vela's estimate
kws@ethos-u55-32       *      64,000  2.0 KiB  58.6 KiB   100 %         2.000 ms
kws@ethos-u55-256      *      65,000  4.0 KiB  58.6 KiB   100 %         0.500 ms
kws@ethos-u55-64              65,000  4.0 KiB  58.6 KiB   100 %         3.000 ms
kws@cpu                *      90,000  1.0 KiB  87.9 KiB   0.0 %
front: no other variant is as good in .pte bytes, SRAM, DRAM, flash and time, and better in one
Vela's estimate: of the time of one inference, not measured; SRAM, DRAM, flash: as Vela places tensors
all figures: build/kws/sweep.csv, sweep.json"""
    )


@pytest.mark.usefixtures("folder")
def test_the_table_shows_what_fits_and_counts_the_rest() -> None:
    """With the limits."""
    lines = sweep.table(make(SMALL, FAST, fit="flash=1m,sram=2k")).splitlines()

    assert [line.split()[0] for line in lines[1:2]] == ["kws@ethos-u55-32"]
    assert lines[-2:] == [
        "1 of 2 variants of kws fit SRAM=2K,FLASH=1M",
        "all figures: build/kws/sweep.csv, sweep.json",
    ]


@pytest.mark.usefixtures("folder")
def test_when_nothing_fits_the_table_says_so() -> None:
    """No titles without lines."""
    assert sweep.table(make(FAST, fit="PTE=1K")).splitlines()[0] == "0 of 1 variants of kws fit PTE=1K"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("SRAM=2M,FLASH=4M", "SRAM=2M,FLASH=4M"),
        ("flash=4096k, sram=2MiB", "SRAM=2M,FLASH=4M"),
        ("DRAM=0.5M", "DRAM=512K"),
        ("PTE=1000B", "PTE=1000"),
        ("SRAM=0", "SRAM=0"),
        ("", ""),
    ],
)
def test_limits_that_mean_the_same_are_written_the_same(text: str, canonical: str) -> None:
    """So that a sweep runs again only when they mean something else."""
    assert sweep.limits_text(sweep.limits(text)) == canonical
    assert sweep.limits(canonical) == sweep.limits(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("SRAM=two", "SRAM=two"),
        ("ROM=2M", "ROM=2M"),
        ("2M", "2M"),
        ("SRAM=2M,SRAM=1M", "SRAM=1M"),
        ("SRAM=-1", "SRAM=-1"),
        (f"SRAM={'9' * 400}", f"SRAM={'9' * 400}"),
        ("SRAM=9999999999999G", "SRAM=9999999999999G"),
    ],
)
def test_a_limit_that_is_none_is_named(text: str, part: str) -> None:
    """With all that there is."""
    with pytest.raises(UsageError) as error:
        sweep.limits(text)

    assert str(error.value) == (
        f'--fit: got "{part}", wanted each of PTE, SRAM, DRAM, FLASH at most once, '
        "with a size such as SRAM=512K,FLASH=4M"
    )


def test_a_missing_account_is_named(folder: Path) -> None:
    """With its path."""
    (folder / "ethos-u55-32/vela.json").unlink()

    with pytest.raises(StepError, match=r"^build/kws/ethos-u55-32/vela.json: got .*, wanted the JSON of an earlier"):
        make(SMALL)
