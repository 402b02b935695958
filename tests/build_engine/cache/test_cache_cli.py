"""`etbuild cache`: what it prints, what it removes, and its exit codes."""

import os
from pathlib import Path

import pytest
from cached_project import STEP, Machine

from etbuild.cli.cache import parse_limit
from etbuild.cli.main import main
from etbuild.errors import UsageError
from etbuild.system.listed_cache import ListedCache


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this test's own objects, host libraries and indexes: the commands remove what they find there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return tmp_path / "user/etbuild"


@pytest.fixture
def filled(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One action with one blob (its outputs have the same content), each last used at a known time."""
    monkeypatch.setenv("TZ", "UTC")
    machine.checkout("first").run(STEP)
    for at, path in enumerate([*machine.stored("blobs"), *machine.stored("actions")]):
        os.utime(path, (at * 86400, at * 86400))
    return machine


def test_stats(filled: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it; the size is that of the files."""
    size = sum(path.stat().st_size for path in filled.stored())

    assert main(["cache", "stats"]) == 0
    assert capsys.readouterr().out == (
        f"folder       {filled.store}\n"
        "actions      1\n"
        "blobs        1\n"
        f"size         {size / 1024:.1f} KiB\n"
        "oldest use   1970-01-01 00:00\n"
        "last use     1970-01-02 00:00\n"
    )


def test_stats_of_a_cache_that_does_not_exist_yet(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty, and no folder is created."""
    assert main(["cache", "stats"]) == 0
    assert (
        capsys.readouterr().out == f"folder       {machine.store}\nactions      0\nblobs        0\nsize         0 B\n"
    )
    assert not machine.store.exists()


def test_gc_removes_what_was_used_longest_ago(filled: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Until the rest fits."""
    (blob,), (action,) = filled.stored("blobs"), filled.stored("actions")
    size = action.stat().st_size

    assert main(["cache", "gc", "--max-size", str(size)]) == 0
    assert (blob.exists(), action.exists()) == (False, True)
    assert capsys.readouterr().out == f"{filled.store}: removed 1 files, {size / 1024:.1f} KiB left\n"


def test_a_hit_is_a_use(filled: Machine) -> None:
    """Blob and record count as used now."""
    filled.checkout("second").run(STEP)

    assert min(path.stat().st_mtime for path in filled.stored()) > 2 * 86400


def test_gc_that_removed_a_blob_costs_a_run(filled: Machine) -> None:
    """The record without its blob is deleted and written again."""
    filled.stored("blobs")[0].unlink()

    assert filled.checkout("second").run(STEP).how == "ran"
    assert filled.checkout("third").run(STEP).how == "cached"


def test_gc_leaves_files_that_are_being_written(filled: Machine) -> None:
    """One counts as abandoned only after a day."""
    new, old = filled.store / "v1/tmp/new", filled.store / "v1/tmp/old"
    new.write_text("")
    old.write_text("")
    os.utime(old, (0, 0))

    main(["cache", "gc"])

    assert (new.exists(), old.exists()) == (True, False)


def test_verify_deletes_damaged_files(filled: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named by its path; exit code 1, then 0."""
    (blob,) = filled.stored("blobs")
    blob.write_text("damaged")

    assert (main(["cache", "verify"]), main(["cache", "verify"])) == (1, 0)
    assert capsys.readouterr().out == (
        f"{blob}: damaged, removed\n{filled.store}: 1 damaged\n{filled.store}: 0 damaged\n"
    )


def test_clear_removes_what_the_cache_wrote_and_no_more(filled: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of the user's may contain other files."""
    (filled.store / "mine").write_text("")

    assert main(["cache", "clear"]) == 0
    assert [path for path in filled.store.rglob("*") if path.is_file()] == [filled.store / "mine"]
    assert capsys.readouterr().out == f"{filled.store}: removed 2 files\n"


def test_a_cache_that_is_switched_off_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ETBUILD_CACHE=off."""
    monkeypatch.setenv("ETBUILD_CACHE", "off")

    assert main(["cache", "stats"]) == 2
    assert capsys.readouterr().err == (
        "ETBUILD_CACHE: got off, wanted a build cache\n    unset it, or set it to a folder\n"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("10G", 10 << 30), ("1.5k", 1536), ("500 MB", None), ("2TiB", 2 << 40), ("G", None), ("9" * 400, None)],
)
def test_sizes(text: str, size: int | None) -> None:
    """K, M, G and T are powers of 1024; anything else is refused."""
    if size is not None:
        assert parse_limit(text) == size
        return
    with pytest.raises(UsageError) as error:
        parse_limit(text)
    assert str(error.value) == f'--max-size: got "{text}", wanted a size such as 10G or 500M'


def test_the_default_folder_is_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME."""
    from etbuild.system.environment import cache_settings

    monkeypatch.delenv("ETBUILD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_settings().folder == tmp_path / "etbuild/store"


@pytest.fixture
def compiled(filled: Machine, user_cache: Path) -> Path:
    """Beside the store: an object used before all, and what a killed build left of another and of an index."""
    folder = user_cache / "objects"
    folder.mkdir(parents=True)
    (folder / "part.o").write_text("object")
    ListedCache(folder).add("one", {"one.o": folder / "part.o"})
    os.utime(folder / "one.sha256", (0, 0))
    for left in (folder / "two.1-ab.o", user_cache / "programs.json.1"):
        left.write_text("")
        os.utime(left, (0, 0))
    return folder


def test_stats_count_objects_and_what_killed_builds_left(compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the figures of the store."""
    assert main(["cache", "stats"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"objects      1 in {compiled}, 6 B",
        "unfinished   2 files, of running and of killed builds",
    ]


def test_gc_removes_objects_too_and_what_killed_builds_left(
    filled: Machine, compiled: Path, user_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Objects and store share one limit; these objects were used before all that is in the store."""
    for path in filled.stored():
        os.utime(path)
    size = sum(path.stat().st_size for path in filled.stored())

    assert main(["cache", "gc", "--max-size", str(size)]) == 0
    assert list(compiled.iterdir()) == []
    assert len(filled.stored()) == 2
    assert capsys.readouterr().out == (
        f"{filled.store}: removed 0 files, {size / 1024:.1f} KiB left\n"
        f"{compiled}: removed 1 files, 0 B left\n"
        f"{user_cache}: removed 2 unfinished files of earlier builds\n"
    )


def test_verify_removes_damaged_objects(filled: Machine, compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty one among them; exit code 1."""
    (compiled / "one.o").write_text("")

    assert main(["cache", "verify"]) == 1
    assert not (compiled / "one.o").exists()
    assert capsys.readouterr().out == (
        f"{compiled / 'one'}: damaged, removed\n{filled.store}: 0 damaged\n{compiled}: 1 damaged\n"
    )


def test_clear_removes_objects_and_indexes_and_no_more(filled: Machine, compiled: Path, user_cache: Path) -> None:
    """A folder beside them that etbuild did not write stays."""
    (user_cache / "mine").mkdir()
    (user_cache / "mine/a.json").write_text("{}")

    assert main(["cache", "clear"]) == 0
    assert filled.stored() == []
    assert [path for path in user_cache.rglob("*") if path.is_file()] == [user_cache / "mine/a.json"]
