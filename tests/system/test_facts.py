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
    assert [value(tmp_path, name) for name in ("nothing", "other://thing")] == [None, None]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ((), "absent"),
        (("lib.py",), "lib.py"),
        (("lib/x.py",), "lib/"),
        (("lib/__init__.py", "lib.py"), "lib.py lib/ lib/__init__.py"),
        (("lib.txt", "lib2.py", "lib.x.py"), "absent"),
        (("lib",), "absent"),
        (("lib.abi3.so", "lib/__init__.abi3.so", "lib/__init__x.py"), "lib.abi3.so lib/ lib/__init__.abi3.so"),
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


def test_a_module_that_is_a_link_to_nothing_is_absent(tmp_path: Path) -> None:
    """Until what it links to exists, also for the no-op cache."""
    (tmp_path / "lib.py").symlink_to(tmp_path / "elsewhere.py")
    digests = Digests(tmp_path, tmp_path / "none.json")

    before = Facts(digests).of("module://.#lib")
    (tmp_path / "elsewhere.py").write_text("")

    assert (before, value(tmp_path, "module://.#lib")) == ("absent", "lib.py")
    assert digests.stats_seen["./lib.py"] is None


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


def test_a_module_that_is_installed_later_is_another_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of the environment; folders of the user have facts of their own."""
    for folder in ("env/lib", "env/more", "users"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "env"))
    monkeypatch.setattr("sys.path", ["", *(str(tmp_path / name) for name in ("users", "env/lib", "env/more"))])
    (tmp_path / "users/late.py").touch()
    before = value(tmp_path, "installed://late")
    (tmp_path / "env/more/late.py").touch()

    assert (before, value(tmp_path, "installed://late")) == ("absent", "late.py")


def test_a_variable_is_not_kept_in_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a password; unset is not empty."""
    monkeypatch.setenv("A_SECRET", "xyz")
    secret = value(tmp_path, "env://A_SECRET")
    monkeypatch.setenv("A_SECRET", "")
    empty = value(tmp_path, "env://A_SECRET")
    monkeypatch.delenv("A_SECRET")

    assert secret == hashlib.sha256(b"xyz").hexdigest()
    assert (empty, value(tmp_path, "env://A_SECRET")) == (hashlib.sha256(b"").hexdigest(), "unset")


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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("file", "file"),
        ("folder", "folder"),
        ("gone", "absent"),
        ("file/below", "absent"),
        ("loop", "unreadable"),
        ("a\0b", "unreadable"),
    ],
)
def test_whether_there_is_something_is_a_fact(tmp_path: Path, path: str, expected: str) -> None:
    """And whether it is a folder; what cannot be asked for is a value too."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")

    assert value(tmp_path, f"exists://{path}") == expected


def test_the_names_in_a_folder_are_hashed_in_their_order(tmp_path: Path) -> None:
    """Any name, also one that is no Unicode; hidden ones do not count in the project's root, which is no source."""
    for name in ("b", "a", "\udcff", ".hidden"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/.hidden").write_text("")
    in_root = hashlib.sha256(b"a\0b\0folder\0\xff").hexdigest()

    assert [value(tmp_path, f"names://{folder}") for folder in ("", ".", str(tmp_path / "folder"), "folder/a\0b")] == [
        in_root,
        in_root,
        hashlib.sha256(b".hidden").hexdigest(),
        "absent",
    ]


def test_a_value_is_looked_up_once_until_it_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every kind."""
    names = ["file", "exists://more", "names://lib", "module://lib#thing", "env://A_VARIABLE"]
    (tmp_path / "lib").mkdir()
    (tmp_path / "file").write_text("1")
    monkeypatch.delenv("A_VARIABLE", raising=False)
    facts = Facts(Digests(tmp_path, tmp_path / "none.json"))
    before = [facts.of(name) for name in names]
    for name in ("file", "more", "lib/thing.py"):
        (tmp_path / name).write_text("22")
    monkeypatch.setenv("A_VARIABLE", "1")
    same = [facts.of(name) for name in names]
    for name in names:
        facts.forget(name)
    after = [facts.of(name) for name in names]

    assert before == same
    assert before[1:4] == ["absent", "absent", "absent"]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True] * 5
    assert (after[1], after[3]) == ("file", "thing.py")


def test_a_folder_is_listed_once_for_all_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model imports hundreds of them."""
    (tmp_path / "a.py").write_text("")
    (tmp_path / "b.py").write_text("")
    facts = Facts(Digests(tmp_path, tmp_path / "none.json"))
    listed: list[str] = []
    real = facts._listed
    monkeypatch.setattr(facts, "_listed", lambda folder: listed.append(folder) or real(folder))

    assert [facts.of(f"module://.#{name}") for name in "abc"] == ["a.py", "b.py", "absent"]
    assert listed == ["."]


def test_the_value_of_a_package_is_its_version_and_sixteen_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the lines that are the same wherever it is installed; without a list of files it counts as absent."""
    record = tmp_path / "thing-1.0.dist-info/RECORD"
    record.parent.mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    kept = b"thing/a.py,sha256=a,1\nthing/x../b.py,,\n"
    others = b"../../bin/thing,,\nthing/__pycache__/a.pyc,,\nthing-1.0.dist-info/METADATA,,\n"
    record.write_bytes(others + kept)
    found = value(tmp_path, "package://thing")
    record.unlink()

    assert found == f"1.0 {hashlib.sha256(kept).hexdigest()[:16]}"
    assert value(tmp_path, "package://thing") in ("absent", "1.0 absent")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exists://a", "whether there is a"),
        ("names://a", "names in a"),
        ("module://a#b", "what is imported from a#b"),
        ("installed://a", "installed module a"),
        ("env://A", "environment variable A"),
        ("package://a", "Python package a"),
        ("other://a", "imported other://a"),
        ("env", "imported env"),
        ("env:/A", "imported env:/A"),
    ],
)
def test_each_kind_of_fact_has_a_title(name: str, expected: str) -> None:
    """What is of no kind is a path."""
    assert title(name) == expected
    assert is_fact(name) is not expected.startswith("imported")


def test_a_fact_is_shown_in_words() -> None:
    """And a file as what was imported."""
    assert title("module://models#lib") == "what is imported from models#lib"
    assert title("lib/blocks.py") == "imported lib/blocks.py"
    assert not is_fact("lib/blocks.py")
