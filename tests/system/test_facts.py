"""Facts: what a step may depend on beyond the content of files, looked up by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from etbuild.system import environment
from etbuild.system.digests import Digests
from etbuild.system.facts import Facts, is_fact, title


def value(root: Path, name: str) -> str | None:
    """As a new process looks it up."""
    return Facts(Digests(root, root / "none.json")).of(name)


def test_a_path_has_its_digest(tmp_path: Path) -> None:
    """Whatever its name resembles; None where nothing is."""
    (tmp_path / "env:x").write_text("a")

    assert value(tmp_path, "env:x") == hashlib.sha256(b"a").hexdigest()
    assert value(tmp_path, "nothing") is None


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ((), "absent"),
        (("lib.py",), "lib.py"),
        (("lib/x.py",), "lib/"),
        (("lib/__init__.py", "lib.py"), "lib.py lib/ lib/__init__.py"),
        (("lib.txt", "lib2.py", "lib.x.py"), "absent"),
    ],
)
def test_a_module_has_the_entries_that_an_import_considers(
    tmp_path: Path, made: tuple[str, ...], expected: str
) -> None:
    """Sources, packages and native modules of its name, and no others."""
    for name in made:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    assert value(tmp_path, "module://.#lib") == expected


def test_a_folder_has_its_names(tmp_path: Path) -> None:
    """Not their content, and no bytecode; a folder that is gone has none."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("1")
    first = value(tmp_path, "names://data")
    (tmp_path / "data/a").write_text("2")
    (tmp_path / "data/__pycache__").mkdir()
    same = value(tmp_path, "names://data")
    (tmp_path / "data/b").write_text("")

    assert first == same != value(tmp_path, "names://data")
    assert value(tmp_path, "names://gone") == "absent"


def test_a_package_has_its_version_and_its_list_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other content under the same version counts; where its scripts and bytecode lie does not."""
    values = []
    for lines in ("thing.py,sha256=a,1", "../../bin/thing,sha256=x,1\nthing.py,sha256=a,1", "thing.py,sha256=b,1"):
        folder = tmp_path / str(len(values))
        record = folder / "thing-1.0.dist-info/RECORD"
        record.parent.mkdir(parents=True)
        record.write_text(f"{lines}\n")
        monkeypatch.setattr("sys.path", [str(folder)])
        values.append(value(tmp_path, "package://thing"))

    assert values[0] == values[1] != values[2]
    assert str(values[0]).startswith("1.0 ")
    assert value(tmp_path, "package://other") == "absent"


def test_a_variable_is_not_kept_in_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a password; unset is not empty."""
    monkeypatch.setenv("A_SECRET", "xyz")
    secret = value(tmp_path, "env://A_SECRET")
    monkeypatch.setenv("A_SECRET", "")
    empty = value(tmp_path, "env://A_SECRET")
    monkeypatch.delenv("A_SECRET")

    assert secret == hashlib.sha256(b"xyz").hexdigest()
    assert len({secret, empty, value(tmp_path, "env://A_SECRET")}) == 3


def test_what_is_looked_up_is_noted_for_the_no_op_cache(tmp_path: Path) -> None:
    """The stat of each path that was examined, None for one that is absent, and the variables that were read."""
    digests = Digests(tmp_path, tmp_path / "none.json")
    facts = Facts(digests)
    (tmp_path / "data").mkdir()

    for name in ("exists://gone", "names://data", "module://.#lib", "env://A_VARIABLE_OF_A_MODEL"):
        facts.of(name)

    assert set(digests.stats_seen) == {"gone", "data", "."}
    assert digests.stats_seen["gone"] is None
    assert "A_VARIABLE_OF_A_MODEL" in environment.variables_read()


def test_a_fact_is_shown_in_words() -> None:
    """And a file as what was imported."""
    assert title("module://models#lib") == "what is imported from models#lib"
    assert title("lib/blocks.py") == "imported lib/blocks.py"
    assert not is_fact("lib/blocks.py")
