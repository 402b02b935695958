"""Transport command: programs of the vendor with the files of the image, and every way in which they fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import NEEDS_TOOLS, Lab
from vendor import Vendor

from etbuild.errors import EtbuildError, MissingTool, RecipeError, UsageError

pytestmark = [pytest.mark.e2e, NEEDS_TOOLS]

SETOOLS = """
  transport: command
  console: output
  files:
    - {path: "{setools}/config.json", text: '{"APP": {"binary": "{bin}", "mramAddress": "{address}"}}'}
  commands:
    - {run: [app-gen-toc, -f, config.json], folder: "{setools}", fails_on: ["^\\\\[ERROR\\\\]"], timeout_s: 5}
    - {run: [app-write-mram, -p], folder: "{setools}", wants: "Done", timeout_s: 5}
    - {run: [reader, "{name}", "{elf}", "{hex}"]}
"""
VARIABLE = ("--variable", "setools=tools")


@pytest.fixture
def vendor(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    Path("tools").mkdir()
    made = Vendor(lab.root / "bin", monkeypatch)
    made.add("app-gen-toc", says="[INFO] ok")
    made.add("app-write-mram", says="Done")
    made.add("reader", console=lab.console())
    return made


def test_the_programs_run_in_order_with_the_files_of_the_image(lab: Lab, vendor: Vendor) -> None:
    """Names in braces are the image's files, the code's address and the user's variables."""
    assert lab.run(SETOOLS, *VARIABLE) == 0

    assert vendor.calls("app-gen-toc") == ["-f config.json"]
    assert vendor.folders("app-write-mram") == [str(lab.root / "tools")]
    assert vendor.calls("reader") == [f"linear {lab.elf} {lab.elf.with_suffix('.hex')}"]
    written = Path("tools/config.json").read_text()
    assert written == f'{{"APP": {{"binary": "{lab.elf.with_suffix(".bin")}", "mramAddress": "0x10000000"}}}}\n'


def test_an_error_with_exit_code_0_is_an_error(lab: Lab, vendor: Vendor) -> None:
    """By the text that the board's file calls a failure; what follows is not started."""
    vendor.add("app-gen-toc", says="[INFO] x\n[ERROR] file not found")

    message = lab.failure(SETOOLS, *VARIABLE)

    assert message == (
        "app-gen-toc: got `[ERROR] file not found` and exit code 0, wanted it to succeed\n"
        "    app-gen-toc -f config.json\n    | [INFO] x\n    | [ERROR] file not found\n"
        f"    deploy.commands in {lab.file}"
    )
    assert not (lab.root / "bin/app-write-mram.calls").exists()


def test_a_success_that_is_not_said_is_an_error(lab: Lab, vendor: Vendor) -> None:
    """The device is not connected, and the program ends well."""
    vendor.add("app-write-mram", says="Target did not respond")

    assert lab.failure(SETOOLS, *VARIABLE).startswith(
        "app-write-mram: got no text that matches 'Done', and exit code 0, wanted it to succeed\n"
    )


def test_a_program_that_asks_is_ended(lab: Lab, vendor: Vendor) -> None:
    """It gets no input; one that waits all the same has a time limit."""
    vendor.add("app-write-mram", says="Enter port name:", asks=True)

    message = lab.failure(SETOOLS.replace('Done", timeout_s: 5', 'Done", timeout_s: 0.5'), *VARIABLE)

    assert message.startswith("app-write-mram: got no end after 0.5 s (it gets no input: does it wait for an answer?)")
    assert "\n    | Enter port name:\n" in message


def test_an_exit_code_is_an_error(lab: Lab, vendor: Vendor) -> None:
    """Whatever was printed."""
    vendor.add("app-write-mram", says="Done", code=7)

    assert lab.failure(SETOOLS, *VARIABLE).startswith("app-write-mram: got exit code 7, wanted it to succeed\n")


def test_a_board_that_says_nothing_ends_with_the_time_limit(lab: Lab, vendor: Vendor) -> None:
    """The program that reads it is ended too."""
    Path("nothing").write_bytes(b"")
    vendor.add("reader", console=Path("nothing").absolute())

    message = lab.failure(SETOOLS, *VARIABLE, limit_s=0.6)

    assert message.startswith(("lab: got nothing within 0.6 s", "lab: got text without one frame within 0.6 s"))


