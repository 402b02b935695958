"""What step tune makes of figures: which candidate wins, the patch of the recipe, and the table."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tuned_figures import figures

from etbuild.recipe.data_sections import Quantize, Rule
from etbuild.recipe.weight_sections import WeightChange
from etbuild.report.tune_table import tune_table
from etbuild.tune.candidate import Candidate
from etbuild.tune.choice import rows_of, winner_of
from etbuild.tune.recipe_patch import leaves_size_open, unified_diff, with_keys

WORST = (("head",), ("block.conv", "block.relu"))


def test_a_candidate_that_cannot_be_built_is_no_winner() -> None:
    """Nor one that is less accurate, or has more operators on the CPU, which count no cycles."""
    tried = [Candidate(), Candidate(tensor=True), Candidate(equalise=True), Candidate(rewrite=True)]
    known = [figures(1000, 30.0), {"why": "Vela refuses it"}, figures(10, 29.9), figures(10, 40.0, on_cpu=1)]

    rows = rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))

    assert (winner_of(rows), [row["front"] for row in rows]) == (0, [True, False, True, True])


def test_a_recipe_that_cannot_be_built_is_no_measure_of_others() -> None:
    """The step says so at its end, and the lines before that are no error."""
    rows = rows_of(
        [Candidate(), Candidate(tensor=True)], {"the recipe": {"why": "no"}, "per tensor": figures(10, 30.0)}
    )

    assert (winner_of(rows), rows[1]["gain"]) == (0, 0.0)


def test_the_winner_has_nearly_all_of_the_gain_for_little_of_the_cost() -> None:
    """Of int16x8 in all layers: 90 % for 15 % comes before more saved cycles with less gain."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(wide=1), Candidate(rewrite=True)]
    known = [figures(1000, 30.0), figures(1500, 40.0), figures(1070, 39.5), figures(500, 30.0)]

    rows = rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))

    assert (rows[2]["gain"], rows[2]["cost"], winner_of(rows)) == (0.95, 0.14, 2)


def test_gain_beyond_that_of_int16x8_is_no_reason_for_more_cycles() -> None:
    """Four times its gain does not outweigh a fifth of its cost; for equal cycles it does."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(rewrite=True), Candidate("int16x8", adaround=True)]

    def winner(cycles: int) -> int:
        known = [figures(1000, 30.0), figures(1500, 40.0), figures(900, 40.0), figures(cycles, 70.0)]
        return winner_of(rows_of(tried, dict(zip((one.key for one in tried), known, strict=True))))

    assert (winner(1000), winner(900)) == (2, 3)


def test_decibels_beyond_that_gain_are_worth_a_few_cycles() -> None:
    """As of MobileNetV2: two decibels for 0.1 % of the recipe's cycles, not for 1 %."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(tensor=True), Candidate(adaround=True)]

    def winner(cycles: int) -> int:
        known = [figures(10000, 15.7), figures(9100, 16.6), figures(4400, 20.6), figures(cycles, 22.4)]
        return winner_of(rows_of(tried, dict(zip((one.key for one in tried), known, strict=True))))

    assert (winner(4410), winner(4500)) == (3, 2)


def test_no_setting_wins_that_another_one_is_better_than_in_all() -> None:
    """Beyond 15 decibels more of them count nothing, so that both have the same score."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(wide=1), Candidate(wide=2)]
    known = [figures(1000, 18.9), figures(1100, 19.4), figures(700, 35.2), figures(700, 36.4)]
    rows = rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))

    assert rows[2]["score"] == rows[3]["score"]
    assert winner_of(rows) == 3


def test_without_such_a_one_the_best_sum_wins() -> None:
    """Fewer cycles at the same error count as much as their share of int16x8's cost."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(tensor=True)]
    known = [figures(1000, 30.0), figures(1500, 40.0), figures(900, 30.0)]

    assert winner_of(rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))) == 2


