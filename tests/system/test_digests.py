"""Digests: content decides, and stat only saves time."""

import hashlib
import os
import time
from pathlib import Path

from etbuild.system.digests import AT_REST_NS, Digests


def at_rest() -> None:
    time.sleep(2 * AT_REST_NS / 1e9)


def digests(root: Path) -> Digests:
    return Digests(root, root / "cache.json")


def test_a_file_has_the_sha256_of_its_content(tmp_path: Path) -> None:
    """The digest is plain SHA-256, so that a user can check it with sha256sum."""
    (tmp_path / "a").write_bytes(b"hello")

    assert digests(tmp_path).of("a") == hashlib.sha256(b"hello").hexdigest()


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    """Missing files and paths through files are None, not errors."""
    (tmp_path / "a").write_bytes(b"")

    assert digests(tmp_path).of("b") is None
    assert digests(tmp_path).of("a/b") is None


def test_a_change_under_the_same_size_and_mtime_is_seen(tmp_path: Path) -> None:
    """ctime cannot be set back, so a restored mtime hides nothing."""
    file = tmp_path / "a"
    file.write_bytes(b"one")
    times = file.stat()
    at_rest()
    first = digests(tmp_path)
    before = first.of("a")
    first.save()

    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert digests(tmp_path).of("a") == hashlib.sha256(b"two").hexdigest() != before


def test_the_digest_of_a_file_that_was_just_written_is_not_cached(tmp_path: Path) -> None:
    """It may change again under the same timestamp."""
    (tmp_path / "a").write_bytes(b"one")
    first = digests(tmp_path)
    first.of("a")
    first.save()

    assert not (tmp_path / "cache.json").exists()


def test_a_file_at_rest_is_not_read_again(tmp_path: Path) -> None:
    """The second run uses the cached digest; a planted one shows that it did."""
    (tmp_path / "a").write_bytes(b"one")
    at_rest()
    first = digests(tmp_path)
    digest = first.of("a")
    first.save()
    cache_file = tmp_path / "cache.json"
    cache_file.write_text(cache_file.read_text().replace(str(digest), "planted"))

    assert digests(tmp_path).of("a") == "planted"


def test_a_damaged_cache_file_only_costs_time(tmp_path: Path) -> None:
    """Incomplete JSON counts as no file."""
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "cache.json").write_text('{"a": [1, 2')

    assert digests(tmp_path).of("a") == hashlib.sha256(b"one").hexdigest()


def test_a_folder_changes_with_names_and_contents_below_it(tmp_path: Path) -> None:
    """Adding, renaming or changing a file at any depth changes the folder; its own times do not."""
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("1")

    def now() -> str | None:
        return digests(tmp_path).of("d")

    first = now()
    os.utime(tmp_path / "d")
    same = now()
    (tmp_path / "d/e/f").rename(tmp_path / "d/e/g")
    renamed = now()
    (tmp_path / "d/e/g").write_text("2")
    changed = now()

    assert first == same
    assert len({first, renamed, changed}) == 3


def test_a_path_is_examined_once_a_run_until_it_is_forgotten(tmp_path: Path) -> None:
    """The executor forgets what a step has written."""
    (tmp_path / "a").write_text("1")
    found = digests(tmp_path)
    before = found.of("a")
    (tmp_path / "a").write_text("22")

    unforgotten = found.of("a")
    found.forget("a")

    assert unforgotten == before
    assert found.of("a") != before


def test_a_link_to_nothing_in_a_folder_counts_as_its_text(tmp_path: Path) -> None:
    """Another target is another folder, and so is one where the target exists."""
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder/link"
    link.symlink_to("nothing")
    found = digests(tmp_path)
    first = found.of("folder")

    assert found.unreadable("folder") == {"folder/link": "a link to nothing, which does not exist"}
    assert first == digests(tmp_path).of("folder")
    (tmp_path / "folder/nothing").write_text("")
    found.forget("folder")
    assert found.of("folder") != first
    assert found.unreadable("folder") == {}


def test_a_loop_of_links_in_a_folder_counts_as_its_text(tmp_path: Path) -> None:
    """Nobody can read it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/loop").symlink_to("loop")
    found = digests(tmp_path)

    assert found.of("folder") is not None
    assert found.unreadable("folder") == {"folder/loop": "a link to loop, which does not exist"}


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    """Who opens one waits for a writer for ever; a device may have no end."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder/pipe")
    found = digests(tmp_path)

    assert found.of("folder") is not None
    assert found.of("/dev/zero") == found.of("folder/pipe")
    assert found.unreadable("folder") == {"folder/pipe": "a device or pipe"}
