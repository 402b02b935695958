"""The standing answer: what is printed without dodo.py is what the full decision printed, and any difference ends it.

A project is built by the stand-in for the compilers, then decided with the dodo.py that is shipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from built_project import ALL, DODO, FakeProject, rebuilt

from etbuild.build_engine import noop
from etbuild.build_engine.noop import Basis
from etbuild.system.digests import AT_REST_NS

SHIPPED = (Path(__file__).parents[2] / "dodo.py").read_text()
# The stand-in for the compilers, with this machine's tools.
BUILT = DODO.replace("(__file__))", "(__file__, ToolVersions()))").replace(
    "import executor", "import executor\nfrom etbuild.build_engine.workspace import ToolVersions"
)
STATE = Path("build/.etbuild")
DATA = Path("recipes/data/calibration.npz")
RECORD = STATE / "steps/pte.net@ethos-u55-128.json"
MODEL = Path("build/net/ethos-u55-128/model.pte")
DELEGATES = Path("build/net/tosa-u55/delegates")
PLANTED = "planted\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been built, its recipe taking the model's folder from the environment."""
    made = FakeProject(tmp_path_factory.mktemp("template"), {**os.environ, "NET_FOLDER": "models"})
    made.recipe.write_text(made.recipe.read_text().replace("models/net.py", "$NET_FOLDER/net.py"))
    (made.root / "dodo.py").write_text(BUILT)
    assert rebuilt(made) == ALL
    (made.root / "dodo.py").write_text(SHIPPED)
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> FakeProject:
    """The project in a folder of its own, every file at rest, with nothing to do and no answer yet."""
    root = Path(shutil.copytree(template, tmp_path / "project"))
    time.sleep(2 * AT_REST_NS / 1e9)
    return FakeProject(root, {**os.environ, "NET_FOLDER": "models"})


def kept(project: FakeProject) -> list[Path]:
    return sorted((project.root / STATE / "standing").glob("*.json"))


def planted(project: FakeProject, *words: str) -> Path:
    """Decide in full, and put another text into the answer that was kept: who prints it took the answer."""
    done = project.doit(*words)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = kept(project)
    file.write_text(json.dumps({**json.loads(file.read_text()), "text": PLANTED}))
    return file


