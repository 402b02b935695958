"""Digests: content decides, and stat only saves time."""

import errno
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from etbuild.system.digests import AT_REST_NS, Digests, folder_digest, stat_of


def at_rest() -> None:
    time.sleep(2 * AT_REST_NS / 1e9)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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


def test_the_digest_of_a_folder_is_that_of_its_sorted_names_and_digests(tmp_path: Path) -> None:
    """Keys of shared caches contain it; a name may be no Unicode."""
    (tmp_path / "d/e/f").mkdir(parents=True)
    (tmp_path / "d/e/f/g").write_bytes(b"1")
    (tmp_path / "d/h").write_bytes(b"2")

    assert folder_digest({"b": "2", "a\udcff": "1"}) == sha256(b"folder\na\xff\x001\nb\x002\n")
    assert digests(tmp_path).of("d") == folder_digest({"e/f/g": sha256(b"1"), "h": sha256(b"2")})


def test_everything_that_was_examined_has_its_stat(tmp_path: Path) -> None:
    """Files, folders at any depth, links to nothing, and what does not exist: the no-op cache compares them."""
    (tmp_path / "d/e/deep").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("")
    (tmp_path / "d/link").symlink_to("nothing")
    found = digests(tmp_path)
    for path in ("d", "gone", "d/e/f/through a file"):
        found.of(path)
    found.of_lines("no lines", lambda line: True)

    assert found.record_stat("d/e/f") == stat_of(str(tmp_path / "d/e/f"))
    assert found.stats_seen == {
        **{path: stat_of(str(tmp_path / path)) for path in ("d", "d/e", "d/e/deep", "d/e/f")},
        **dict.fromkeys(("d/link", "gone", "d/e/f/through a file", "no lines")),
    }


def test_an_absolute_path_is_its_own(tmp_path: Path) -> None:
    """Of an input outside the project."""
    (tmp_path / "a").write_bytes(b"1")
    found = Digests(tmp_path / "project", tmp_path / "cache.json")

    assert found.of(tmp_path / "a") == sha256(b"1")
    assert found.of("a") is None


def test_only_the_lines_that_count_are_hashed(tmp_path: Path) -> None:
    """Cached beside the digest of the whole file; a file that cannot be read has none."""
    (tmp_path / "a").write_bytes(b"one\ntwo\nthree")
    at_rest()
    for _ in range(2):
        found = digests(tmp_path)
        lines = [found.of_lines("a", lambda line: line.startswith(b"t")), found.of("a")]
        found.save()

        assert lines == [sha256(b"two\nthree"), sha256(b"one\ntwo\nthree")]
    assert set(json.loads((tmp_path / "cache.json").read_bytes())) == {"a", "lines a"}
    assert digests(tmp_path).of_lines("gone", lambda line: True) is None


def test_what_was_found_is_known_without_another_look(tmp_path: Path) -> None:
    """Not what was never looked for."""
    (tmp_path / "a").write_text("")
    found = digests(tmp_path)
    found.of("gone")
    before = found.was_found("a")
    found.of("a")

    assert (before, found.was_found("a"), found.was_found("gone")) == (False, True, False)


def test_reading_again_uses_no_digest_of_before(tmp_path: Path) -> None:
    """Of an earlier run or of this one; the cache file has none of them afterwards."""
    (tmp_path / "a").write_bytes(b"one")
    at_rest()
    first = digests(tmp_path)
    first.of("a")
    first.save()
    cache_file = tmp_path / "cache.json"
    cache_file.write_text(cache_file.read_text().replace(sha256(b"one"), "planted"))
    second = digests(tmp_path)
    planted = second.of("a")
    second.read_again()
    second.save()

    assert (planted, second.of("a"), cache_file.read_text()) == ("planted", sha256(b"one"), "{}")


def test_a_digest_is_cached_from_the_moment_that_a_file_is_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a nanosecond earlier; one that is younger loses the entry that it had."""
    (tmp_path / "a").write_bytes(b"one")
    changed_ns = (tmp_path / "a").stat().st_ctime_ns
    cached = []
    for now_ns in (changed_ns + AT_REST_NS, changed_ns + AT_REST_NS - 1):
        monkeypatch.setattr(time, "time_ns", lambda now_ns=now_ns: now_ns)
        found = digests(tmp_path)
        if cached:
            found._cached["a"][0] = -1
        found.of("a")
        found.save()
        cached.append(set(json.loads((tmp_path / "cache.json").read_bytes())))

    assert cached == [{"a"}, set()]


def test_the_cache_file_is_written_only_after_a_change(tmp_path: Path) -> None:
    """A build with nothing to do writes nothing; a disk that refuses costs nothing."""
    (tmp_path / "a").write_bytes(b"one")
    at_rest()
    found = digests(tmp_path)
    found.of("a")
    found.save()
    (tmp_path / "cache.json").unlink()
    found.save()
    once = (tmp_path / "cache.json").exists()
    (tmp_path / "cache.json").mkdir()
    found.read_again()
    found.save()

    assert not once


def test_a_cache_file_that_is_no_mapping_only_costs_time(tmp_path: Path) -> None:
    """Such as a list."""
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "cache.json").write_text("[]")

    assert digests(tmp_path).of("a") == sha256(b"one")


def test_what_nobody_can_read_has_the_digest_of_its_kind(tmp_path: Path) -> None:
    """And of a link's text, which may be no Unicode; of a path and of what is below it alone."""
    for folder in ("one", "one more"):
        (tmp_path / folder).mkdir()
        os.mkfifo(tmp_path / folder / "pipe")
    (tmp_path / "one/link").symlink_to("\udcff")
    found = digests(tmp_path)
    text = "a link to \udcff, which does not exist"

    assert found.of("one") == folder_digest(
        {"link": sha256(text.encode(errors="surrogateescape")), "pipe": sha256(b"a device or pipe")}
    )
    found.of("one more")
    assert found.unreadable("one") == {"one/pipe": "a device or pipe", "one/link": text}
    assert found.unreadable("one more/pipe") == {"one more/pipe": "a device or pipe"}
    found.forget("one")
    assert (found.unreadable("one"), len(found.unreadable("one more"))) == ({}, 1)


@pytest.mark.parametrize("is_link", [True, False])
@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EIO])
def test_of_a_folder_only_a_link_to_nothing_may_be_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_link: bool
) -> None:
    """Any other error is the caller's, also that of a file which goes away meanwhile."""
    (tmp_path / "folder").mkdir()
    if is_link:
        (tmp_path / "folder/a").symlink_to("nothing")
    else:
        (tmp_path / "folder/a").write_text("")
    real = Digests._file

    def refused(found: Digests, name: str, full: str) -> str:
        if name == "folder/a":
            raise OSError(number, "refused")
        return real(found, name, full)

    monkeypatch.setattr(Digests, "_file", refused)
    found = digests(tmp_path)

    if is_link and number not in (errno.EACCES, errno.EIO):
        assert found.of("folder") is not None
    else:
        with pytest.raises(OSError, match="refused"):
            found.of("folder")
