"""What a model reads, wherever it lies: each change of it is a reason to export again, and nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import Project, recipe

from etbuild.build_engine.workspace import Workspace
from etbuild.plan.engine import executor
from etbuild.recipe.model_sections import Model
from etbuild.steps import export
from etbuild.steps.kinds import KINDS

if TYPE_CHECKING:
    from etbuild.build_engine.execute import Executor
    from etbuild.build_engine.step import Step

ETBUILD = str(Path(sys.executable).with_name("etbuild"))
STEP = export.step(recipe(source="models/m.py"))

READS_MUCH = """
    import glob
    import importlib.util
    import os
    import sys
    from pathlib import Path

    import numpy as np
    import torch
    import linked
    import on_path
    from lib.blocks import SCALE

    try:
        import perhaps
    except ImportError:
        pass
    try:
        importlib.import_module("dyna" + "mic")
    except ImportError:
        pass
    SCALE = SCALE + (importlib.util.find_spec("sought") is not None)
    try:
        open("models/table.txt")
    except FileNotFoundError:
        pass

    ROOT = Path(__file__).resolve().parent.parent
    SCALE += len(os.listdir(ROOT / "data")) + len(glob.glob("data/more/*.txt"))
    SCALE += int(os.environ.get("MODEL_SCALE", "0"))
    SCALE += os.path.exists("models/flag") + (ROOT / "models/other flag").is_file()
    SCALE += os.path.lexists("models/late") + os.access("models/allowed", os.R_OK) + len(glob.glob("data/o*/one.txt"))
    SCALE += len((ROOT / ".hidden/x.txt").read_text())
    SCALE += len(Path("OUTSIDE/far.txt").read_text())
    with open("data/both.txt", "r+") as file:
        SCALE += len(file.read())

    class M(torch.nn.Module):
        def forward(self, x):
            return x * SCALE

    ModelUnderTest = M()
    ModelInputs = (torch.ones(1, 4),)
"""


@dataclass(frozen=True)
class Made:
    """An exported project, its neighbours outside, and a copy of the record to begin each test with."""

    project: Project
    outside: Path

    def reasons(self) -> list[str]:
        """What a new build says; "imported a" or the title of a fact."""
        return [reason.key for reason in Workspace(self.project.root, KINDS).reasons(STEP)]

    def replaced(self, path: str, text: str) -> None:
        file = self.outside / path.removeprefix("OUTSIDE/") if path.startswith("OUTSIDE") else self.project.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def runs(project: Project, step: Step = STEP, **environment: str) -> Executor:
    """Run a step in a process of its own, with these variables."""
    engine = executor(project.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETBUILD_SERVER", "off")
        for name, value in environment.items():
            patch.setenv(name, value)
        engine.run(step)
        engine.save()
    return engine


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = Made(Project(tmp_path_factory.mktemp("project")), tmp_path_factory.mktemp("outside"))
    made.project.write("models/m.py", READS_MUCH.replace("OUTSIDE", str(made.outside)))
    made.project.write("lib/blocks.py", "SCALE = 2.0\n")
    for name in (
        "data/a.txt",
        "data/both.txt",
        "data/more/b.txt",
        ".hidden/x.txt",
        "data/unread.txt",
        "data/only/two.txt",
    ):
        made.project.write(name, "one\n")
    (made.outside / "far.txt").write_text("one\n")
    (made.outside / "path").mkdir()
    (made.outside / "path/on_path.py").write_text("X = 1\n")
    (made.outside / "linked.py").write_text(
        "from pathlib import Path\nS = (Path(__file__).resolve().parent / 'sibling.txt').read_text()\n"
    )
    (made.outside / "sibling.txt").write_text("one\n")
    (made.project.root / "models/linked.py").symlink_to(made.outside / "linked.py")
    runs(made.project, PYTHONPATH=str(made.outside / "path"))
    return made


@pytest.fixture
def made(exported: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The exported project as it was, its neighbours where they were, for one change."""
    saved = tmp_path / "saved"
    shutil.copytree(exported.project.root, tmp_path / "project", symlinks=True)
    shutil.copytree(exported.outside, saved)
    monkeypatch.setenv("PYTHONPATH", str(exported.outside / "path"))
    yield Made(Project(tmp_path / "project"), exported.outside)  # type: ignore[misc]
    shutil.copytree(saved, exported.outside, dirs_exist_ok=True)


