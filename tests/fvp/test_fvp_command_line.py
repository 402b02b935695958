"""The command lines of FVPs, as other build systems write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.errors import UsageError
from etbuild.fvp import command_line, machine
from etbuild.fvp.command_line import Data, Order
from etbuild.fvp.parameters import PROGRAMS, listing, values

U55 = "FVP_Corstone_SSE-300_Ethos-U55"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.elf"
    path.write_bytes(b"\x7fELF")
    return path


def error_of(*arguments: str) -> str:
    with pytest.raises(UsageError) as found:
        command_line.read(U55, arguments)
    return str(found.value)


def test_the_command_line_of_executorchs_tests_is_read(image: Path) -> None:
    """Quotes arrive as they are: no shell has taken them away."""
    settings = {
        "ethosu.num_macs": "256",
        "mps3_board.visualisation.disable-visualisation": "1",
        "mps3_board.telnetterminal0.start_telnet": "0",
        "mps3_board.uart0.out_file": "'-'",
        "cpu0.semihosting-enable": "1",
        "cpu0.semihosting-stack_base": "0",
        "cpu0.semihosting-heap_limit": "0",
        "cpu0.semihosting-cwd": str(image.parent),
        "ethosu.extra_args": "'--fast'",
        "cpu0.semihosting-cmd_line": "'executor_runner -m program.pte -o out -i i0.bin'",
    }

    order = command_line.read(
        U55,
        [
            *(text for pair in settings.items() for text in ("-C", "=".join(pair))),
            "-a",
            str(image),
            "--timelimit",
            "120",
        ],
    )

    assert order == Order(U55, images=(image,), values=values(U55, settings), limit_s=120, limited_by="timelimit")
    assert (order.macs, order.text("mps3_board.uart0.out_file")) == (256, "-")
    assert order.text("cpu0.semihosting-cmd_line") == "executor_runner -m program.pte -o out -i i0.bin"
    assert order.flag("cpu0.semihosting-enable")


def test_data_goes_to_its_address(image: Path) -> None:
    """As MLIA places a model, also with the name of a processor."""
    order = command_line.read(
        U55, ["-a", f"cpu0*={image}", "--data", f"{image}@0x90000000", "--data", f"cpu0={image}@64", "--stat"]
    )

    assert (order.images, order.stat) == ((image,), True)
    assert order.data == (Data(image, 0x90000000), Data(image, 64))


def test_a_file_of_parameters_is_read_in_its_place(image: Path, tmp_path: Path) -> None:
    """The last setting of a name counts; a comment is none."""
    (tmp_path / "fvp.txt").write_text("# a comment\nethosu.num_macs=64  # macs\n\ncpu0.CFGITCMSZ=15\n")

    order = command_line.read(U55, ["-C", "ethosu.num_macs=32", "-f", str(tmp_path / "fvp.txt"), str(image)])

    assert (order.macs, order.text("cpu0.CFGITCMSZ"), order.images) == (64, "15", (image,))


def test_without_a_parameter_all_have_their_defaults(image: Path) -> None:
    """An image alone is a command line."""
    order = command_line.read(U55, [str(image)])

    assert (order.macs, order.limit_s, order.flag("cpu0.semihosting-enable")) == (128, None, True)


@pytest.mark.parametrize("option", ["--help", "--list-params", "--version"])
def test_a_question_needs_no_image(option: str) -> None:
    """It is answered, whatever else is asked."""
    assert command_line.read(U55, [option, "-C", "nonsense"]).asks == option.lstrip("-")


def test_a_name_that_the_fvp_does_not_have_is_refused(image: Path) -> None:
    """With the name that was meant."""
    assert error_of("-C", "ethosu.num_mac=128", str(image)) == (
        f"{U55}: -C: got ethosu.num_mac, wanted a parameter of this FVP, as ethosu.num_macs\n"
        f"    {U55} --list-params prints those that its stand-in knows"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-C", "ethosu.num_macs=512"], "ethosu.num_macs: got 512, wanted 32, 64, 128, 256\n    that is what"),
        (["-C", "ethosu.num_macs=many"], "ethosu.num_macs: got many, wanted 32, 64, 128, 256"),
        (["-C", "cpu0.semihosting-enable=maybe"], "cpu0.semihosting-enable: got maybe, wanted 0 or 1"),
        (["-C", "cpu0.MVE=0"], "cpu0.MVE: got 0, wanted 2\n    that is what"),
        (["-C", "cpu0.INITSVTOR=0x11000000"], "cpu0.INITSVTOR: got 0x11000000, wanted 0, 0x10000000\n"),
        (["-C", "mps3_board.uart0.in_file=in"], "mps3_board.uart0.in_file: got in, wanted nothing\n"),
        (["-C", "mps3_board.uart5.out_file=-"], "mps3_board.uart5.out_file: got -, wanted nothing\n"),
        (["-C", "ethosu.extra_args=--fast --pmu-trace x"], "ethosu.extra_args: got --pmu-trace, wanted --fast\n"),
        (["-C", "cpu0.semihosting-cmd_line=" + "x" * 257], "cpu0.semihosting-cmd_line: got 257 bytes, wanted at most"),
        (["-C", "ethosu.num_macs"], "-C: got ethosu.num_macs, wanted NAME=VALUE"),
        (["--timelimit", "0"], "--timelimit: got 0, wanted seconds above 0"),
        (["--timelimit", "soon"], "--timelimit: got soon, wanted seconds above 0"),
        (["--data", "image.elf"], "--data: got image.elf, wanted FILE@ADDRESS"),
        (["--data", "absent@0"], "--data: got absent, wanted a file that exists"),
        (["-a", "absent"], "-a: got absent, wanted a file that exists"),
        (["-f", "absent"], "-f: got absent, wanted a file that can be read\n    No such file or directory"),
        (["--plugin", "x.so"], "got option --plugin not recognized, wanted an option of this stand-in\n"),
        (["--timelimit=5", "-z"], "got option -z not recognized, wanted an option of this stand-in\n"),
    ],
)
def test_what_it_cannot_be_is_refused_by_name(arguments: list[str], message: str, image: Path) -> None:
    """Never another machine than the one that was asked for."""
    assert error_of(*arguments, str(image)).startswith(f"{U55}: {message}")


def test_without_an_image_nothing_runs() -> None:
    """The real one waits for a debugger."""
    assert error_of("-C", "ethosu.num_macs=128") == f"{U55}: got no image, wanted one\n    {U55} -a IMAGE"


@pytest.mark.parametrize("name", ["FVP_Corstone_SSE-320", "FVP_Corstone-1000-A320"])
def test_an_fvp_of_another_memory_map_is_refused(name: str) -> None:
    """With what to do instead."""
    with pytest.raises(UsageError) as found:
        command_line.check_program(name)

    assert str(found.value).startswith(f"etbuild fvp: got {name}, wanted FVP_Corstone_SSE-300_Ethos-U55, ")
    assert "QEMU has no machine with the memory map of Corstone-" in str(found.value)


def test_a_name_that_no_fvp_has_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match=r"^etbuild fvp: got FVP_Nonsense, wanted FVP_Corstone_SSE-300_Ethos-U55, "):
        command_line.check_program("FVP_Nonsense")


def test_bytes_for_which_there_is_no_memory_are_refused(image: Path) -> None:
    """QEMU would drop them."""
    order = Order(U55, data=(Data(image, 0x0F000000),), images=())

    with pytest.raises(UsageError) as found:
        machine.check_images(order)

    assert str(found.value).startswith(
        f"{U55}: --data: image.elf: got 4 bytes at 0x0f000000, wanted them in a memory of QEMU's mps3-an547\n"
    )


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 40, b"\x7fELF" + b"\xff" * 100])
def test_a_file_that_is_no_image_is_refused(content: bytes, image: Path) -> None:
    """Also one that only begins like one."""
    image.write_bytes(content)

    with pytest.raises(UsageError, match="wanted an ELF file for Arm, or Intel HEX"):
        machine.check_images(Order(U55, images=(image,)))


def test_commas_do_not_end_an_option_of_qemu(tmp_path: Path) -> None:
    """In names of files, and in the firmware's command line."""
    image = tmp_path / "a,b.elf"
    image.write_bytes(b"\x7fELF")
    order = command_line.read(
        U55, ["-C", "cpu0.semihosting-cmd_line=run a,b", "--data", f"{image}@0x60000000", str(image)]
    )

    words = machine.arguments(order, {"semihosting": 7, "uart0": 8})

    assert "enable=on,target=native,chardev=semihosting,arg=run a,,b" in words
    assert f"loader,file={tmp_path}/a,,b.elf,addr=0x60000000,force-raw=on" in words


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_listed_parameter_can_be_set_to_its_default(name: str) -> None:
    """The list is what the reader takes."""
    lines = [line.partition("  #")[0] for line in listing(PROGRAMS[name]).splitlines()]
    settings = dict(line.split("=", 1) for line in lines)

    assert values(name, settings) == values(name, {})
