"""Firmware with ExecuTorch's runtime: the CMake project and the checks, against a stand-in for an installed prefix."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from executorch_images import exact, make, prepare, symbols, write_checkout
from executorch_prefix import PORTABLE_BYTES, write_driver, write_prefix, write_source

from etbuild.errors import MissingTool, StepError
from etbuild.firmware import executorch_objects
from etbuild.firmware.executorch_engine import ALL_OPERATORS, check_operators, find_prefix

NO_DRIVER = (
    "Arm's core driver: got no source, wanted the driver that ExecuTorch's delegate calls\n"
    "    set ETHOSU_CORE_DRIVER to its source folder"
)


in_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no QEMU on this machine")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prefix")
    write_prefix(root)
    write_driver(root)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Objects are shared by the tests of this file, and by no other."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def image(prefix: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the firmware of linear_u55.pte."""
    folder = tmp_path_factory.mktemp("image")
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, prefix, cache, folder)
        make(prefix)
        yield folder


@pytest.fixture
def project(tmp_path: Path, prefix: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder which is the current one."""
    prepare(monkeypatch, prefix, cache, tmp_path)
    return tmp_path


@pytest.mark.e2e
def test_the_libraries_of_a_prefix_are_linked_whole(image: Path) -> None:
    """Operators and the delegate register themselves: without any reference to them they are in the image."""
    elf = (image / "firmware.elf").read_bytes()

    whole = ("executorch", "portable_ops_lib", "quantized_ops_lib", "cortex_m_ops_lib", "executorch_delegate_ethos_u")
    assert [name for name in whole if f"marker of {name}\0".encode() not in elf] == []
    assert (image / "sizes.json").exists() and (image / "firmware.bin").stat().st_size


@pytest.mark.e2e
@in_qemu
def test_a_firmware_with_a_delegate_runs(project: Path, prefix: Path) -> None:
    """Its delegate keeps a handle on the heap, and its driver looks at the NPU and takes semaphores."""
    make(prefix)

    assert exact() == ["corstone-300 (NPU beside QEMU)", 3, 3]


@pytest.mark.e2e
@in_qemu
def test_a_firmware_without_delegates_runs(project: Path, prefix: Path) -> None:
    """QEMU needs no NPU for it."""
    make(prefix, "linear_cpu.pte", npu="")

    assert exact("") == ["corstone-300 (QEMU)", 3, 3]


@pytest.mark.e2e
@in_qemu
def test_a_library_that_gives_up_ends_the_firmware(project: Path, prefix: Path) -> None:
    """newlib's abort() would wait for ever. Exit code 14, with what was logged before."""
    make(prefix, first=3.0)

    with pytest.raises(StepError) as caught:
        exact(limit_s="10")

    assert "exit code 14" in str(caught.value)
    assert "    | beyond 2\n    | aborted" in str(caught.value)


@pytest.mark.e2e
@in_qemu
def test_what_lives_for_one_call_gets_nearly_all_memory(project: Path, tmp_path: Path) -> None:
    """1.9 of 2 MiB: method and calls share what is left, neither has a part of its own."""
    write_prefix(tmp_path / "large", temporary_bytes=1_990_000)
    make(tmp_path / "large")

    assert exact() == ["corstone-300 (NPU beside QEMU)", 3, 3]


@pytest.mark.e2e
def test_our_objects_are_not_position_independent(image: Path, cache: Path) -> None:
    """A prefix hands -fPIC on. Start-up code reads no address from a table that it has yet to fill."""
    objects = [str(file) for file in cache.rglob("engine_objects.dir/**/*.obj")]

    shown = subprocess.run(["arm-none-eabi-readelf", "-rW", *objects], capture_output=True, text=True, check=True)

    assert objects and "R_ARM_ABS32" in shown.stdout
    assert "R_ARM_GOT" not in shown.stdout


@pytest.mark.e2e
def test_the_table_of_addresses_of_a_prefix_is_initialised_data(image: Path) -> None:
    """Its libraries are position independent: they find their variables through .got, which start-up fills."""
    command = ["arm-none-eabi-readelf", "-SW", str(image / "firmware.elf")]

    shown = subprocess.run(command, capture_output=True, text=True, check=True)

    found = symbols(image)
    assert " .got" not in shown.stdout
    assert found["etb_data"][1] <= found["_GLOBAL_OFFSET_TABLE_"][1] < found["etb_data_end"][1]


@pytest.mark.e2e
def test_what_the_cpp_library_refers_to_is_defined(image: Path) -> None:
    """Its source of random numbers, and the ends of the unwinder's tables, which an image without exceptions lacks."""
    found = symbols(image)

    assert found["getentropy"][0] == "T"
    assert found["__exidx_start"][0] == found["__exidx_end"][0] == "A"


@pytest.mark.e2e
def test_the_core_drivers_semaphores_take_no_heap(image: Path) -> None:
    """There is none: the driver's own, which are weak ("W"), are allocated, and its initialisation would fail."""
    found = symbols(image)

    hooks = ("create", "take", "give")
    assert {name: found[f"ethosu_semaphore_{name}"][0] for name in hooks} == dict.fromkeys(hooks, "T")


@pytest.mark.e2e
def test_the_core_driver_is_built_for_the_targets_npu_and_memory(
    image: Path, project: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its default is an U55-128. Its hooks for the cache take arrays today, and took one range in older versions."""
    monkeypatch.setenv("ETHOSU_CORE_DRIVER", str(write_driver(project, "single")))
    monkeypatch.setenv("CMSIS_PATH", str(project / "cmsis"))

    make(prefix, "linear_u65_512.pte", npu="ethos-u65-512")

    assert b"driver of ethos-u55-128, QCONFIG 2, REGIONCFG 300\0" in (image / "firmware.elf").read_bytes()
    assert b"driver of ethos-u65-512, QCONFIG 2, REGIONCFG 300\0" in Path("firmware.elf").read_bytes()


@pytest.mark.e2e
def test_only_the_first_image_compiles_the_runtime(
    image: Path, project: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objects of driver, port and registration are cached by content; a second image is linked to them."""
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(executorch_objects, "run_tool", ran.append)

    make(prefix)

    assert ran == []
    assert Path("firmware.elf").read_bytes() == (image / "firmware.elf").read_bytes()


@pytest.mark.e2e
def test_checkouts_in_two_folders_share_objects_and_give_equal_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefix, source, driver, CMSIS and a board with sources are in the checkout. A third has an empty cache."""
    ran, made = [], []
    compiler = executorch_objects.run_tool
    monkeypatch.setattr(executorch_objects, "run_tool", lambda command: (ran.append(command[0]), compiler(command))[1])
    write_checkout(tmp_path / "one")
    for name, cache in (("one", "shared"), ("deeper/two", "shared"), ("three", "own")):
        folder = tmp_path / name
        if name != "one":
            shutil.copytree(tmp_path / "one", folder, symlinks=True, ignore=shutil.ignore_patterns("output"))
        prepare(monkeypatch, folder, tmp_path / f"cache-{cache}", folder)
        (folder / "output").mkdir()
        make(Path("prefix"), "linear_u55.pte", "--source", "source", board="board.yaml", output="output")
        made.append({str(file): file.read_bytes() for file in sorted(Path("output").rglob("*")) if file.is_file()})

    assert ran == ["cmake", "ninja", "ninja"] * 2
    assert [name for name in made[0] if not made[0][name] == made[1][name] == made[2][name]] == []
    assert [name for name, data in made[0].items() if str(tmp_path).encode() in data] == []


@pytest.mark.e2e
def test_a_prefix_for_a_newer_processor_is_an_error(project: Path, tmp_path: Path) -> None:
    """The linker takes it, and the board would stop at the first instruction that it lacks. With the right one i.MX93's
    image is as Linux's remoteproc loads it."""
    write_prefix(tmp_path / "m55")
    write_prefix(tmp_path / "m33", core="cortex-m33")

    with pytest.raises(StepError) as caught:
        make(tmp_path / "m55", "linear_cpu.pte", npu="", board="imx93-evk")
    make(tmp_path / "m33", "linear_cpu.pte", npu="", board="imx93-evk")

    assert str(caught.value) == (
        f"{tmp_path}/m55: got libraries for v8.1-M.mainline, wanted v8-M.mainline, which a cortex-m33 runs\n"
        "    build ExecuTorch with TARGET_CPU=cortex-m33, and install it into a prefix of its own"
    )
    shown = subprocess.run(
        ["arm-none-eabi-readelf", "-SAW", "firmware.elf"], capture_output=True, text=True, check=True
    )
    assert " .interrupts " in shown.stdout and "Tag_CPU_arch: v8-M.mainline" in shown.stdout


@pytest.mark.e2e
def test_with_executorchs_source_the_called_operators_alone_are_linked(project: Path, tmp_path: Path) -> None:
    """All operators of a prefix are some 6 MB of code, more than a microcontroller has."""
    prefix, source = tmp_path / "large", tmp_path / "source"
    write_prefix(prefix, PORTABLE_BYTES)
    write_source(source)

    with pytest.raises(StepError) as caught:
        make(prefix, "branch_cpu.pte", npu="")
    make(prefix, "branch_cpu.pte", "--source", str(source), npu="")

    assert str(caught.value).startswith("model.pte: does not fit on Arm Corstone-300")
    assert str(caught.value).endswith(ALL_OPERATORS)
    elf = Path("firmware.elf").read_bytes()
    assert b"selected\0" in elf and b"aten::add.out\0" in elf
    assert [name for name in (b"marker of portable_ops_lib\0", b"marker of cortex_m_ops_lib\0") if name in elf] == []


def test_a_delegate_without_arms_core_driver_is_an_error(
    project: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No prefix installs it. Exit code 3."""
    monkeypatch.delenv("ETHOSU_CORE_DRIVER")

    with pytest.raises(MissingTool) as caught:
        make(prefix)

    assert str(caught.value) == NO_DRIVER


def test_a_core_driver_without_cmsis_is_an_error(project: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It includes its headers. Without CMSIS_PATH they are looked for beside the driver. Exit code 3."""
    monkeypatch.setenv("CMSIS_PATH", str(project / "nowhere"))

    with pytest.raises(MissingTool) as caught:
        make(prefix)

    assert str(caught.value) == (
        f"{project}/nowhere: got no CMSIS/Core/Include/cmsis_compiler.h, wanted the CMSIS that Arm's core driver"
        " includes\n    set CMSIS_PATH to the folder of CMSIS 6"
    )


def test_a_folder_that_is_not_executorchs_source_is_an_error(project: Path, prefix: Path) -> None:
    """Exit code 3."""
    with pytest.raises(MissingTool) as caught:
        make(prefix, "linear_u55.pte", "--source", "nowhere")

    assert str(caught.value) == (
        "nowhere: got no tools/cmake, wanted ExecuTorch's source\n"
        "    set runtime.source to a checkout of the version that the prefix was built from"
    )


def test_operators_that_a_prefix_does_not_register_are_named_before_linking(prefix: Path) -> None:
    """All in one message."""
    with pytest.raises(StepError) as caught:
        check_operators(prefix, ["aten::add.out", "aten::sort.values", "aten::add"])

    assert str(caught.value) == (
        f"{prefix}: got no registration of aten::add, aten::sort.values, wanted every operator that the model calls\n"
        "    build ExecuTorch with these kernels, and install it again"
    )


def test_without_a_prefix_the_message_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3."""
    monkeypatch.delenv("EXECUTORCH_PREFIX", raising=False)

    with pytest.raises(MissingTool) as caught:
        find_prefix(None)

    assert str(caught.value) == (
        "ExecuTorch's runtime: got no prefix, wanted one\n"
        "    set runtime.prefix or EXECUTORCH_PREFIX to the prefix that it was installed into"
    )


def test_a_folder_without_an_installed_executorch_is_no_prefix(tmp_path: Path) -> None:
    """Exit code 3."""
    with pytest.raises(MissingTool, match=r"got no lib/cmake/ExecuTorch/executorch-config\.cmake, wanted an installed"):
        find_prefix(tmp_path)
