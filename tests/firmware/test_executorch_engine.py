"""Firmware with ExecuTorch's runtime: the CMake project and the checks, against a stand-in for an installed prefix.

The stand-in has the target names of the real one and the headers of the installed wheel; its libraries hold markers
only, so that what is linked shows whether they were taken whole. Nothing here was run against a real prefix.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest
from images import write_inputs

from etbuild.errors import MissingTool, StepError
from etbuild.firmware.executorch_engine import check_operators, find_prefix
from etbuild.steps import firmware

CONFIG = """\
set(root ${CMAKE_CURRENT_LIST_DIR}/../../..)
foreach(name executorch executorch_core portable_ops_lib portable_kernels quantized_ops_lib quantized_kernels
        cortex_m_ops_lib cortex_m_kernels cmsis-nn executorch_delegate_ethos_u)
    add_library(${name} STATIC IMPORTED)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${root}/lib/lib${name}.a
        INTERFACE_INCLUDE_DIRECTORIES "${root}/include;${root}/include/executorch/runtime/core/portable_type/c10"
        INTERFACE_COMPILE_DEFINITIONS C10_USING_CUSTOM_GENERATED_MACROS)
endforeach()
foreach(name executorch portable_ops_lib quantized_ops_lib cortex_m_ops_lib)
    set_property(TARGET ${name} APPEND PROPERTY INTERFACE_LINK_OPTIONS
        "SHELL:LINKER:--whole-archive ${root}/lib/lib${name}.a LINKER:--no-whole-archive"
        "LINKER:--unresolved-symbols=ignore-all")
endforeach()
"""
LIBRARIES = {
    "executorch": "",
    "executorch_core": "",
    "portable_ops_lib": "aten::add.out",
    "portable_kernels": "",
    "quantized_ops_lib": "quantized_decomposed::add.out",
    "quantized_kernels": "",
    "cortex_m_ops_lib": "cortex_m::quantize_per_tensor.out cortex_m::dequantize_per_tensor.out",
    "cortex_m_kernels": "",
    "cmsis-nn": "",
    "executorch_delegate_ethos_u": "EthosUBackend",
}
DRIVER = {
    "CMakeLists.txt": "add_library(ethosu_core_driver STATIC driver.c)\n"
    "target_include_directories(ethosu_core_driver PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})\n",
    "ethosu_driver.h": """\
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
struct ethosu_driver { int used; };
int ethosu_init(struct ethosu_driver*, void*, const void*, size_t, unsigned, unsigned);
void ethosu_irq_handler(struct ethosu_driver*);
#ifdef __cplusplus
}
#endif
""",
    "driver.c": """\
#include "ethosu_driver.h"
int ethosu_init(struct ethosu_driver* d, void* b, const void* f, size_t s, unsigned secure, unsigned privileged) {
    (void)b; (void)f; (void)s; (void)secure; (void)privileged;
    return d->used = 0;
}
void ethosu_irq_handler(struct ethosu_driver* d) { d->used = 1; }
""",
}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prefix")
    (root / "lib/cmake/ExecuTorch").mkdir(parents=True)
    (root / "lib/cmake/ExecuTorch/executorch-config.cmake").write_text(CONFIG)
    wheel = importlib.util.find_spec("executorch")
    assert wheel is not None and wheel.submodule_search_locations
    (root / "include").symlink_to(Path(next(iter(wheel.submodule_search_locations))) / "include")
    flags = ("-mthumb", "-mcpu=cortex-m55", "-mfloat-abi=hard", "-mfpu=auto")
    for name, texts in LIBRARIES.items():
        rows = "".join(f'    "{text}",\n' for text in [f"marker of {name}", *texts.split()])
        symbol = name.replace("-", "_")
        source = root / f"{symbol}.c"
        source.write_text(
            f"const char* names_{symbol}[] = {{\n{rows}}};\n"
            f"__attribute__((constructor, used)) static void enter(void) {{ names_{symbol}[0] = 0; }}\n"
        )
        subprocess.run(["arm-none-eabi-gcc", *flags, "-c", str(source), "-o", f"{source}.o"], check=True)
        subprocess.run(["arm-none-eabi-ar", "rcs", str(root / f"lib/lib{name}.a"), f"{source}.o"], check=True)
    (root / "driver").mkdir()
    for name, text in DRIVER.items():
        (root / "driver" / name).write_text(text)
    return root


def make(folder: Path, prefix: Path, pte: str) -> None:
    write_inputs(folder, pte)
    firmware.main(
        [
            *("--board", "corstone-300", "--driver", "ethosu", "--stack", "16384", "--engine", "executorch"),
            *("--prefix", str(prefix), "--npu", "ethos-u55-128", "--memory-mode", "Shared_Sram"),
            *("--pte", "model.pte", "--manifest", "manifest.json", "--vectors", "golden.npz", "--output", "."),
        ]
    )


@pytest.mark.e2e
def test_the_libraries_of_a_prefix_are_linked_whole(
    tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators and the delegate register themselves: without any reference to them they are in the image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETHOSU_CORE_DRIVER", str(prefix / "driver"))

    make(tmp_path, prefix, "linear_u55.pte")

    elf = Path("firmware.elf").read_bytes()
    whole = ("executorch", "portable_ops_lib", "quantized_ops_lib", "cortex_m_ops_lib", "executorch_delegate_ethos_u")
    assert [name for name in whole if f"marker of {name}\0".encode() not in elf] == []
    assert Path("sizes.json").exists() and Path("firmware.bin").stat().st_size


@pytest.mark.e2e
def test_a_delegate_without_arms_core_driver_is_an_error(
    tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No prefix installs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETHOSU_CORE_DRIVER", raising=False)

    with pytest.raises(StepError, match="no ethosu_core_driver: set ETHOSU_CORE_DRIVER to its source folder"):
        make(tmp_path, prefix, "linear_u55.pte")


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
