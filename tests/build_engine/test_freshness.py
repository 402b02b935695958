"""The freshness cache: the record of an up-to-date step is not read again until it, or a file in it, changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from etbuild.build_engine.decision import CurrentState, Record
from etbuild.build_engine.freshness import FreshnessCache
from etbuild.build_engine.step import Step
from etbuild.system.digests import AT_REST_NS, StatKey

STEP = Step("vela:net@a", ("--memory-mode", "Shared_Sram"), ("in",), ("build/out",), ("ethos-u-vela",))
RECORD = Record(
    STEP.argv, {"ethos-u-vela": "5.1.0"}, {"vela.py": "s1"}, {"in": "i1"}, {"blocks.py": "m1"}, {"build/out": "o1"}
)
FILES = {"in": "i1", "blocks.py": "m1", "build/out": "o1"}
AT_REST: StatKey = (1, 2, 3, 4, time.time_ns() - 2 * AT_REST_NS)


def cache(
    folder: Path,
    files: Mapping[str, str | None] = FILES,
    tools: Mapping[str, str] = RECORD.tools,
    source: Mapping[str, str] = RECORD.source,
) -> FreshnessCache:
    current = CurrentState(lambda path: files.get(str(path)), lambda _: tools, lambda _: source)
    return FreshnessCache(current, folder / "cache.json")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder whose cache file has an entry for RECORD."""
    written = cache(tmp_path)
    written.store(STEP, AT_REST, RECORD)
    written.save()
    return tmp_path


def test_an_unchanged_step_is_up_to_date(stored: Path) -> None:
    """In another process too."""
    assert cache(stored).is_up_to_date(STEP, AT_REST)


def test_another_stat_of_the_record_invalidates_the_entry(stored: Path) -> None:
    """Its content may be another one now."""
    assert not cache(stored).is_up_to_date(STEP, (*AT_REST[:-1], AT_REST[-1] + 1))


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("digest", ["other", None])
def test_another_file_invalidates_the_entry(stored: Path, path: str, digest: str | None) -> None:
    """Input, discovered input, output; changed or gone."""
    assert not cache(stored, {**FILES, path: digest}).is_up_to_date(STEP, AT_REST)


def test_another_setting_tool_or_source_invalidates_the_entry(stored: Path) -> None:
    """All that `reasons` compares."""
    found = [
        cache(stored).is_up_to_date(STEP._replace(argv=("--memory-mode", "Sram_Only")), AT_REST),
        cache(stored).is_up_to_date(STEP._replace(inputs=()), AT_REST),
        cache(stored, tools={"ethos-u-vela": "5.0.0"}).is_up_to_date(STEP, AT_REST),
        cache(stored, source={"vela.py": "s2"}).is_up_to_date(STEP, AT_REST),
    ]

    assert found == [False, False, False, False]


def test_no_entry_is_stored_for_a_record_that_was_just_written(tmp_path: Path) -> None:
    """It may change once more under the same stat."""
    written = cache(tmp_path)
    written.store(STEP, (1, 2, 3, 4, time.time_ns()), RECORD)
    written.save()

    assert not (tmp_path / "cache.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vela:net@a": 1}', json.dumps({STEP.name: [1, 2]})])
def test_a_damaged_cache_file_only_costs_time(stored: Path, text: str) -> None:
    """The record is read."""
    (stored / "cache.json").write_text(text)

    assert not cache(stored).is_up_to_date(STEP, AT_REST)


def test_an_entry_is_stored_for_a_record_at_rest_from_the_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is as old as that cannot change under its stat any more; one that is a nanosecond younger can."""
    monkeypatch.setattr(time, "time_ns", lambda: 10 * AT_REST_NS)
    found = []
    for changed_ns in (9 * AT_REST_NS, 9 * AT_REST_NS + 1):
        made = cache(tmp_path)
        made.store(STEP, (1, 2, 3, 4, changed_ns), RECORD)
        found.append(made.is_up_to_date(STEP, (1, 2, 3, 4, changed_ns)))

    assert found == [True, False]


def test_the_cache_file_is_written_only_after_a_change(stored: Path) -> None:
    """A build with nothing to do writes nothing; nor does a second save."""
    (stored / "cache.json").unlink()
    unchanged, changed = cache(stored), cache(stored)
    unchanged.save()
    changed.store(STEP, AT_REST, RECORD)
    before = (stored / "cache.json").exists()
    changed.save()
    once = (stored / "cache.json").exists()
    (stored / "cache.json").unlink()
    changed.save()

    assert (before, once, (stored / "cache.json").exists()) == (False, True, False)


def test_a_disk_that_refuses_the_cache_file_only_costs_time(stored: Path) -> None:
    """A folder has its name."""
    (stored / "cache.json").unlink()
    (stored / "cache.json").mkdir()
    made = cache(stored)
    made.store(STEP, AT_REST, RECORD)

    made.save()

    assert made.is_up_to_date(STEP, AT_REST)


def test_the_source_of_a_kind_is_looked_up_once(stored: Path) -> None:
    """A project has hundreds of steps of one kind."""
    asked: list[str] = []

    def source(step: Step) -> Mapping[str, str]:
        asked.append(step.kind)
        return RECORD.source

    made = FreshnessCache(CurrentState(FILES.get, lambda _: RECORD.tools, source), stored / "cache.json")  # type: ignore[arg-type]

    assert [made.is_up_to_date(STEP, AT_REST) for _ in range(2)] == [True, True]
    assert asked == ["vela"]


def test_equal_facts_are_equal_however_they_are_kept_in_memory(tmp_path: Path) -> None:
    """The record is read from JSON, where every text is an object of its own; here one object is everywhere."""
    text = "".join(["one", "text"])
    step = Step("vela:net@a", (text, text), ("in",), ("build/out",))
    shared = Record(step.argv, {"vela": text}, {"vela.py": text}, {"in": text}, {}, {"build/out": text})
    separate = Record.from_json(shared.to_json())
    assert separate is not None
    made = FreshnessCache(
        CurrentState(lambda _: text, lambda _: {"vela": text}, lambda _: {"vela.py": text}), tmp_path / "c"
    )
    made.store(step, AT_REST, separate)

    assert made.is_up_to_date(step, AT_REST)


def test_a_file_that_a_run_missed_and_that_is_still_missing_changes_nothing(tmp_path: Path) -> None:
    """Its digest in the record is empty."""
    made = cache(tmp_path)
    made.store(STEP, AT_REST, replace(RECORD, discovered={"gone.py": ""}))

    assert made.is_up_to_date(STEP, AT_REST)
