"""The actions of a differential test as a state machine of hypothesis; most end with a build that is compared."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import differential_damage as damages
import differential_edits as edits
import differential_objects as objects
from differential_files import FILES, RECIPES
from differential_world import World
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, rule

NAMES = some.sampled_from(sorted(FILES))
WHERE = some.sampled_from(["A", "A", "B"])
VALUE = some.integers(1, 4)
SOME_VALUE = some.one_of(some.none(), VALUE, VALUE)
NUMBER = some.integers(0, 1000)
HOW = some.sampled_from(edits.HOWS)
DAMAGE = some.sampled_from(damages.DAMAGES)
KIND = some.sampled_from(damages.KINDS)
MOMENT = some.sampled_from(damages.MOMENTS)
VARIABLE = some.sampled_from(["MODEL_SCALE", "MODEL_NAME", "MODEL_FLAG", "UNREAD"])
# A step, and the file that changes while it runs.
FLIP = some.one_of(
    some.tuples(some.just("export"), NAMES),
    some.tuples(some.just("quantize"), some.sampled_from(["calibration", "other calibration"])),
)
KILLS = some.sampled_from(["kill doit", "kill step", "kill server", "fail", "write on"])
PATHS = some.sampled_from([(), ("path1",), ("path2",), ("path1", "path2"), ("path2", "path1"), ("nowhere",)])
MODES = some.sampled_from(["shared", "shared", "remote", "own", "off"])
# Whether a build follows; without one the next action comes on top of this one.
BUILT = some.sampled_from([True, True, True, False])


class Differential(RuleBasedStateMachine):
    """base: a folder for the worlds; warm: see World; counts: of all worlds."""

    base: Path
    warm: Path
    counts: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.run = Path(tempfile.mkdtemp(prefix="run"))
        self.counts["worlds"] += 1
        self.world = World(self.base / f"world{self.counts['worlds']}", self.run, self.warm)

    def teardown(self) -> None:
        self.world.close()
        self.counts.update(self.world.counts)
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.world.base, ignore_errors=True)

    def act(self, action: Callable[..., Any], where: str, *arguments: Any, built: bool = True, **more: Any) -> None:
        """Do it, and build."""
        text = ", ".join([where, *map(repr, arguments), *(f"{name}={value!r}" for name, value in more.items())])
        self.world.journal.append(f"{action.__name__}({text}){'' if built else '  # not built'}")
        self.counts["steps"] += 1
        self.counts[action.__name__] += 1
        try:
            action(self.world, *arguments, **more)
            if built:
                self.world.check(where)
        except AssertionError as error:
            # Printed, because a kill at a random moment may not fail again when hypothesis repeats it.
            print("\n".join([str(error), "the actions of this world:", *self.world.journal]))
            raise

    # Without arguments: hypothesis begins with an example of only these.
    @rule()
    def a_moment_passes(self) -> None:
        """Files are at rest, so that digests of them are used again."""
        time.sleep(0.06)

    @rule(where=WHERE, name=NAMES, value=SOME_VALUE, how=HOW, built=BUILT)
    def edit(self, where: str, name: str, value: int | None, how: str, built: bool) -> None:
        self.act(edits.edit, where, where, name, value, how, built=built)

    @rule(where=WHERE, name=NAMES, value=SOME_VALUE, how=HOW)
    def edit_what_is_up_to_date(self, where: str, name: str, value: int | None, how: str) -> None:
        """The no-op cache has an entry when the edit comes."""
        self.act(edits.nothing, where)
        self.act(edits.nothing, where)
        self.act(edits.edit, where, where, name, value, how)

    @rule(where=WHERE, edited=some.lists(some.tuples(NAMES, SOME_VALUE, HOW), min_size=2, max_size=6))
    def edit_some(self, where: str, edited: list[tuple[str, int | None, str]]) -> None:
        for name, value, how in edited:
            self.act(edits.edit, where, where, name, value, how)

    @rule(where=WHERE, name=NAMES, value=SOME_VALUE, how=HOW)
    def edit_and_back(self, where: str, name: str, value: int | None, how: str) -> None:
        for number in (1, value, 1):
            self.act(edits.edit, where, where, name, number, how)

    @rule(where=WHERE, name=NAMES, value=VALUE)
    def edit_as_imported(self, where: str, name: str, value: int) -> None:
        """Bytecode of the older text lies beside it."""
        self.act(edits.leave_bytecode, where, where, name, built=False)
        self.act(edits.edit, where, where, name, value, "same times")

    @rule(where=WHERE, name=VARIABLE, value=some.sampled_from([None, "", "1", "2"]), rested=some.booleans())
    def set_variable(self, where: str, name: str, value: str | None, rested: bool) -> None:
        """rested: the no-op cache has an entry."""
        for _ in range(2 * rested):
            self.act(edits.nothing, where)
        self.act(edits.variable, where, name, value)

    @rule(where=WHERE, folders=PATHS, built=BUILT)
    def set_python_path(self, where: str, folders: tuple[str, ...], built: bool) -> None:
        self.act(edits.python_path, where, folders, built=built)

    @rule(where=WHERE, package=some.sampled_from(["pack", "deep"]), version=VALUE, value=some.integers(0, 4))
    def install(self, where: str, package: str, version: int, value: int) -> None:
        """And the same version with other content."""
        self.act(edits.install, where, package, version, value)
        self.act(edits.install, where, package, version, 1 + value % 4)

    @rule(where=WHERE, version=VALUE)
    def upgrade_a_tool(self, where: str, version: int) -> None:
        self.act(edits.upgrade_vela, where, version)

    @rule(where=WHERE, number=some.integers(0, RECIPES - 1), broken=some.sampled_from([False, False, False, True]))
    def edit_recipe(self, where: str, number: int, broken: bool) -> None:
        self.act(edits.recipe, where, where, number, broken)

    @rule(where=WHERE, first=some.integers(0, 2), step=some.integers(1, 3), built=BUILT)
    def edit_model(self, where: str, first: int, step: int, built: bool) -> None:
        self.act(edits.model, where, where, first, step, built=built)

    @rule(where=WHERE, branch=some.sampled_from(["main", "other"]), old_times=some.booleans(), built=BUILT)
    def switch_branch(self, where: str, branch: str, old_times: bool, built: bool) -> None:
        self.act(edits.switch, where, where, branch, old_times, built=built)

    @rule(where=WHERE)
    def move_project(self, where: str) -> None:
        self.act(edits.move, where, where)

    @rule(where=WHERE, with_build=some.booleans())
    def copy_project(self, where: str, with_build: bool) -> None:
        self.act(edits.copy, "B" if where == "A" else "A", where, with_build)

    @rule(where=WHERE, value=some.integers(0, 3))
    def flip_links_and_folders(self, where: str, value: int) -> None:
        if value == 0:
            self.act(edits.flip_folder, where, where)
        else:
            self.act(edits.link_elsewhere, where, where, value)

    @rule(where=WHERE, mode=MODES)
    def use_cache(self, where: str, mode: str) -> None:
        self.act(edits.cache, where, where, mode)

    @rule(where=WHERE, words=some.sampled_from([("clean",), ("forget",), ("-a",), ("why",), ("pte:net",)]))
    def other_command(self, where: str, words: tuple[str, ...]) -> None:
        self.act(edits.command, where, where, words)

    @rule(where=WHERE, server=some.sampled_from(["on", "on", "off", "stop", "kill"]), processes=some.integers(1, 2))
    def serve(self, where: str, server: str, processes: int) -> None:
        self.act(damages.serve, where, server, processes)


class Disturbed(Differential):
    """The same, with damage and kills."""

    @rule(where=WHERE, number=NUMBER, how=DAMAGE)
    def damage_output(self, where: str, number: int, how: str) -> None:
        self.act(damages.damage, where, "outputs", where, number, how)

    @rule(where=WHERE, number=NUMBER, how=DAMAGE, built=BUILT)
    def damage_state(self, where: str, number: int, how: str, built: bool) -> None:
        self.act(damages.damage, where, "state", where, number, how, built=built)

    @rule(where=WHERE, number=NUMBER, how=DAMAGE, again=some.booleans())
    def damage_cache(self, where: str, number: int, how: str, again: bool) -> None:
        """again: all that was built is removed, so that it comes from the cache."""
        self.act(damages.damage, where, "stored", where, number, how, built=not again)
        if again:
            self.act(edits.command, where, where, ("clean",))

    @rule(where=WHERE, what=some.sampled_from(["outputs", "state", "stored"]), number=NUMBER)
    def damage_in_place(self, where: str, what: str, number: int) -> None:
        self.act(damages.damage_in_place, where, what, where, number)

    @rule(where=WHERE, flip=FLIP, value=VALUE, moment=MOMENT)
    def flip_during_a_build(self, where: str, flip: tuple[str, str], value: int, moment: str) -> None:
        """The other checkout, which has the older text, then asks the cache."""
        other = "B" if where == "A" else "A"
        self.act(edits.recipe, where, where, value, built=False)
        self.act(damages.flip_during, where, where, *flip, value, moment)
        self.act(edits.command, other, other, ("clean",))

    @rule(where=WHERE, value=VALUE, moment=MOMENT)
    def swap_folders_during_a_build(self, where: str, value: int, moment: str) -> None:
        """The files in them are older than the build."""
        self.act(damages.swap_during, where, where, value, moment)

    @rule(where=WHERE, name=NAMES, value=SOME_VALUE, what=KILLS, kind=KIND, moment=MOMENT)
    def kill_during_a_build(self, where: str, name: str, value: int | None, what: str, kind: str, moment: str) -> None:
        self.act(edits.edit, where, where, name, value, "plain", built=False)
        self.act(damages.kill_during, where, where, what, kind, moment)

    @rule(where=WHERE, name=NAMES, value=SOME_VALUE, number=some.integers(1, 150))
    def crash(self, where: str, name: str, value: int | None, number: int) -> None:
        self.act(edits.edit, where, where, name, value, "plain", built=False)
        self.act(damages.crash, where, where, number)

    @rule(
        where=WHERE,
        name=NAMES,
        value=SOME_VALUE,
        both=some.booleans(),
        after_s=some.one_of(some.none(), some.floats(0.0, 1.0)),
    )
    def build_twice_at_once(self, where: str, name: str, value: int | None, both: bool, after_s: float | None) -> None:
        self.act(edits.edit, where, where, name, value, "plain", built=False)
        self.act(damages.two_builds, where, ("A", "B") if both else (where, where), after_s)

    @rule(where=WHERE, name=NAMES, number=some.integers(1, 500))
    def edit_while_it_is_read(self, where: str, name: str, number: int) -> None:
        self.act(damages.edit_often, where, where, name, number)

    @rule(texts=some.tuples(VALUE, VALUE, some.integers(0, 1)), number=NUMBER, how=DAMAGE, at_once=some.booleans())
    def compile_objects(self, texts: tuple[int, int, int], number: int, how: str, at_once: bool) -> None:
        """The firmware's compiler with its cache; the build engine has no part in it."""
        self.act(objects.compile_after_damage, "A", texts, number, how, at_once, built=False)

    @rule(where=WHERE)
    def build_from_nothing(self, where: str) -> None:
        """Without a record, a cache and a server: the engine agrees with the clean build that all is compared with."""
        self.act(edits.build_from_nothing, where, where)

    @rule(where=WHERE)
    def leave_rubbish(self, where: str) -> None:
        self.act(damages.leave_rubbish, where, where)

    @rule(where=WHERE)
    def build_again(self, where: str) -> None:
        """What was just built is up to date."""
        self.act(edits.nothing, where)
        self.act(edits.up_to_date, where, where)
