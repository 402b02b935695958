"""The Zephyr module and the csolution layers against what their public schemas and documents ask for. Neither tool is
here, so neither is built; the C++ for Zephyr is compiled against stubs of the functions that it calls."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import NAME, Packaged

from etbuild.package.csolution_files import components

if TYPE_CHECKING:
    from etbuild.package.content import Content

pytestmark = pytest.mark.e2e

# A component as csolution's schema names it: [vendor::] class [&bundle] : group [: sub] [&variant] [@version].
COMPONENT = r"^([\w /.+-]+::)?[\w /.+-]+(&[\w /.+-]+)?(:[\w /.+-]+)(:[\w /.+-]+)?(&[\w /.+-]+)?$"
STUBS = {
    "zephyr/kernel.h": """\
#pragma once
#include <cstdint>
#include <cstddef>
inline void k_yield() {}
inline std::int64_t k_uptime_get() { return 0; }
inline std::uint32_t k_cycle_get_32() { return 0; }
#define K_FOREVER 0
inline int k_sleep(int) { return 0; }
""",
    "zephyr/cache.h": """\
#pragma once
#include <cstddef>
inline int sys_cache_data_flush_range(void*, std::size_t) { return 0; }
inline int sys_cache_data_invd_range(void*, std::size_t) { return 0; }
inline int sys_cache_data_flush_and_invd_range(void*, std::size_t) { return 0; }
""",
    "zephyr/devicetree.h": """\
