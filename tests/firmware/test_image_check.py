"""An image that cannot start is an error of its step: no code, no reset handler, or a warning of the linker."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from images import write_inputs
from test_image import OPTIONS

from etbuild.errors import StepError
from etbuild.firmware import board_files, image
from etbuild.firmware.image_check import check_start
from etbuild.firmware.sizes import Section
from etbuild.firmware.toolchain import Object, objects_cache
from etbuild.steps import firmware

REMEDY = "\n    etbuild cache verify finds damaged objects; doit -a firmware:<recipe> compiles and links again"
VECTORS = Section(".vectors", 0, 64, 0, {})
CODE = Section(".text", 64, 256, 64, {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the inputs of a firmware."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    return tmp_path


def with_script(monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str]) -> None:
    """Links with a changed linker script."""
    script = board_files.linker_script
    monkeypatch.setattr(board_files, "linker_script", lambda layout: change(script(layout)))


@pytest.mark.e2e
def test_empty_objects_in_the_cache_do_not_change_a_firmware(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three were emptied, as a power cut can do it, that of the reset handler among them: the same image is built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    assert firmware.main(OPTIONS) == 0
    right = (folder / "firmware.bin").read_bytes()
    objects = sorted(objects_cache().folder.glob("*.o"), key=lambda file: b"etb_start" not in file.read_bytes())
    for file in objects[:3]:
        file.write_bytes(b"")

    assert firmware.main(OPTIONS) == 0

    assert (folder / "firmware.bin").read_bytes() == right
    assert len(right) > 1000


@pytest.mark.e2e
def test_a_warning_of_the_linker_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of an entry that does not exist."""
    with_script(monkeypatch, lambda script: script.replace("ENTRY(etb_reset)", "ENTRY(none_such)"))

    with pytest.raises(StepError, match="warning: cannot find entry symbol none_such"):
        firmware.main(OPTIONS)


@pytest.mark.e2e
def test_an_image_without_code_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All objects are empty, and the linker's warning about the entry is off: nothing is left but the model."""
    (folder / "empty.o").write_bytes(b"")
    monkeypatch.setattr(image, "_LINK", tuple(flag for flag in image._LINK if flag != "-Wl,--fatal-warnings"))
    monkeypatch.setattr(image, "_LIBRARIES", ())
    monkeypatch.setattr(image.Toolchain, "compile", lambda *_: (Object("app/main", folder / "empty.o"),))

    with pytest.raises(StepError) as caught:
        firmware.main(OPTIONS)

    assert str(caught.value) == (
        f"firmware.elf: got 0 bytes of code in section .text, wanted the code of the runtime{REMEDY}"
    )


@pytest.mark.e2e
def test_an_image_without_a_reset_handler_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It links without a warning."""
    with_script(monkeypatch, lambda script: script.replace("{ KEEP(*(.vectors))", "{ QUAD(0) KEEP(*(.vectors))"))

    with pytest.raises(StepError) as caught:
        firmware.main(OPTIONS)

    assert str(caught.value).startswith("firmware.elf: got a reset handler at 0x00000000, wanted a Thumb function in")


@pytest.mark.parametrize("sections", [[CODE], [Section(".vectors", 0, 4, 0, {}), CODE]], ids=["none", "too short"])
def test_an_image_without_a_vector_table_is_an_error(tmp_path: Path, sections: list[Section]) -> None:
    """Its two first words are needed."""
    with pytest.raises(StepError, match=r"bytes of vector table in section \.vectors, wanted a reset handler"):
        check_start(sections, tmp_path / "firmware.bin")


def test_a_vector_table_that_vtor_cannot_point_to_is_an_error(tmp_path: Path) -> None:
    """As with a linker script that puts something before it."""
    with pytest.raises(StepError, match="got a vector table at 0x00000040, wanted one at a multiple of 0x200"):
        check_start([Section(".vectors", 64, 64, 64, {}), CODE], tmp_path / "firmware.bin", 512)


@pytest.mark.parametrize("handler", [0, 64, 65, 319, 321, 1])
def test_the_reset_handler_is_a_thumb_function_in_the_code(tmp_path: Path, handler: int) -> None:
    """From 64 to 320; bit 0 is set in its address."""
    binary = tmp_path / "firmware.bin"
    binary.write_bytes(struct.pack("<II", 0x20001000, handler))
    if handler in (65, 319):
        check_start([VECTORS, CODE], binary)
        return

    with pytest.raises(StepError) as caught:
        check_start([VECTORS, CODE], binary)

    assert str(caught.value) == (
        f"firmware.elf: got a reset handler at {handler:#010x}, "
        f"wanted a Thumb function in .text, 0x00000040 to 0x00000140{REMEDY}"
    )
