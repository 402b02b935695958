"""The freshness cache: the record of an up-to-date step is not read again until it, or a file in it, changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
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