@pytest.mark.e2e
def test_an_exported_model_is_up_to_date(made: Made) -> None:
    """The next process finds the same values, in a copy of the project too, also when unread files change."""
    made.replaced("lib/more.py", "new")
    made.replaced("data/unread.txt", "two")

    assert made.reasons() == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("lib/blocks.py", "imported lib/blocks.py"),
        (".hidden/x.txt", "imported .hidden/x.txt"),
        ("data/both.txt", "imported data/both.txt"),
        ("data/new.txt", "names in data"),
        ("data/more/new.txt", "names in data/more"),
        ("models/flag", "whether there is models/flag"),
        ("models/other flag", "whether there is models/other flag"),
        ("models/late", "whether there is models/late"),
        ("models/allowed", "whether there is models/allowed"),
        ("data/only/one.txt", "whether there is data/only/one.txt"),
        ("models/table.txt", "whether there is models/table.txt"),
        ("models/lib/__init__.py", "what is imported from models#lib"),
        ("lib/blocks/__init__.py", "what is imported from lib#blocks"),
        ("lib/__init__.py", "what is imported from .#lib"),
        ("perhaps.py", "what is imported from .#perhaps"),
        ("dynamic.py", "what is imported from .#dynamic"),
        ("models/sought/__init__.py", "what is imported from models#sought"),
        ("models/on_path.py", "what is imported from models#on_path"),
        ("OUTSIDE/far.txt", "imported OUTSIDE/far.txt"),
        ("OUTSIDE/sibling.txt", "imported OUTSIDE/sibling.txt"),
        ("OUTSIDE/path/on_path.py", "imported OUTSIDE/path/on_path.py"),
    ],
)
def test_what_the_model_has_read_or_looked_for_counts(made: Made, path: str, reason: str) -> None:
    """Content of files in and outside the project, names in folders, and what was not there."""
    made.replaced(path, "two")

    assert made.reasons() == [reason.replace("OUTSIDE", str(made.outside))]


