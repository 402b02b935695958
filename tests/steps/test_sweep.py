"""Step sweep: sweep.json and sweep.csv compare the variants; the table shows those that fit and marks the best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etbuild.build_engine.step import Step
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.report.tables import sweep_table
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
    """The reports of the steps vela and pte for every target above."""
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
        folder = tmp_path / "build/kws" / variant
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        if variant != "cpu":
            (folder / "vela.json").write_text(json.dumps({"total": total}))
    return tmp_path / "build/kws"


def make(*targets: Target, fit: str = "") -> Any:
    step = sweep.step(Recipe("kws", (), Model(), targets))
    assert sweep.main([*step.argv, *(["--fit", fit] if fit else [])]) == 0
    return json.loads(Path("build/kws/sweep.json").read_text())


def marked(sweep_json: Any, mark: str) -> list[str]:
    return [variant["variant"] for variant in sweep_json["variants"] if variant[mark]]


def test_the_step_reads_the_reports_of_vela_and_pte() -> None:
    """None of golden, firmware or run, so that a sweep waits for none of them."""
    assert sweep.step(Recipe("kws", (), Model(), (SMALL, CPU))) == Step(
        name="sweep:kws",
        argv=("--recipe", "kws", "--folder", "build/kws", "--variant", "ethos-u55-32", "--variant", "cpu"),
        inputs=tuple(
            f"build/kws/{name}"
            for name in ("ethos-u55-32/manifest.json", "ethos-u55-32/vela.json", "cpu/manifest.json")
        ),
        outputs=("build/kws/sweep.json", "build/kws/sweep.csv"),
        tools=("python",),
    )


@pytest.mark.usefixtures("folder")
def test_the_front_is_what_no_other_variant_beats() -> None:
    """The slower one of the same size is beaten; the CPU, whose time is unknown, needs the least SRAM."""
    assert marked(make(SMALL, FAST, WORSE, CPU), "front") == ["ethos-u55-32", "ethos-u55-256", "cpu"]


@pytest.mark.usefixtures("folder")
def test_a_variant_that_does_not_fit_is_marked() -> None:
    """A figure equal to the limit fits."""
    read = make(SMALL, FAST, fit="SRAM=2K")

    assert read["fit"] == {"sram_bytes": 2048}
    assert [variant["variant"] for variant in read["variants"]] == ["ethos-u55-32", "ethos-u55-256"]
    assert marked(read, "fits") == ["ethos-u55-32"]


def test_the_csv_has_every_variant(folder: Path) -> None:
    """The title of the time says that Vela estimates it; an unknown time is empty."""
    make(FAST, CPU, fit="SRAM=1000")

    assert (folder / "sweep.csv").read_text() == (
        "variant,npu,system_config,memory_mode,optimise,arena_cache_size_bytes,pte_bytes,sram_bytes,dram_bytes,"
        "flash_bytes,npu_share,vela_estimated_inference_s,fits,front\n"
        "ethos-u55-256,ethos-u55-256,,,Performance,,65000,4096,0,60000,1.0,0.0005,no,yes\n"
        "cpu,none,,,Performance,,90000,1000,0,90000,0.0,,yes,yes\n"
    )


def test_equal_reports_give_equal_bytes(folder: Path) -> None:
    """In a second run."""
    texts = []
    for _ in range(2):
        make(SMALL, FAST, CPU)
        texts.append([(folder / name).read_bytes() for name in ("sweep.json", "sweep.csv")])

    assert texts[0] == texts[1]


@pytest.mark.usefixtures("folder")
def test_the_table_says_that_vela_estimates_the_time() -> None:
    """And omits an empty column."""
    assert sweep_table(make(SMALL, FAST, WORSE, CPU)) == (
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
def test_the_table_shows_what_fits_and_how_many_do_not() -> None:
    """With the limits."""
    lines = sweep_table(make(SMALL, FAST, fit="flash=1m,sram=2k")).splitlines()

    assert [line.split()[0] for line in lines[1:2]] == ["kws@ethos-u55-32"]
    assert lines[-2:] == [
        "1 of 2 variants of kws fit SRAM=2K,FLASH=1M",
        "all figures: build/kws/sweep.csv, sweep.json",
    ]


@pytest.mark.usefixtures("folder")
def test_when_nothing_fits_the_table_says_so() -> None:
    """Without column titles."""
    assert sweep_table(make(FAST, fit="PTE=1K")).splitlines()[0] == "0 of 1 variants of kws fit PTE=1K"


def test_a_missing_report_of_a_step_is_an_error(folder: Path) -> None:
    """With its path."""
    (folder / "ethos-u55-32/vela.json").unlink()

    with pytest.raises(StepError, match=r"^build/kws/ethos-u55-32/vela.json: got .*, wanted the JSON of an earlier"):
        make(SMALL)
