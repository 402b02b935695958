"""`etbuild reproduce`: the same bytes, or what differs; with git and without."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from built_project import FakeProject, rebuilt

import etbuild
from etbuild.cli.main import main
from etbuild.cli.reproduce import different_settings, different_versions, first_different_step

PTE = "build/net/ethos-u55-128/model.pte"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a repository of its own, built by fakes; manifest.json describes its .pte."""
    made = FakeProject(tmp_path_factory.mktemp("reproduce") / "project")
    (made.root / ".gitignore").write_text("build/\nran\ncontrol.json\n*.safetensors\n")
    git(made.root, "init", "-q")
    git(made.root, "add", ".")
    git(made.root, "commit", "-q", "-m", "one")
    rebuilt(made, "pte:net")
    write_manifest(made.root)
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """A copy of it."""
    made = FakeProject(Path(shutil.copytree(template, tmp_path / "project")))
    monkeypatch.chdir(made.root)
    for name in ("FAKE_CONTROL", "FAKE_RAN"):
        monkeypatch.setenv(name, made.environment[name])
    return made


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_manifest(root: Path, **changed: Any) -> None:
    pte = root / PTE
    names = ("recipes/models/net.py", "recipes/data/calibration.npz")
    manifest = {
        "recipe": "net",
        "variant": "ethos-u55-128",
        "pte": {"file": "model.pte", "bytes": pte.stat().st_size, "sha256": digest(pte)},
        "beside": [],
        "settings": {},
        "target": None,
        "tools": {"etbuild": etbuild.__version__},
        "packages": {},
        "digests": {name: digest(root / name) for name in names},
    }
    pte.with_name("manifest.json").write_text(json.dumps({**manifest, **changed}))