def test_a_candidate_changes_the_recipes_section_and_keys() -> None:
    """Layers in 16 bits are rules behind the recipe's own; what it has already does not come twice."""
    base = Quantize(rules=(Rule(module_name="head", scheme="none"),), weights=(WeightChange("equalise"),))
    one = Candidate(wide=2, tensor=True, observer="percentile", equalise=True, correct_bias=True, rewrite=True)

    made, keys = one.quantize(base, WORST), one.keys(base, WORST)

    assert [rule.to_argument() for rule in made.rules] == [
        "module_name:head:none",
        "module_name:block.conv:int16x8",
        "module_name:block.relu:int16x8",
    ]
    assert (made.per_channel, made.observer, made.percentile) == (False, "percentile", 99.99)
    assert keys["quantize", "weights"] == [{"method": "equalise"}, {"method": "correct_bias"}]
    assert (keys["quantize", "per_channel"], keys["rewrite", "rules"]) == (False, "all")
    assert Candidate().keys(base, WORST) == {}


def test_biases_are_corrected_once() -> None:
    """adaround corrects them for its own integers: a correction for the nearest ones would be one too much."""
    corrects, rounds = WeightChange("correct_bias"), WeightChange("adaround")
    wanted = (rounds,)

    assert Candidate(adaround=True).quantize(Quantize(weights=(corrects,)), WORST).weights == wanted
    assert Candidate(correct_bias=True).quantize(Quantize(weights=(rounds,)), WORST).weights == wanted
    assert Candidate(correct_bias=True, adaround=True).quantize(Quantize(), WORST).weights == wanted


@pytest.mark.parametrize(
    "text",
    [
        "model: {source: a.py}  # mine\nquantize: {scheme: int8}\ntargets: {npu: x}\n",
        "# first\nmodel: {source: a.py}\nquantize:\n  scheme: int8  # eight\n  rules:\n"
        "    - {operator: add, scheme: none}\n",
        "extends: base.yaml\nmodel:\n  source: a.py",
    ],
)
def test_a_patch_is_what_git_applies(tmp_path: Path, text: str) -> None:
    """Flow or block style, with or without the section, and without a last line end; comments stay."""
    file = tmp_path / "recipes/net.yaml"
    file.parent.mkdir()
    file.write_text(text)
    keys = Candidate("int16x8", wide=1, tensor=True, rewrite=True).keys(Quantize(), WORST)
    after = with_keys(text, keys)
    assert after is not None

    done = subprocess.run(
        ["git", "apply", "-"], cwd=tmp_path, input=unified_diff("recipes/net.yaml", text, after), text=True, check=False
    )

    found = yaml.safe_load(file.read_text())
    assert (done.returncode, file.read_text()) == (0, after)
    assert found["quantize"]["rules"] == [{"module_name": "head", "scheme": "int16x8"}]
    assert (found["quantize"]["scheme"], found["quantize"]["per_channel"]) == ("int16x8", False)
    assert found["rewrite"] == {"rules": "all"}
    assert [line for line in text.splitlines() if "# first" in line or "# mine" in line] == [
        line for line in after.splitlines() if "# first" in line or "# mine" in line
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("targets: {npu: a}\n", "targets: {vela: {optimise: Size}, npu: a}\n"),
        (
            "targets:\n  - npu: a  # small\n    memory_mode: b\n  - {npu: c}\nrun: {on: host}\n",
            "targets:\n  - vela: {optimise: Size}\n    npu: a  # small\n    memory_mode: b\n"
            "  - {vela: {optimise: Size}, npu: c}\nrun: {on: host}\n",
        ),
    ],
)
def test_least_memory_is_a_key_of_every_target(text: str, wanted: str) -> None:
    """Of one target, and of each in a list; its comments stay. A file with the key, or without targets, keeps it."""
    assert with_keys(text, Candidate(size=True).keys(Quantize(), WORST)) == wanted
    assert [leaves_size_open(one) for one in (text, wanted, "extends: a.yaml\n")] == [True, False, False]


def test_a_recipe_that_is_not_plain_has_no_patch() -> None:
    """An anchor that two sections share would change both."""
    text = "base: &own {scheme: int8}\nquantize: *own\n"

    assert with_keys(text, {("quantize", "scheme"): "int16x8"}) is None
    assert with_keys("targets: [a, b]\n", {("targets", "vela"): {}}) is None