@pytest.fixture
def stands(project: FakeProject, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether the answer of the project stands, asked for as a new process would."""
    asked = json.loads(planted(project).read_text())["question"]
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("NET_FOLDER", "models")
    return lambda: noop.answer(asked) == PLANTED


def test_both_ways_print_the_same_and_end_the_same(project: FakeProject) -> None:
    """Text, exit code, and nothing ran; the first decides in full and the second does not."""
    first = project.doit()
    answers = kept(project)
    second = project.doit()

    assert {line.split()[0] for line in first.stdout.splitlines()} == ALL
    assert (second.stdout, second.stderr, second.returncode) == (first.stdout, "", 0) and first.returncode == 0
    assert len(answers) == 1


def test_the_answer_is_taken_as_it_was_kept(project: FakeProject) -> None:
    """As long as nothing changed, again and again."""
    planted(project)

    assert [project.doit().stdout for _ in range(2)] == [PLANTED, PLANTED]


def test_nothing_of_the_full_decision_is_imported(project: FakeProject) -> None:
    """Of ours only what compares, and what that writes its memory with."""
    project.doit()

    command = [sys.executable, "-X", "importtime", *project.command()]
    done = subprocess.run(command, cwd=project.root, env=project.environment, capture_output=True, text=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    ours = {name for name in modules if name.split(".")[0] == "etbuild"}

    # And the module that doit itself looks for, which importtime does not tell: etbuild.doit_plugin.commands.
    assert ours == {f"etbuild.{name}" for name in ("standing", "tools", "digest", "errors", "whole_file")}


def test_a_dodo_without_a_project_does_not_pay_for_ours(tmp_path: Path) -> None:
    """doit's own users in the same environment: nothing of the full decision, no answer, doit's own database."""
    (tmp_path / "dodo.py").write_text(
        "DOIT_CONFIG = {'backend': 'json'}\ndef task_mine():\n    return {'actions': []}\n"
    )

    command = [sys.executable, "-X", "importtime", *FakeProject(tmp_path / "other").command()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert (done.returncode, "doit.runner" in modules, "etbuild.tasks" in modules) == (0, True, False)
    assert not (tmp_path / "build").exists()


def rewrite_with_the_same_times() -> None:
    times = DATA.stat()
    DATA.write_bytes(b"SAMPLES")
    os.utime(DATA, ns=(times.st_atime_ns, times.st_mtime_ns))


def retarget() -> None:
    """A symbolic link with the same text behind it is another file."""
    other = DATA.with_name("other.npz")
    shutil.copy2(DATA, other)
    DATA.unlink()
    DATA.symlink_to(other.name)


CHANGES: dict[str, Callable[[], object]] = {
    "an input under its old times": rewrite_with_the_same_times,
    "an input that is a link now": retarget,
    "a touched input": lambda: os.utime(DATA),
    "an output that is gone": MODEL.unlink,
    "an edited output": lambda: MODEL.write_bytes(b"mine"),
    "a file more in an output": lambda: (DELEGATES / "more.tosa").write_bytes(b""),
    "a file less in an output": lambda: next(DELEGATES.iterdir()).unlink(),
    "a folder in an output": lambda: (DELEGATES / "more").mkdir(),
    "a record damaged in place": lambda: RECORD.write_text(RECORD.read_text().replace("5.1", "5.0")),
    "a record that is gone": RECORD.unlink,
    "a plan that is gone": (STATE / "plan.json").unlink,
    "doit's database": lambda: os.utime(STATE / "doit.json"),
    "a recipe more": lambda: Path("recipes/other.yaml").write_text(""),
    "an edited recipe": lambda: Path("recipes/net.yaml").write_text(""),
    "another dodo.py": lambda: Path("dodo.py").write_text(f"{SHIPPED}print(1)\n"),
    "no build folder": lambda: shutil.rmtree("build/net"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_anything_that_was_looked_at_ends_it(
    stands: Callable[[], bool], change: Callable[[], object]
) -> None:
    """By its stat, whatever its content."""
    before = stands()
    change()

    assert (before, stands()) == (True, False)


def test_what_was_not_looked_at_changes_nothing(stands: Callable[[], bool]) -> None:
    """A file beside an output, another folder of the project."""
    MODEL.with_name("notes.txt").write_text("")
    Path("docs").mkdir()

    assert stands()


def test_a_variable_of_a_recipe_ends_it(stands: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were asked for, and only those."""
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    before = stands()
    monkeypatch.setenv("NET_FOLDER", "../recipes/models")

    assert (before, stands()) == (True, False)


@pytest.mark.parametrize("name", ["torch", "ethos-u-vela", "tosa-tools"])
def test_a_tool_of_another_version_ends_it(
    stands: Callable[[], bool], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found as import would find it."""
    (tmp_path / f"{name.replace('-', '_')}-99.dist-info").mkdir()
    before = stands()
    monkeypatch.syspath_prepend(str(tmp_path))

    assert (before, stands()) == (True, False)


def test_another_compiler_ends_it(stands: Callable[[], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that CXX names."""
    (tmp_path / "other-c++").write_text("#!/bin/sh\necho other\n")
    (tmp_path / "other-c++").chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(tmp_path / "other-c++"))

    assert not stands()


def test_our_own_source_is_part_of_it(project: FakeProject) -> None:
    """Every module of ours that the decision ran through, the sources of the steps, and the tables."""
    paths = json.loads(planted(project).read_text())["paths"]
    package = Path(noop.__file__).parent
    modules = ("commands", "standing", "tasks", "reporter", "plan", "execute", "steps/vela", "steps/report")

    assert {str(package / f"{name}.py") for name in modules} | {str(package / "data/npus.yaml")} <= set(paths)


@pytest.mark.parametrize("words", [("ignore", "header:net"), ("forget", "header:net"), ("clean", "header:net")])
def test_doits_own_words_end_it(project: FakeProject, stands: Callable[[], bool], words: tuple[str, ...]) -> None:
    """What is ignored, forgotten or removed is no longer up to date."""
    before = stands()
    done = project.doit(*words)

    assert done.returncode == 0, done.stderr
    assert (before, stands()) == (True, False)


def test_what_is_ignored_is_said(project: FakeProject) -> None:
    """And no answer is kept of it."""
    planted(project)
    project.doit("ignore", "header:net@ethos-u55-128")

    said = [project.doit().stdout for _ in range(2)]

    assert all("header:net@ethos-u55-128                     ignored\n" in text for text in said)


def test_each_question_has_its_own_answer(project: FakeProject) -> None:
    """-n 2, one recipe, another reporter: none takes the answer of `doit`."""
    planted(project)

    two = project.doit("-n", "2")
    one = project.doit("vela:net")
    other = project.doit("-r", "zero")

    assert {line.split()[0] for line in two.stdout.splitlines()} == ALL
    assert one.stdout.splitlines()[-1] == "vela:net@ethos-u55-128                       up to date"
    assert (other.stdout, other.returncode) == ("", 0)
    assert len(kept(project)) == 3


@pytest.mark.parametrize("words", [("-o", "lines"), ("-f", "./dodo.py"), ("-d", "."), ("-k",), ("why",), ("list",)])
def test_no_other_answer_is_kept(project: FakeProject, words: tuple[str, ...]) -> None:
    """Of a file of lines, of another dodo.py, of other commands."""
    done = project.doit(*words)

    assert done.returncode == 0, done.stderr
    assert kept(project) == []


@pytest.mark.parametrize("more", ["print('mine')", "def task_mine():\n    return {'actions': None}"])
def test_a_dodo_of_ones_own_has_no_answer(project: FakeProject, more: str) -> None:
    """It may do anything."""
    (project.root / "dodo.py").write_text(f"{SHIPPED}\n{more}\n")

    assert project.doit().returncode == 0
    assert kept(project) == []


def test_the_dodo_that_is_shipped_may_be_commented(tmp_path: Path) -> None:
    """Its tree counts; what is no Python is none of ours."""
    ours = (SHIPPED, f'"""Mine."""\n# A comment.\n{noop.DODO}', noop.DODO)
    said = []
    for text in (*ours, "", "x = (", f"{noop.DODO}x = 1"):
        (tmp_path / "dodo.py").write_text(text)
        said.append(noop.shipped(str(tmp_path / "dodo.py")))

    assert said == [True, True, True, False, False, False]


def test_doits_own_settings_are_part_of_the_question(project: FakeProject) -> None:
    """From doit.cfg, pyproject.toml and the environment."""
    planted(project)
    project.environment["DOIT_SEEK_FILE"] = "yes"
    sought = project.doit().stdout
    del project.environment["DOIT_SEEK_FILE"]
    (project.root / "doit.cfg").write_text("[GLOBAL]\nreporter = zero\n")

    assert PLANTED not in sought + project.doit().stdout


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"question": 1}', "[" * 100_000, "null"])
def test_a_damaged_answer_is_none(project: FakeProject, text: str) -> None:
    """The full decision is asked, and keeps a whole one."""
    whole = planted(project)
    whole.write_text(text)

    done = project.doit()

    assert {line.split()[0] for line in done.stdout.splitlines()} == ALL
    assert json.loads(whole.read_text())["text"] == done.stdout


