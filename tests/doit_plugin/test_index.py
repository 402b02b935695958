"""build/index.html: all recipes, and how each step came to its outputs; written after builds that had a report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_files import report_of, write_report_files

from etbuild.build_engine.decision import Reason
from etbuild.build_engine.execute import Outcome
from etbuild.doit_plugin.index import INDEX, NOTES, SCRIPT, remove_index, write_index

STEPS = ("export:kws", "vela:kws@ethos-u55-128", "report:kws")
NEW = (Reason("never built"),)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one recipe that has a report."""
    monkeypatch.chdir(tmp_path)
    report_of(write_report_files(tmp_path))
    return tmp_path


def rows(text: str, table: str) -> list[list[str]]:
    """The texts of a table's cells."""
    body = text[text.index(table) :].partition("<tbody>")[2].partition("</tbody>")[0]
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", body))
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


def test_the_index_has_the_verdicts_of_all_variants(root: Path) -> None:
    """With a link to each report."""
    write_index(root, {"report:kws": Outcome("ran", 0.5, NEW)}, STEPS)

    text = (root / INDEX).read_text()
    assert [row[:3] for row in rows(text, 'id="verdicts"')] == [
        ["kws", "ethos-u55-128", "worth a look"],
        ["kws", "ethos-u55-256", "worth a look"],
    ]
    assert 'href="kws/report.html#v-ethos-u55-256"' in text


def test_the_index_remembers_what_earlier_builds_did(root: Path) -> None:
    """A step that was up to date this time is shown as it was made; the order is that of the build."""
    changed = (Reason("memory_mode", "Shared_Sram", "Sram_Only"), Reason("npu", "a", "b"))
    write_index(root, {"report:kws": Outcome("ran", 0.5, NEW), "export:kws": Outcome("cached", 0.1, NEW)}, STEPS)

    write_index(
        root,
        {"vela:kws@ethos-u55-128": Outcome("ran", 2.0, changed), "export:kws": Outcome("up to date", 0.0, ())},
        STEPS,
    )

    assert rows((root / INDEX).read_text(), 'id="p-kws"') == [
        ["export:kws", "cached", "0.1 s", "never built"],
        ["vela:kws@ethos-u55-128", "ran", "2.0 s", "memory_mode: Shared_Sram -&gt; Sram_Only and 1 more"],
        ["report:kws", "ran", "0.5 s", "never built"],
    ]


def test_a_build_with_nothing_to_do_writes_no_index(root: Path) -> None:
    """Unless it is not there."""
    idle = {"export:kws": Outcome("up to date", 0.0, ())}
    write_index(root, idle, STEPS)
    (root / INDEX).write_text("as before")

    write_index(root, idle, STEPS)

    assert (root / INDEX).read_text() == "as before"


def test_a_missing_index_is_written_by_a_build_with_nothing_to_do(root: Path) -> None:
    """Also where only the pipeline beside it is missing."""
    idle = {"export:kws": Outcome("up to date", 0.0, ())}
    write_index(root, {"export:kws": Outcome("ran", 1.0, NEW)}, STEPS)
    (root / INDEX).unlink()
    write_index(root, idle, STEPS)
    (root / SCRIPT).unlink()
    write_index(root, idle, STEPS)

    assert rows((root / INDEX).read_text(), 'id="p-kws"') == [["export:kws", "ran", "1.0 s", "never built"]]
    assert (root / SCRIPT).read_text() == 'showPipeline({"kws": [["export:kws", "ran", 1.0, "never built"]]});\n'


def test_an_index_older_than_a_report_is_written_again(root: Path) -> None:
    """The build that wrote the report was killed before its end."""
    write_index(root, {"export:kws": Outcome("ran", 1.0, NEW)}, STEPS)
    (root / INDEX).write_text("as before")
    report = root / "build/kws/report.json"
    report.write_bytes(report.read_bytes())

    write_index(root, {"export:kws": Outcome("up to date", 0.0, ())}, STEPS)

    assert "as before" not in (root / INDEX).read_text()


@pytest.mark.parametrize("damage", ["", "[]", '{"format": 0}', '{"variants": [{}], "recipe": "kws", "profiles": []}'])
def test_a_report_of_another_version_is_left_out(root: Path, damage: str) -> None:
    """It is written again when its recipe is built; this build does not fail for it."""
    (root / "build/kws/report.json").write_text(damage)

    write_index(root, {"export:kws": Outcome("ran", 0.1, NEW)}, STEPS)

    assert not (root / INDEX).exists()


def test_damaged_notes_count_as_none(root: Path) -> None:
    """A build never fails for them."""
    (root / NOTES).parent.mkdir(parents=True)
    (root / NOTES).write_text(json.dumps({"export:kws": ["ran"]}))

    write_index(root, {"report:kws": Outcome("ran", 0.5, NEW)}, STEPS)

    assert rows((root / INDEX).read_text(), 'id="p-kws"') == [["report:kws", "ran", "0.5 s", "never built"]]


def test_clean_removes_the_index(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so; with --dry-run it only says so."""
    write_index(root, {"report:kws": Outcome("ran", 0.5, NEW)}, STEPS)

    remove_index(root, dryrun=True)
    assert (root / INDEX).exists()
    remove_index(root, dryrun=False)

    assert [(root / path).exists() for path in (INDEX, SCRIPT, NOTES)] == 3 * [False]
    assert (
        capsys.readouterr().out == 2 * f"build: removing {INDEX}\nbuild: removing {SCRIPT}\nbuild: removing {NOTES}\n"
    )
