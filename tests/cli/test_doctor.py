"""`etbuild doctor` compares the installed tools with the wanted ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etbuild.cli import doctor
from etbuild.cli.main import main
from etbuild.system import tools


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No program on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CXX", "FVP_PATH"):
        monkeypatch.delenv(name, raising=False)
    tools._program_version.cache_clear()
    return tmp_path


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    main(["doctor", "--json"])
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_missing_program_is_an_error_with_its_remedy(bare_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, and a line to paste."""
    assert main(["doctor"]) == 3
    assert (
        "MISSING  cmake: not found (wanted >=3.24)\n"
        "             sudo apt-get install cmake, or start through ./bootstrap\n"
    ) in capsys.readouterr().out


def test_a_missing_simulator_is_no_error(bare_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its licence cannot be accepted on behalf of the user."""
    assert findings(capsys)["FVP_Corstone_SSE-320"] == {
        "name": "FVP_Corstone_SSE-320",
        "found": "",
        "wanted": "",
        "good": False,
        "optional": True,
        "remedy": "get it from Arm (Ecosystem FVPs, with a licence to accept), then set FVP_PATH to its folder",
    }


def test_an_old_program_is_wrong(bare_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CMake 3.18 is older than 3.20."""
    cmake = bare_machine / "cmake"
    cmake.write_text("#!/bin/sh\necho cmake version 3.18.4\n")
    cmake.chmod(0o755)

    found = findings(capsys)["cmake"]

    assert (found["good"], found["found"], found["remedy"]) == (
        False,
        "cmake version 3.18.4",
        "sudo apt-get install cmake, on a Debian 12 or later",
    )


def test_the_wanted_versions_are_those_of_the_packages_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    """etbuild's own requirements, and ExecuTorch's for the tools that come with it."""
    found = findings(capsys)

    assert (found["torch"]["wanted"], found["ethos-u-vela"]["wanted"]) == ("==2.13.0", "==5.1.0")


def test_a_missing_package_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its remedy is bootstrap."""
    present = tools.package_version
    monkeypatch.setattr(tools, "package_version", lambda name: None if name == "tosa-tools" else present(name))

    assert (
        findings(capsys)["tosa-tools"]["remedy"] == "start through ./bootstrap, which installs what pyproject.toml pins"
    )


def test_a_temporary_folder_with_a_space_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a warning, not an error."""
    folder = tmp_path / "my models"
    folder.mkdir()
    monkeypatch.chdir(folder)

    assert findings(capsys)["this folder"]["remedy"] == "Vela splits its arguments at spaces"


@pytest.mark.parametrize(
    ("version", "wanted", "good"),
    [
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.13", "==2.13.0", True),
        ("2.14.0", "==2.13.0", False),
        ("4.24.0", ">=4.24,<5", True),
        ("5.0", ">=4.24,<5", False),
        ("0.18.0", "<0.19,>=0.18.0", True),
        ("3.9", ">=3.20", False),
        ("anything", "", True),
        ("", ">=1", False),
        ("1.2", "!=1.2", False),
        ("0.1", "~=2.0", False),
        ("2.1", "~=2.0", True),
        ("3.0", "~=2.0", False),
        ("2.0rc1", ">=2.0", False),
        ("2.1rc1", ">=2.0", True),
        ("1.5.1", "==1.5.*", True),
        ("1.6.0", "==1.5.*", False),
        ("2.13.0+cpu", ">=2.13", True),
        ("2.13.0+cpu", "!=2.13.0", False),
        ("not a version", ">=1", False),
        ("2.0", "not a clause", False),
    ],
)
def test_a_version_meets_its_clauses_or_not(version: str, wanted: str, good: bool) -> None:
    """As pip decides; what is no version meets no clause."""
    assert doctor.satisfies(version, wanted) == good


def test_a_requirement_counts_where_its_marker_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another system, another Python or another extra do not; two of one package hold both."""
    lines = [
        "Plain_Name >=1, <2",
        'plain-name !=1.5 ; python_version >= "3"',
        'old ==1 ; python_version < "3"',
        'other ==1 ; sys_platform == "win32"',
        'wanted[more] ~=2.0 ; extra == "npu"',
        'unwanted ==3 ; extra == "dev"',
        "== no requirement",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: lines)

    assert doctor.requirements("anything", "npu") == {"plain-name": "!=1.5,<2,>=1", "wanted": "~=2.0"}


def test_without_packaging_there_is_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback from the command that looks for what is missing."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert main(["doctor"]) == 3
    assert capsys.readouterr().err == (
        "the package packaging: got none, wanted it to compare versions\n"
        "    start through ./bootstrap, which installs what pyproject.toml pins\n"
    )


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205", "12.2.1"),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22"),
        ("c++ (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("cmake version 3.25.1", "3.25.1"),
        ("1.11.1", "1.11.1"),
        ("Debian clang version 14.0.6", "14.0.6"),
        ("no number", ""),
    ],
)
def test_the_version_is_found_in_a_programs_first_line(line: str, number: str) -> None:
    """Not that of the distribution's package in parentheses."""
    assert doctor._number(line) == number


def test_the_real_machine_is_checked_without_importing_torch() -> None:
    """Which would take ten seconds."""
    import subprocess
    import sys

    code = "import sys\nfrom etbuild.cli.main import main\nmain(['doctor'])\nprint('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(("pin", "is_reported"), [("==1.0.0", True), (f"=={tools.package_version('torch')}", False)])
def test_a_torchvision_is_reported_when_it_is_for_another_torch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pin: str,
    is_reported: bool,
) -> None:
    """Its metadata says for which; one that fits is what some built-in models need."""
    folder = tmp_path / "torchvision-0.0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torchvision\nVersion: 0.0.1\nRequires-Dist: torch{pin}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    torch = (tools.package_version("torch") or "").partition("+")[0]
    remedy = f"it fails to import; some built-in models need it: pip install torch=={torch} torchvision"
    found = findings(capsys).get("torchvision")

    assert (found and found["remedy"]) == (remedy if is_reported else None)
