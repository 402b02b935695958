"""A Zephyr module of a model: the runtime as a library, and a sample that prints frames. Text only; not built here.

zephyr/module.yml, CMakeLists.txt, Kconfig, model.ld     the module; its root is the package's folder
zephyr/boards/<board>.overlay                            the NPU of the recipe's board for the devicetree
zephyr/samples/frames/                                   a program that runs the test vectors
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.package.zephyr_port import PORT, SAMPLE_MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etbuild.package.content import Content


_SECTIONS = """\
/* Where the NPU can read it. */
. = ALIGN(16);
KEEP(*(.model))
KEEP(*(.test_vectors))
"""
# Sources that Zephyr itself, or port.cc, replaces.
_REPLACED = ("port/cortex_m/",)


def texts(content: Content) -> dict[str, str]:
    """The files by path in the package."""
    return {
        "zephyr/module.yml": _module(content),
        "zephyr/CMakeLists.txt": _cmake(content),
        "zephyr/Kconfig": _kconfig(content),
        "zephyr/model.ld": _SECTIONS,
        "zephyr/port.cc": PORT,
        f"zephyr/boards/{content.spec.board.name}.overlay": _overlay(content),
        "zephyr/samples/frames/CMakeLists.txt": _sample_cmake(content),
        "zephyr/samples/frames/prj.conf": _sample_config(content),
        "zephyr/samples/frames/sample.yaml": _sample_facts(content),
        "zephyr/samples/frames/src/main.cc": _named(content, SAMPLE_MAIN),
    }


def option(content: Content) -> str:
    """The Kconfig option of the model."""
    return f"ETBUILD_{content.ident.upper()}"


def _module(content: Content) -> str:
    return f"""\
name: etbuild_{content.ident}
build:
  cmake: zephyr
  kconfig: zephyr/Kconfig
samples:
  - zephyr/samples
"""


def _cmake(content: Content) -> str:
    sources = [one for one in (*content.sources["runtime"], "selection.cc") if not one.startswith(_REPLACED)]
    frames = "".join(f"    ${{_src}}/{one}\n" for one in (*content.sources["app"], "app/frame.cc"))
    own = "".join(
        f'  set_source_files_properties(${{_src}}/{source} PROPERTIES COMPILE_OPTIONS "{";".join(flags)}")\n'
        for source, flags in content.own_flags.items()
        if source in (*sources, *content.sources["app"])
    )
    definitions = "".join(
        f"  zephyr_library_compile_definitions({name}={value})\n"
        for name, value in content.definitions.items()
        if not value.startswith('"')
    )
    emulated = "  zephyr_library_compile_definitions(ETB_EMULATED)\n" if content.needs.npu == "emulator" else ""
    return f"""\
# {content.spec.name} for {content.spec.npu or "the CPU"}, model {content.digest}.
if(CONFIG_{option(content)})
  set(_src ${{CMAKE_CURRENT_LIST_DIR}}/../src)
  zephyr_library_named(etbuild_{content.ident})
  zephyr_include_directories(${{_src}})
  zephyr_library_sources(
    {_lines(f"${{_src}}/{one}" for one in sources)}
    ${{_src}}/model.S
    port.cc
  )
  zephyr_library_sources_ifdef(CONFIG_{option(content)}_FRAMES
{frames}    ${{_src}}/vectors.S
  )
  set_source_files_properties(${{_src}}/model.S ${{_src}}/vectors.S PROPERTIES COMPILE_OPTIONS -I${{_src}})
{emulated}  zephyr_library_compile_options($<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
{own}{definitions}  zephyr_linker_sources(RODATA model.ld)
endif()
"""


def _kconfig(content: Content) -> str:
    name, npu = content.spec.name, content.spec.npu or "the CPU"
    return f"""\
config {option(content)}
\tbool "{name} for {npu}"
\tdepends on CPP
\thelp
\t  The model {name} with the runtime that it needs.

config {option(content)}_FRAMES
\tbool "Test vectors of {name}"
\tdepends on {option(content)}
\thelp
\t  The recipe's test vectors, and the program that runs them and prints frames.
"""


def _overlay(content: Content) -> str:
    board = content.spec.board
    if content.spec.driver != "ethosu":
        return f"/* {board.title}: no NPU of its own; the runtime emulates one. */\n"
    npu = board.npu
    secure = "\t\tsecure-enable;\n" if npu.secure else ""
    privileged = "\t\tprivilege-enable;\n" if npu.privileged else ""
    return f"""\
/* The NPU of {board.title}. */
/ {{
\tethosu0: ethosu@{npu.address:x} {{
\t\tcompatible = "arm,ethos-u";
\t\treg = <{npu.address:#x} 0x1000>;
\t\tinterrupt-parent = <&nvic>;
\t\tinterrupts = <{npu.interrupt} 3>;
{secure}{privileged}\t\tstatus = "okay";
\t}};
}};
"""


def _sample_cmake(content: Content) -> str:
    return f"""\
cmake_minimum_required(VERSION 3.20.0)
list(APPEND ZEPHYR_EXTRA_MODULES ${{CMAKE_CURRENT_LIST_DIR}}/../../..)
list(APPEND EXTRA_DTC_OVERLAY_FILE ${{CMAKE_CURRENT_LIST_DIR}}/../../boards/{content.spec.board.name}.overlay)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project({content.ident}_frames)
target_sources(app PRIVATE src/main.cc)
"""


def _sample_config(content: Content) -> str:
    return f"""\
CONFIG_CPP=y
CONFIG_STD_CPP17=y
CONFIG_FPU=y
CONFIG_SERIAL=y
CONFIG_{option(content)}=y
CONFIG_{option(content)}_FRAMES=y
CONFIG_MAIN_STACK_SIZE={content.spec.stack_bytes}
"""


def _sample_facts(content: Content) -> str:
    return f"""\
sample:
  name: {content.spec.name}, its test vectors as frames
tests:
  etbuild.{content.ident}.frames:
    tags: etbuild
    harness: console
    harness_config:
      type: one_line
      regex:
        - "~E0008"
"""


def _named(content: Content, text: str) -> str:
    return (
        text.replace("@NAME@", content.ident)
        .replace("@MACRO@", content.ident.upper())
        .replace("@SYMBOL@", content.spec.symbol)
        .replace("@BOARD@", content.spec.board.name)
    )


def _lines(rows: Iterable[str]) -> str:
    return "\n    ".join(rows)