@pytest.mark.e2e
@pytest.mark.parametrize(("name", "value"), [("MODEL_SCALE", "3"), ("MODEL_SCALE", ""), ("PYTHONPATH", "elsewhere")])
def test_an_environment_variable_that_the_model_reads_counts(
    made: Made, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """By its value; an empty one is not one that is unset."""
    monkeypatch.setenv(name, value)

    assert made.reasons() == [f"environment variable {name}"]


@pytest.mark.e2e
def test_the_packages_that_a_model_imports_count(made: Made) -> None:
    """Each with its version and the list of its files, and what it requires; the environment's others do not."""
    facts = made.project.json(STEP.depfile)["facts"]
    packages = {name.removeprefix("package://") for name in facts if name.startswith("package://")}

    assert {"numpy", "torch", "sympy"} <= packages
    assert {"pytest", "doit", "ethos-u-vela"} & packages == set()


@pytest.mark.e2e
def test_a_package_that_was_imported_and_not_installed_counts(made: Made) -> None:
    """Whatever the name of the distribution that would bring the module."""
    facts = made.project.json(STEP.depfile)["facts"]

    assert {facts[f"installed://{name}"] for name in ("perhaps", "dynamic", "sought")} == {"absent"}
    assert "installed://linked" not in facts


@pytest.mark.e2e
@pytest.mark.parametrize("server", [pytest.param("off", marks=pytest.mark.slow), "on"])
@pytest.mark.usefixtures("run_folder")
def test_a_helper_of_equal_size_and_time_is_compiled_again(tmp_path: Path, server: str) -> None:
    """Bytecode of an older source is not used, by plain processes as little as by the compile server."""
    project = Project(tmp_path)
    project.write("models/m.py", VALUE_OF_HELPER)
    outputs = []
    for value in ("1.0", "2.0"):
        helper = project.root / project.write("models/helper.py", f"VALUE = {value}\n")
        os.utime(helper, (1_700_000_000, 1_700_000_000))
        # As the user's own Python would have left it.
        if value == "1.0":
            import py_compile

            py_compile.compile(str(helper), doraise=True)
        runs(project, ETBUILD_SERVER=server)
        outputs.append((project.root / STEP.outputs[0]).read_bytes())
    stopped = subprocess.run([ETBUILD, "server", "stop"], check=True, capture_output=True, text=True).stdout

    assert ("2 steps served" in stopped) == (server == "on")
    assert outputs[0] != outputs[1]


VALUE_OF_HELPER = """
    import torch
    from helper import VALUE

    class M(torch.nn.Module):
        def forward(self, x):
            return x * VALUE

    ModelUnderTest = M()
    ModelInputs = (torch.ones(1, 4),)
"""


def flips(project: Project, flip: str) -> None:
    """A model that reads data/value.txt, and while it is loaded makes `data` another folder."""
    for name in ("a", "b"):
        project.write(f"versions/{name}/value.txt", f"{name}\n")
    project.write(
        "models/m.py",
        f"""
        import os
        from pathlib import Path
        import torch
        ROOT = Path(__file__).resolve().parent.parent
        VALUE = len((ROOT / "data/value.txt").read_text())
        {flip}
        ModelUnderTest = torch.nn.ReLU()
        ModelInputs = (torch.ones(1, 4),)
        """,
    )


SYMLINK = "os.symlink('versions/b', ROOT / 'new'); os.replace(ROOT / 'new', ROOT / 'data')"
FOLDER = "os.rename(ROOT / 'data', ROOT / 'old'); os.rename(ROOT / 'versions/b', ROOT / 'data')"


@pytest.mark.e2e
@pytest.mark.parametrize("flip", [SYMLINK, FOLDER], ids=["symlink", "folder"])
def test_what_was_opened_is_what_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flip: str) -> None:
    """A folder that is another one after the run: the step runs again, and nobody gets the result from the cache."""
    project = Project(tmp_path / "project")
    monkeypatch.setenv("ETBUILD_CACHE", str(tmp_path / "cache"))
    flips(project, flip)
    if flip == SYMLINK:
        (project.root / "data").symlink_to("versions/a")
    else:
        (project.root / "versions/a").rename(project.root / "data")

    runs(project)

    assert [reason.key for reason in Workspace(project.root, KINDS).reasons(STEP)] == ["imported data/value.txt"]
    assert not list((tmp_path / "cache").rglob("actions/*/*"))


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("subprocess.run(['true'])", "a subprocess, which cannot be tracked; name what it reads in model.reads"),
        ("socket.getaddrinfo('127.0.0.1', 1)", "the network, which cannot be tracked"),
        ("dict(os.environ)", "all environment variables, which cannot be tracked"),
    ],
)
def test_what_cannot_be_tracked_is_named_and_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str, what: str
) -> None:
    """One warning with the line of the model; nothing of it is stored in the action cache."""
    project = Project(tmp_path / "project")
    monkeypatch.setenv("ETBUILD_CACHE", str(tmp_path / "cache"))
    project.write(
        "models/m.py",
        f"""
        import os, socket, subprocess, torch
        {line}
        ModelUnderTest = torch.nn.ReLU()
        ModelInputs = (torch.ones(1, 4),)
        """,
    )

    runs(project)

    assert capfd.readouterr().err == (
        f"export:r: models/m.py:2: got {what}\n    the result is not stored in the cache\n"
    )
    assert not list((tmp_path / "cache").rglob("actions/*/*"))


@pytest.mark.e2e
def test_what_a_subprocess_reads_can_be_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """model.reads: no warning, the result is shared, and a change of what is declared is a reason to run."""
    project = Project(tmp_path / "project")
    monkeypatch.setenv("ETBUILD_CACHE", str(tmp_path / "cache"))
    project.write("data/table.txt", "one\n")
    project.write("models/m.py", SUBPROCESS)
    step = export.step(recipe(model=Model(source=Path("models/m.py"), reads=("data",))))

    runs(project, step)
    warned, stored = capfd.readouterr().err, list((tmp_path / "cache").rglob("actions/*/*"))
    project.write("data/table.txt", "two\n")

    assert (warned, len(stored)) == ("", 1)
    assert [reason.key for reason in Workspace(project.root, KINDS).reasons(step)] == ["input data"]


SUBPROCESS = """
    import subprocess, torch
    subprocess.run(["cat", "data/table.txt"])
    ModelUnderTest = torch.nn.ReLU()
    ModelInputs = (torch.ones(1, 4),)
"""