def test_a_missing_program_is_exit_code_3(lab: Lab) -> None:
    """It says which board's file names it."""
    with pytest.raises(MissingTool) as caught:
        lab.deploy("{transport: command, commands: [{run: [no-such-program-7]}]}")

    assert str(caught.value).startswith("no-such-program-7: got no such program on PATH, wanted one\n")


def test_a_variable_that_is_not_set_says_where_to_set_it(lab: Lab, vendor: Vendor) -> None:
    """And for which text."""
    assert lab.failure(SETOOLS) == (
        "{setools}: got no value, wanted one for `{setools}/config.json`\n"
        '    variables: ["setools=..."] of the board in ~/.config/etbuild/boards.yaml, or in deploy of the recipe'
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "{transport: command, commands: [{run: [flash, --password=hunter2]}]}",
            'deploy.commands: got "--password=hunter2", wanted no password, secret or token\n',
        ),
        (
            "{transport: command, commands: [{run: [curl, 'https://me:word@host/']}]}",
            'deploy.commands: got "https://me:word@host/", wanted no password, secret or token\n',
        ),
        ("{transport: command}", "got no commands, wanted transport: command with commands"),
        ("{transport: probe}", "got probe without deploy.probe, wanted probe: {program: ...} with it"),
        ("{transport: serial, console: trace}", "got trace with transport: serial, wanted serial"),
        ("{transport: probe, probe: {program: jlink}}", "got jlink without a target, wanted target: the chip's name"),
        (
            "{transport: command, commands: [{run: [a], wants: '('}]}",
            'deploy.commands: got "(", wanted a regular expression\n',
        ),
        ("{transport: telnet}", 'deploy.transport: got "telnet", wanted one of ssh-remoteproc, serial, probe, command'),
    ],
)
def test_a_bad_section_of_a_board_is_refused_with_its_place(lab: Lab, section: str, expected: str) -> None:
    """Before anything is reached."""
    with pytest.raises(RecipeError) as caught:
        lab.board(section)

    assert expected in str(caught.value)


def test_the_environment_wins_over_the_users_file_and_that_over_the_recipe(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each setting."""
    from etbuild.deploy import job
    from etbuild.hardware.deploy_sections import Place

    board = lab.board("{transport: serial}")
    recipe = Place(host="recipe", serial="recipe", gdb="recipe:1", variables=("a=1", "b=1"))
    lab.place("{host: file, serial: file, variables: [b=2]}")
    monkeypatch.setenv("ETBUILD_BOARD_HOST", "variable")

    place = job.site_of(board, recipe).place

    assert (place.host, place.serial, place.gdb, place.variables) == ("variable", "file", "recipe:1", ("a=1", "b=2"))


def test_a_password_is_refused_wherever_it_is(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do in its place; it is never shown."""
    lab.place("{host: board, password: hunter2}")
    with pytest.raises(RecipeError) as file:
        lab.site("{transport: serial}")
    lab.place("{host: 'root:hunter2@board'}")
    with pytest.raises(RecipeError) as host:
        lab.site("{transport: serial}")
    lab.place("{}")
    monkeypatch.setenv("ETBUILD_BOARD_HOST", "root:hunter2@board")
    with pytest.raises(UsageError) as variable:
        lab.site("{transport: serial}")

    assert str(file.value).endswith(
        "boards.lab.password: got password, wanted no secrets\n"
        "    a password is never read from a file: log in with a key, of the ssh agent or by `key: FILE`"
    )
    assert "wanted HOST, USER@HOST or USER@HOST:PORT, without a password: log in with a key" in str(host.value)
    assert str(variable.value).startswith("ETBUILD_BOARD_HOST: got a value that is none, wanted HOST, USER@HOST or")
    assert "hunter2" not in f"{file.value}{variable.value}"


@pytest.mark.parametrize(("package", "section"), [("asyncssh", "ssh-remoteproc"), ("serial", "serial")])
def test_a_package_that_is_not_installed_is_exit_code_3(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, package: str, section: str
) -> None:
    """With the command that installs it."""
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    lab.place("{host: 127.0.0.1, serial: /dev/null}")

    with pytest.raises(EtbuildError) as caught:
        lab.deploy(f"{{transport: {section}}}")

    assert caught.value.exit_code == 3
    assert str(caught.value).endswith("pip install 'etbuild[deploy]'")