def test_the_table_shows_the_recipe_and_the_front() -> None:
    """And how to apply the winner."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(wide=1), Candidate(equalise=True), Candidate(tensor=True)]
    known = [figures(1000, 30.0), figures(1500, 40.0), figures(1070, 39.5), figures(2000, 20.0), {"why": "refused"}]
    rows = rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))
    found = {"recipe": "net", "variant": "ethos-u55-128", "tried": rows, "winner": 2, "patch": "build/net/tune.patch"}

    assert tune_table(found).splitlines() == [
        "net@ethos-u55-128  cycles  .pte bytes     SRAM     SQNR",
        "the recipe          1,000         100  0.0 KiB  30.0 dB",
        "1 layer int16x8     1,070         100  0.0 KiB  39.5 dB  winner",
        "int16x8             1,500         100  0.0 KiB  40.0 dB",
        "5 settings tried, 1 of them cannot be built; shown: the recipe and the Pareto front of cycles, bytes, SRAM and"
        " SQNR",
        "cycles, SRAM: Vela's estimates; SQNR: of the command stream's outputs to the float model's",
        "the winner: git apply build/net/tune.patch",
        "all figures: build/net/tune.json",
    ]


def test_modules_that_cannot_be_in_16_bits_stay_in_8() -> None:
    """With int16x8 in all layers, or in a module around them, by rules before the wider ones; else they need none."""
    base, narrow = Quantize(), ("block.conv",)

    made = [
        [rule.to_argument() for rule in one.quantize(base, (("block",), ("head",)), narrow).rules]
        for one in (Candidate("int16x8"), Candidate(wide=1), Candidate(correct_bias=True))
    ]

    assert made == [
        ["module_name:block.conv:int8"],
        ["module_name:block.conv:int8", "module_name:block:int16x8"],
        [],
    ]
    assert Candidate(wide=1).quantize(base, (("block.conv",),), narrow).rules == ()


def test_of_settings_alike_in_all_else_the_one_with_less_memory_wins() -> None:
    """A quarter of the SRAM for a cycle more; not for a tenth of what int16x8 costs."""
    tried = [Candidate(), Candidate("int16x8"), Candidate(rewrite=True), Candidate(rewrite=True, size=True)]

    def winner(cycles: int) -> int:
        known = [figures(1000, 30.0), figures(1500, 40.0), figures(900, 30.0), figures(cycles, 30.0, sram_bytes=3)]
        return winner_of(rows_of(tried, dict(zip((one.key for one in tried), known, strict=True))))

    assert (winner(901), winner(950)) == (3, 2)


def test_the_table_of_a_long_front_has_those_that_gain_most_for_least() -> None:
    """And the winner; the note says how many are left out."""
    tried = [Candidate(), Candidate("int16x8"), *(Candidate(wide=count) for count in range(1, 13))]
    known = [figures(1000, 30.0), figures(2000, 50.0), *(figures(1000 + n * n * 8, 30.0 + n) for n in range(1, 13))]
    rows = rows_of(tried, dict(zip((one.key for one in tried), known, strict=True)))
    found = {"recipe": "net", "variant": "v", "tried": rows, "winner": 12, "patch": None}

    lines = tune_table(found).splitlines()

    counts = ("1 layer", *(f"{count} layers" for count in (2, 3, 4, 5, 6, 11)))
    assert [line.split("  ")[0] for line in lines[2:10]] == [*(f"{count} int16x8" for count in counts), "int16x8"]
    assert lines[10].endswith("SRAM and SQNR, without 4 that gain less for more")


def test_a_winner_in_16_bits_has_a_note_on_the_limit_in_steps() -> None:
    """golden.lsb of the recipe is in steps of 8 bits, and no patch loosens it."""
    rows = rows_of([Candidate(), Candidate("int16x8")], {"the recipe": figures(9, 30.0), "int16x8": figures(9, 40.0)})
    found = {"recipe": "net", "variant": "v", "tried": rows, "winner": 1, "patch": "p"}
    note = "its steps are 256 times smaller: golden.lsb may need one more, which step golden says"

    assert note in tune_table(found).splitlines()
    assert note not in tune_table({**found, "winner": 0}).splitlines()