#pragma once
#define DT_NODELABEL(name) name
#define DT_CHOSEN(name) name
#define DT_NODE_HAS_STATUS(node, status) HAS_NPU
#define DT_REG_ADDR(node) 0x58102000
""",
    "zephyr/device.h": "#pragma once\nstruct device {};\n#define DEVICE_DT_GET(node) (&etb_console)\n"
    "inline device etb_console;\n",
    "zephyr/drivers/uart.h": "#pragma once\nstruct device;\n"
    "inline void uart_poll_out(const device*, unsigned char) {}\n",
}


def read(packaged: Packaged, name: str) -> Any:
    return yaml.safe_load((packaged.package / name).read_text())


def test_the_zephyr_module_has_keys_of_the_schema_and_files_that_exist(packaged: Packaged) -> None:
    """name, build with cmake and kconfig, samples."""
    module = read(packaged, "zephyr/module.yml")

    assert set(module) <= {"name", "build", "tests", "samples", "boards", "blobs"}
    assert set(module["build"]) <= {"cmake", "kconfig", "depends", "settings"}
    assert (packaged.package / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (packaged.package / module["build"]["kconfig"]).is_file()
    assert all((packaged.package / folder).is_dir() for folder in module["samples"])


def test_the_zephyr_library_names_sources_that_exist_and_one_option(packaged: Packaged) -> None:
    """Every source below src/; the option is that of Kconfig and of the sample."""
    text = (packaged.package / "zephyr/CMakeLists.txt").read_text()
    sources = re.findall(r"^\s+\$\{_src\}/(\S+)$", text, re.M)

    assert len(sources) > 10
    assert [one for one in sources if not (packaged.package / "src" / one).is_file()] == []
    assert not any(one.startswith("port/cortex_m") for one in sources)
    assert "config ETBUILD_MNIST_U55\n" in (packaged.package / "zephyr/Kconfig").read_text()
    assert "if(CONFIG_ETBUILD_MNIST_U55)" in text
    assert "CONFIG_ETBUILD_MNIST_U55=y" in (packaged.package / "zephyr/samples/frames/prj.conf").read_text()


@pytest.mark.parametrize("npu", ["0", "1"])
def test_the_cplusplus_of_the_zephyr_module_compiles(packaged: Packaged, tmp_path: Path, npu: str) -> None:
    """Against stubs: with the NPU's node in the devicetree and without."""
    for name, text in STUBS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    flags = ["-mcpu=cortex-m55", "-mthumb", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    defined = [f"-DHAS_NPU={npu}", "-DETB_EMULATED", "-DCONFIG_MAIN_STACK_SIZE=16384"]
    folders = ["-I", str(tmp_path), "-I", str(packaged.package / "src")]
    files = [str(packaged.package / "zephyr" / name) for name in ("port.cc", "samples/frames/src/main.cc")]

    done = subprocess.run(["arm-none-eabi-g++", *flags, *defined, *folders, *files], capture_output=True, text=True)

    assert done.stderr == ""


def driven(packaged: Packaged, work: Path) -> Content:
    """The package for a board with a real NPU."""
    from etbuild.hardware.boards import board_file, load_board
    from etbuild.package.content import Spec, content_of

    file = board_file("corstone-300")
    assert file is not None
    variant = packaged.variant
    files = variant / "model.pte", variant / "manifest.json", packaged.golden, variant / "model.h"
    npu = "ethosu", "ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram"
    return content_of(Spec(NAME, load_board(file), *files, "mnist_u55_pte", *npu, 16384), work)


def test_the_scratch_of_the_register_driver_has_room_for_its_alignment(packaged: Packaged, tmp_path: Path) -> None:
    """`open` asks for the bytes of the largest delegate, and for those that align its begin and its end."""
    assert driven(packaged, tmp_path).sizes["SCRATCH"] == packaged.manifest["memory"]["scratch_bytes"] + 2 * 16


def test_an_overlay_names_the_npu_of_the_board(packaged: Packaged, tmp_path: Path) -> None:
    """An emulated NPU has none; that of a board has its address, interrupt and rights."""
    from etbuild.package.zephyr_files import texts

    content = driven(packaged, tmp_path)

    overlay = texts(content)["zephyr/boards/corstone-300.overlay"]

    for line in ('compatible = "arm,ethos-u";', "reg = <0x58102000 0x1000>;", "interrupts = <56 3>;", "secure-enable;"):
        assert f"\t\t{line}\n" in overlay
    assert content.sizes["SCRATCH"] < 65536
    assert "no NPU of its own" in (packaged.package / "zephyr/boards/qemu-mps3-an547.overlay").read_text()


@pytest.mark.parametrize("name", [f"{NAME}.clayer.yml", f"{NAME}.executorch.clayer.yml"])
def test_a_layer_has_keys_of_the_schema_files_that_exist_and_components(packaged: Packaged, name: str) -> None:
    """As a clayer of csolution: type, packs, define, add-path, misc, components, groups."""
    layer = read(packaged, f"csolution/{name}")["layer"]
    folder = packaged.package / "csolution"

    assert set(layer) <= {"type", "description", "packs", "define", "add-path", "misc", "components", "groups"}
    assert layer["type"] == "AI"
    files = [one for group in layer["groups"] for one in group["files"]]
    assert all(set(one) <= {"file", "misc"} and (folder / one["file"]).is_file() for one in files)
    assert all(re.match(COMPONENT, one["component"]) for one in layer["components"])
    assert all((folder / path).is_dir() for path in layer["add-path"])
    defines = {key: value for one in layer["define"] for key, value in one.items()}
    assert (defines["NPU_QCONFIG"], defines["NPU_REGIONCFG_0"], defines["NPU_REGIONCFG_1"]) == (2, 3, 0)
    assert defines["MNIST_U55_MODEL_BYTES"] == packaged.manifest["pte"]["bytes"]


def test_mlops_has_what_a_target_type_says_of_npu_and_vela(packaged: Packaged) -> None:
    """The NPU's type and MACs, Vela's system config and memory mode, and the layer."""
    mlops = read(packaged, f"csolution/{NAME}.mlops.yml")["mlops"]

    assert mlops["npu"] == {"type": "Ethos-U55", "macs": 128}
    assert mlops["vela"] == {"system": "Ethos_U55_High_End_Embedded", "memory": "Shared_Sram"}
    assert mlops["model"] == {"clayer": f"{NAME}.clayer.yml", "name": NAME}


def test_an_operator_is_a_component_of_its_category() -> None:
    """Portable, Quantized and Cortex-M, each kernel's file once."""
    operators = (
        *("aten::add.out", "aten::_softmax.out", "cortex_m::quantized_conv2d.out"),
        *("quantized_decomposed::quantize_per_tensor.out", "quantized_decomposed::quantize_per_channel.out"),
    )

    assert components(operators) == [
        "Machine Learning:ExecuTorch Operators:Cortex-M quantized_conv2d",
        "Machine Learning:ExecuTorch Operators:Portable add",
        "Machine Learning:ExecuTorch Operators:Portable softmax",
        "Machine Learning:ExecuTorch Operators:Quantized quantize",
    ]
