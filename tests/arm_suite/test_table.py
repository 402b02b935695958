"""The table of results: what counts as good, and the page that is made from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etbuild.arm_suite import table
from etbuild.arm_suite.exactness import Found
from etbuild.arm_suite.results import Result, npu_of, verdict_of

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.json"
EXACT, DIFFERS = Found("exact"), Found("differs", "delegate 0, output 0: element [0]: got 1, wanted 2")


def result(**changed: object) -> Result:
    values = {"file": "ops/test_abs.py", "function": "test_abs_u55_INT", "case": "ones", "verdict": "passed"}
    return Result(**{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "expected", "text", "wanted"),
    [
        ("passed", None, "", ("passed", "")),
        ("passed", "known bug", "", ("passed", "passes, though: known bug")),
        ("skipped", None, "no SDK", ("not run", "no SDK")),
        ("skipped", "known bug", "AssertionError", ("xfail", "known bug")),
        ("failed", None, "[XPASS(strict)] known bug", ("failed", "[XPASS(strict)] known bug")),
        ("failed", None, "RuntimeError: Failed running command FVP_X -C /tmp/tmp1\nStderr: /tmp/tmp1/program.pte: bad\n"
         "\nStdout: \n", ("failed", "program.pte: bad")),
    ],
)  # fmt: skip
def test_a_verdict_has_the_cause_that_was_given(
    outcome: str, expected: str | None, text: str, wanted: tuple[str, str]
) -> None:
    """Of a simulator that failed, what it said, without folders of one run."""
    assert verdict_of(outcome, expected, text) == wanted


def test_the_npu_is_in_the_name_of_the_test() -> None:
    """In any case."""
    names = ("test_abs_u55_INT", "test_x_U85_INT", "test_corstone_u65", "test_abs_tosa_INT")

    assert [npu_of(name) for name in names] == ["u55", "u85", "u65", ""]


def test_a_test_that_passes_but_differs_from_tosa_is_not_good() -> None:
    """Its tolerances may hide a wrong operation."""
    assert table.is_good(result(tosa=(EXACT,)))
    assert not table.is_good(result(tosa=(EXACT, DIFFERS)))
    assert not table.is_exact(result(tosa=(EXACT, DIFFERS)))


def test_the_last_result_of_a_test_counts(tmp_path: Path) -> None:
    """A test may be run again into the same file."""
    rows = [result(verdict="failed", cause="first"), result(case="zeros"), result(tosa=(EXACT,))]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))

    assert table.read_lines(tmp_path / "r.jsonl") == [result(tosa=(EXACT,)), result(case="zeros")]


def test_what_is_written_is_read_again() -> None:
    """The times are left out, so that equal results give equal files."""
    data = table.to_json([result(tosa=(EXACT,), seconds=1.5), result(case="zeros")], {"executorch": "1"}, 9)
    again = table.load(table.dump(data))

    assert [Result.from_json(row) for row in again["results"]] == [result(tosa=(EXACT,)), result(case="zeros")]
    assert table.dump(again) == table.dump(data)


def test_a_difference_is_on_the_page_with_its_test() -> None:
    """Also of a test that passes."""
    page = table.page(table.to_json([result(tosa=(DIFFERS,))], {"executorch": "1"}, 1))
    row = "| ops/test_abs.py test_abs_u55_INT[ones] | passed | not known | differs: delegate 0, output 0: element [0]:"

    assert f"{row} got 1, wanted 2 |" in page


def test_the_page_is_made_from_its_results() -> None:
    """Else run `python -m etbuild.arm_suite.table`."""
    page = table.page(table.load(PAGE.read_text(encoding="utf-8")))

    assert page == PAGE.with_suffix(".md").read_text(encoding="utf-8")


def test_the_fastest_case_that_is_exact_stands_for_its_function() -> None:
    """One that failed, or ran no program, may be faster and shows less; one without seconds was not measured."""
    rows = [
        result(case="failed", verdict="failed", tosa=(EXACT,), seconds=0.1),
        result(case="differs", tosa=(DIFFERS,), seconds=0.1),
        result(case="without", seconds=0.1),
        result(case="unmeasured", tosa=(EXACT,)),
        result(case="slow", tosa=(EXACT,), seconds=3.0),
        result(case="fast", tosa=(EXACT,), seconds=2.0),
        result(function="test_abs_u85_INT", case="", verdict="xfail"),
    ]

    assert table.fastest(rows) == ["ops/test_abs.py::test_abs_u55_INT[fast]", "ops/test_abs.py::test_abs_u85_INT"]