def test_a_folder_that_cannot_be_written_costs_nothing(project: FakeProject) -> None:
    """A file stands where it should be."""
    (project.root / STATE / "standing").write_text("")

    done = project.doit()

    assert (done.returncode, done.stderr) == (0, "")


def keep(name: str, basis: Basis) -> bool:
    noop.keep(name, "text", basis)
    return noop.answer(name) == "text"


def test_what_was_not_at_rest_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may change again under the same stat."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    looked = {"file": noop.stamp_of("file"), "none": noop.stamp_of("none")}
    written = Path("file").stat().st_ctime_ns

    assert not keep("early", Basis(looked, {}, written + AT_REST_NS - 1))
    assert keep("late", Basis(looked, {}, written + AT_REST_NS))


def test_what_comes_into_being_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing was there is part of the answer."""
    monkeypatch.chdir(tmp_path)
    before = keep("asked", Basis({"none": None}, {}))
    Path("none").write_text("")

    assert before and noop.answer("asked") is None


def test_sixteen_answers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes."""
    monkeypatch.chdir(tmp_path)
    for number in range(noop.KEPT_AT_MOST + 1):
        noop.keep(str(number), "text", Basis({}, {}))
        os.utime(noop._file(str(number)), ns=(number, number))
    noop.keep("last", "text", Basis({}, {}))

    assert len(list(noop.FOLDER.iterdir())) == noop.KEPT_AT_MOST
    assert [noop.answer(asked) for asked in ("0", "1", "2", "last")] == [None, None, "text", "text"]


def test_whoever_stops_reading_is_not_told_of_it(project: FakeProject) -> None:
    """`doit | head` ends without a traceback, both ways."""
    planted(project)
    process = subprocess.Popen(
        project.command(), cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()

    assert (process.stderr.read(), process.wait()) == (b"", 141)
