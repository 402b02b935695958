"""Modules of the project are in no package, and all installed packages need not be read to find that out."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

from etbuild.compile.callers import is_users
from etbuild.compile.depfile import Reads
from etbuild.compile.imports import Imports
from etbuild.compile.project_names import Project
from etbuild.compile.source_imports import ModelFinder
from etbuild.compile.user_code import import_source


def test_a_module_of_the_project_is_not_looked_for_in_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is noted, and the package of what it imports; packages_distributions is not called."""
    (tmp_path / "first_of_mine.py").write_text("import second_of_mine, json\n")
    (tmp_path / "second_of_mine.py").write_text("import doit\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: pytest.fail("all packages were read"))
    monkeypatch.setattr(sys, "meta_path", [ModelFinder(is_users, lambda *_: None), *sys.meta_path])
    project, before = Project(), set(sys.modules)
    importlib.import_module("first_of_mine")

    files = Imports(project, ()).record({"first_of_mine", "second_of_mine"} & (set(sys.modules) - before))

    assert sorted(files) == ["first_of_mine.py", "second_of_mine.py"]
    assert "package://doit" in project.facts
    assert not [fact for fact in project.facts if fact.startswith("package://") and "_of_mine" in fact]


def test_a_module_whose_name_was_loaded_from_another_file_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it imports counts, although a module of its name was there before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "named_twice.py").write_text("import doit\n")
    monkeypatch.setitem(sys.modules, "named_twice", types.ModuleType("named_twice"))
    reads = Reads()

    with reads.traced():
        import_source(Path("named_twice.py"), "a model")

    assert list(reads.opened) == ["named_twice.py"]
    assert "package://doit" in reads.facts
