"""A remote cache whose records are signed: CI writes with a private key, everybody else reads with the public one."""

import subprocess
from pathlib import Path

import pytest
from built_project import FakeProject
from cached_project import STEP, TRACED, Elsewhere, Machine, outputs, stored_files
from forged_records import forge, the_action
from key_pairs import Pair

from etbuild.build_engine.cache.signing import Keys
from etbuild.build_engine.execute import Executor
from etbuild.errors import UsageError
from etbuild.system import environment

PAIR, OTHER = Pair.of(1), Pair.of(2)
PRIVATE, PUBLIC = "ETBUILD_REMOTE_CACHE_PRIVATE_KEY", "ETBUILD_REMOTE_CACHE_PUBLIC_KEY"
TRUST = "ETBUILD_REMOTE_CACHE_TRUST"


class Roles:
    """Checkouts on machines of their own, by what they know."""

    def __init__(self, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch):
        self._elsewhere = elsewhere
        self._monkeypatch = monkeypatch

    def settings(self, **values: str) -> None:
        for name in (PRIVATE, PUBLIC, TRUST):
            self._monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)

    def writer(self, name: str) -> Executor:
        self.settings(**{PRIVATE: PAIR.private})
        return self._elsewhere(name)

    def reader(self, name: str) -> Executor:
        self.settings(**{PUBLIC: PAIR.public})
        return self._elsewhere(name)

    def trusting(self, name: str) -> Executor:
        self.settings(**{TRUST: "unsigned"})
        return self._elsewhere(name)


