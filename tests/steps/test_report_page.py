"""report.html as an output of a step: equal for equal builds, and made again when what it is made of changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_files import report_of, write_report_files

from etbuild.build_engine.step_sources import StepSources
from etbuild.system.digests import Digests


def test_equal_builds_have_equal_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any folder: neither its path, nor a date or a duration is in them."""
    pages = []
    for name in ("here", "there"):
        root = tmp_path / name
        root.mkdir()
        monkeypatch.chdir(root)
        pages.append(report_of(write_report_files(root)))

    assert pages[0] == pages[1]
    assert (str(tmp_path) in pages[0], "duration" in pages[0]) == (False, False)


def test_everything_of_a_page_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens without the folder that it is from: nothing but links to other pages names another file."""
    monkeypatch.chdir(tmp_path)
    text = report_of(write_report_files(tmp_path))

    assert [word for word in ("http:", "https:", 'src="/', "url(", "@import", "import(") if word in text] == []
    assert text.count("<script") == text.count("<script>") + text.count('<script type="module">') == 2


def test_a_changed_template_is_a_reason_to_run(tmp_path: Path) -> None:
    """Styles and scripts are read by the step's program as its modules are."""
    sources = StepSources(Digests(tmp_path, tmp_path / "digests.json"), tmp_path / "sources.json")

    assert "report/page/templates" in sources.of("etbuild.steps.report")