def test_a_pte_is_rebuilt_byte_identical_in_a_clean_checkout(
    project: FakeProject, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every step up to the .pte runs again, elsewhere; the project's build and git's worktrees are as before."""
    before = project.outputs()
    project.ran()

    assert main(["reproduce", PTE]) == 0

    commit = git(project.root, "rev-parse", "HEAD")[:12]
    assert capfd.readouterr().out == (
        f"building pte:net@ethos-u55-128 in a checkout of {commit}, without cache and server\n"
        f"model.pte: byte-identical, sha256 {digest(project.root / PTE)}\n"
    )
    assert project.ran() == {
        "export:net", "quantize:net@tosa-u55", "lower:net@tosa-u55", "vela:net@ethos-u55-128", "pte:net@ethos-u55-128",
    }  # fmt: skip
    assert project.outputs() == before
    assert git(project.root, "worktree", "list").count("\n") == 0


def test_without_git_a_copy_of_the_project_is_built(project: FakeProject, capfd: pytest.CaptureFixture[str]) -> None:
    (project.root / ".git").rename(project.root / ".hidden")

    assert main(["reproduce", f"{Path(PTE).parent}/manifest.json"]) == 0

    assert "in a copy of the project, without cache and server\n" in capfd.readouterr().out


def test_inputs_and_tools_that_differ_are_named(project: FakeProject, capfd: pytest.CaptureFixture[str]) -> None:
    """Also when no byte differs for it: exit code 0."""
    write_manifest(
        project.root,
        digests={"recipes/models/net.py": "0" * 64, "recipes/models/gone.py": "1" * 64},
        tools={"etbuild": "0.0.1"},
        packages={"torch": "1.0"},
    )

    assert main(["reproduce", PTE]) == 0

    lines = capfd.readouterr().out.splitlines()
    model = digest(project.root / "recipes/models/net.py")
    assert lines[1:3] == [
        f"recipes/models/net.py: got sha256 {model}, wanted {'0' * 64}",
        f"recipes/models/gone.py: got no file, wanted sha256 {'1' * 64}",
    ]
    assert lines[3].startswith("torch: got ") and lines[3].endswith(", wanted 1.0")
    assert lines[4:6] == [f"etbuild: got {etbuild.__version__}, wanted 0.0.1", "none of this changes a byte"]


def test_another_program_ends_with_exit_code_1(project: FakeProject, capfd: pytest.CaptureFixture[str]) -> None:
    """The commit has another memory mode than the build; the last line is the .pte."""
    built = digest(project.root / PTE)
    project.recipe.write_text(project.recipe.read_text().replace("Shared_Sram", "Sram_Only"))
    git(project.root, "commit", "-q", "-a", "-m", "two")

    assert main(["reproduce", PTE]) == 1

    assert capfd.readouterr().out.splitlines()[-1].startswith("model.pte: got ")
    assert main(["reproduce", PTE, "--revision", "HEAD~1"]) == 0
    assert digest(project.root / PTE) == built


def test_weights_that_git_ignores_are_taken_when_they_are_the_right_ones(
    project: FakeProject, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file that was downloaded is in no commit."""
    weights = project.root / "recipes/models/net.safetensors"
    weights.write_bytes(b"weights")
    write_manifest(project.root, digests={"recipes/models/net.safetensors": digest(weights)})

    assert main(["reproduce", PTE]) == 0

    assert "got no file" not in capfd.readouterr().out


def test_a_build_that_fails_names_what_differs_too(project: FakeProject, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 with doit's message."""
    write_manifest(project.root, recipe="other", tools={"etbuild": "0.0.1"})

    assert main(["reproduce", PTE]) == 1

    out, err = capfd.readouterr()
    assert out.endswith(f"etbuild: got {etbuild.__version__}, wanted 0.0.1\n")
    assert err.startswith("pte:other@ethos-u55-128: got no .pte, wanted the one of the manifest\n")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none.pte", "manifest.json: got No such file or directory, wanted the manifest.json of a .pte\n"),
        ("build/net/old.json", "got no manifest with recipe and variant, wanted the manifest.json of a .pte\n"),
        ("build/net/report.json", "got no manifest with recipe and variant, wanted the manifest.json of a .pte\n"),
    ],
)
def test_a_file_without_a_manifest_is_refused(
    project: FakeProject, file: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, with what to name."""
    (project.root / "build/net/report.json").write_text("[]")
    (project.root / "build/net/old.json").write_text(
        '{"pte": {"file": "a", "sha256": "b"}, "beside": [], "recipe": "r"}'
    )

    assert main(["reproduce", file]) == 2

    remedy = "    name a .pte in the folder that it was built in, or its manifest.json\n"
    assert capsys.readouterr().err.endswith(message + remedy)


def test_a_pte_that_was_changed_is_refused(project: FakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not the one that the manifest describes."""
    wanted = digest(project.root / PTE)
    (project.root / PTE).write_bytes(b"x")

    assert main(["reproduce", PTE]) == 2

    got = hashlib.sha256(b"x").hexdigest()
    assert capsys.readouterr().err == f"{PTE}: got {got}, wanted {wanted}, the .pte of {PTE[:-9]}manifest.json\n"


def test_an_unknown_revision_is_refused(project: FakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", PTE, "--revision", "nope"]) == 2

    wanted = f"nope: got no such git revision in {project.root}, wanted a commit, a branch or a tag\n"
    assert capsys.readouterr().err == wanted


def test_the_first_step_and_the_settings_that_differ_are_named() -> None:
    """In the order of the chain; what follows from them is not."""
    names = ("build/r/p/lowered.bin", "build/r/export/exported.pt2", "build/r/p/quantized.pt2")
    before = {
        "digests": dict.fromkeys(names, "a"),
        "settings": {"quantize": ["--scheme", "int8"]},
        "target": {"npu": "x"},
    }
    after = {
        "digests": {names[0]: "b", names[1]: "a", names[2]: "b"},
        "settings": {"quantize": ["--scheme", "int16"]},
        "target": {"npu": "x"},
    }

    assert [*first_different_step(before, after)] == [
        "build/r/p/quantized.pt2: the first file of the build that differs"
    ]
    assert [*different_settings(before, after)] == ["settings of quantize: got --scheme int16, wanted --scheme int8"]
    assert [*different_versions({"packages": {"no-such-package": "1"}, "tools": {}})] == [
        "no-such-package: got none, wanted 1"
    ]