@pytest.fixture
def roles(machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Roles:
    return Roles(elsewhere, monkeypatch)


def test_who_has_the_public_key_reads_what_the_private_key_signed(machine: Machine, roles: Roles) -> None:
    """Lists and actions."""
    machine.behave(imports=("blocks.py",))
    first = roles.writer("ci")
    first.run(TRACED)
    second = roles.reader("pull request")

    assert second.run(TRACED).how == "cached"
    assert outputs(second) == outputs(first)


@pytest.mark.parametrize("mark", [b"-", b"unsigned", Keys(OTHER.private).origin], ids=["none", "a word", "a key"])
def test_who_can_write_to_the_bucket_but_not_sign_decides_nothing(
    machine: Machine, shared: Path, roles: Roles, mark: bytes
) -> None:
    """Its records are ignored by readers, and replaced by the next writer."""
    first = roles.writer("ci")
    first.run(STEP)
    forge(shared, mark)

    reader = roles.reader("pull request")
    assert (reader.run(STEP).how, outputs(reader)) == ("ran", outputs(first))
    assert roles.writer("ci again").run(STEP).how == "ran"
    assert roles.reader("another pull request").run(STEP).how == "cached"


def test_the_forged_record_would_be_accepted_if_nobody_checked(machine: Machine, shared: Path, roles: Roles) -> None:
    """The counterpart of the test above: what reading unsigned records means."""
    roles.writer("ci").run(STEP)
    forge(shared)
    victim = roles.trusting("victim")

    assert victim.run(STEP).how == "cached"
    assert set(outputs(victim).values()) == {b"poison"}


def test_a_signed_record_under_another_name_is_ignored(machine: Machine, shared: Path, roles: Roles) -> None:
    """An old action cannot be passed off as a new one."""
    first = roles.writer("first")
    first.run(STEP)
    old = the_action(shared)
    (first.workspace.root / "model.py").write_text("two")
    first.run(STEP)
    (new,) = (path for path in stored_files(shared, "actions") if path != old)
    new.write_bytes(old.read_bytes())
    second = roles.reader("second")
    (second.workspace.root / "model.py").write_text("two")

    assert second.run(STEP).how == "ran"


def test_who_has_only_the_public_key_writes_nothing(machine: Machine, shared: Path, roles: Roles) -> None:
    """Nobody would accept it, and it would replace what was signed."""
    roles.reader("pull request").run(STEP)

    assert stored_files(shared) == []


def test_reading_a_remote_needs_a_key_or_the_word_unsigned(machine: Machine, shared: Path, roles: Roles) -> None:
    """Whoever can write there may run code on this machine, so nobody gets into that by leaving a variable out."""
    roles.settings()

    with pytest.raises(UsageError) as error:
        environment.cache_settings()

    assert str(error.value) == (
        "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got none, wanted the key that the records of ETBUILD_REMOTE_CACHE are signed "
        "with\n"
        "    set it, or ETBUILD_REMOTE_CACHE_TRUST=unsigned if all who can write there may run code on this machine"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({TRUST: "all"}, 'ETBUILD_REMOTE_CACHE_TRUST: got "all", wanted signed or unsigned'),
        (
            {TRUST: "unsigned", PUBLIC: PAIR.public},
            "ETBUILD_REMOTE_CACHE_TRUST: got unsigned and a key, wanted one of the two\n"
            "    unset it to read only what was signed, or unset the keys",
        ),
        (
            {TRUST: "unsigned", "ETBUILD_REMOTE_CACHE_KEY": "secret"},
            "ETBUILD_REMOTE_CACHE_KEY: got a shared secret, wanted a pair of keys\n"
            "    unset it, and see docs/cache.md for ETBUILD_REMOTE_CACHE_PRIVATE_KEY and _PUBLIC_KEY",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_usage_errors(
    machine: Machine, roles: Roles, values: dict[str, str], message: str
) -> None:
    """One message each."""
    roles.settings(**values)

    with pytest.raises(UsageError) as error:
        environment.cache_settings()

    assert str(error.value) == message


def test_what_was_read_unsigned_is_not_trusted_once_a_key_is_set(
    machine: Machine, shared: Path, roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local store remembers where a record came from; what was built on this machine stays good."""
    roles.trusting("ci").run(STEP)
    forge(shared)
    victim = roles.trusting("victim")
    victim.run(STEP)
    victim.run(TRACED)
    roles.settings(**{PUBLIC: PAIR.public})
    next_to_it = machine.checkout("next to the victim")

    assert [next_to_it.run(TRACED).how, next_to_it.run(STEP).how] == ["cached", "ran"]


def test_what_was_signed_is_local_from_then_on(machine: Machine, shared: Path, roles: Roles) -> None:
    """The remote is not asked again."""
    roles.writer("ci").run(STEP)
    roles.reader("pull request").run(STEP)
    for path in stored_files(shared):
        path.unlink()

    assert machine.checkout("next to it").run(STEP).how == "cached"


def test_keys_made_with_openssl_are_read_from_files(machine: Machine, roles: Roles, tmp_path: Path) -> None:
    """The two commands of docs/cache.md."""
    private, public = tmp_path / "cache.key", tmp_path / "cache.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)

    assert Keys(public=str(public)).verify("name", Keys(str(private)).sign("name", b"body")) == b"body"


def test_the_private_key_reaches_no_step_and_no_file(
    machine: Machine, roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's code is not to see it; the no-op cache saves the variables that were read."""
    roles.settings(**{PRIVATE: PAIR.private})
    environment.cache_settings()

    assert PRIVATE not in environment.step_environment()
    assert PAIR.private not in environment.variables_read().values()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got none, wanted the key that the records of ETBUILD_REMOTE_CACHE are"),
        ("cache.pub", "ETBUILD_REMOTE_CACHE_PUBLIC_KEY: got No such file or directory, wanted a key as PEM, or the"),
    ],
)
def test_a_build_without_the_key_of_its_remote_ends_with_2(tmp_path: Path, key: str, message: str) -> None:
    """A wrong setting, not a failed step; a relative path begins at the folder of dodo.py."""
    project = FakeProject(tmp_path)
    project.environment.update({"ETBUILD_REMOTE_CACHE": f"file://{tmp_path}/shared", PUBLIC: key})
    project.environment.pop(TRUST, None)
    project.environment["ETBUILD_CACHE"] = str(tmp_path / "cache")

    wrong = project.doit()
    (tmp_path / "cache.pub").write_text(PAIR.public)
    project.environment[PUBLIC] = "cache.pub"
    right = project.doit()

    assert wrong.returncode == 2
    assert message in wrong.stdout + wrong.stderr
    assert "Traceback" not in wrong.stdout + wrong.stderr
    assert right.returncode == 0, right.stdout + right.stderr
