"""The CMake package of a model: `find_package(<recipe> CONFIG)` and targets for each part. It is text only.

<recipe>::model     the model in section .model, its headers, sizes and NPU definitions
<recipe>::runtime   functions <recipe>_open, _set_input, _run, _output, with what this model needs of the runtime
<recipe>::board     start-up code and linker script of the recipe's board, for a program with main()
<recipe>::firmware  everything: a program that runs the test vectors and prints frames
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.package.content import Content

# Objects that only an entry point or a section refers to.
_LINK = ("-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments")


def config_text(content: Content) -> str:
    """<recipe>Config.cmake, for share/cmake/<recipe>/."""
    spec, name = content.spec, content.spec.name
    sizes = "".join(f"set({name}_{part}_BYTES {size})\n" for part, size in content.sizes.items())
    return f"""\
# {name} for {spec.npu or "the CPU"} and board {spec.board.name}, model {content.digest}.
cmake_minimum_required(VERSION 3.20)
if(TARGET {name}::model)
  return()
endif()
get_property(_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
foreach(_language CXX ASM)
  if(NOT _language IN_LIST _languages)
    message(FATAL_ERROR "{name}: got a project without ${{_language}}, wanted project(... LANGUAGES C CXX ASM)")
  endif()
endforeach()
get_filename_component({name}_ROOT "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)
set(_src "${{{name}_ROOT}}/src")

set({name}_NPU "{spec.npu}")
set({name}_BOARD "{spec.board.name}")
# For EXECUTORCH_SELECT_OPS_LIST: the operators that stay on the CPU.
set({name}_OPERATORS "{",".join(content.needs.operators)}")
{sizes}
set_source_files_properties("${{_src}}/model.S" "${{_src}}/vectors.S" PROPERTIES
  OBJECT_DEPENDS "${{_src}}/model.pte;${{_src}}/vectors.bin" COMPILE_OPTIONS "-I${{_src}}")
{_own_flags(content)}
{_part(content, "model", ("model.S",))}\
target_include_directories({name}_model INTERFACE "${{_src}}")
{_definitions(content)}
{_part(content, "runtime", (*content.sources["runtime"], "selection.cc"), "model")}
{_part(content, "start", content.sources["board"], "runtime")}\
target_link_options({name}_start INTERFACE
  {_lines(_LINK)}
  "-T${{_src}}/firmware.ld")
target_link_libraries({name}_start INTERFACE -Wl,--start-group m c_nano gcc -Wl,--end-group)

{_part(content, "board", ("embed/call_main.cc",), "start")}
{_part(content, "firmware", (*content.sources["app"], "vectors.S"), "start")}\
"""


def toolchain_text(content: Content) -> str:
    """arm-none-eabi.cmake, a toolchain file for the core of the recipe's board."""
    flags = " ".join(content.spec.board.cpu.flags)
    return f"""\
# GCC for {content.spec.board.title}: cmake -DCMAKE_TOOLCHAIN_FILE=<this file>
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
foreach(_language C CXX ASM)
  set(CMAKE_${{_language}}_FLAGS_INIT "{flags}")
endforeach()
"""


def _part(content: Content, part: str, sources: Iterable[str], uses: str = "") -> str:
    """A target whose objects become part of a program as they are: an archive would lose what only the linker script
    refers to. uses: the part that it brings along."""
    name = content.spec.name
    own = f"{name}_{part}_objects"
    text = f"""\
add_library({own} OBJECT EXCLUDE_FROM_ALL
  {_lines(f'"${{_src}}/{one}"' for one in sources)})
target_include_directories({own} PRIVATE "${{_src}}")
target_compile_features({own} PRIVATE cxx_std_17)
target_compile_options({own} PRIVATE
  "$<$<COMPILE_LANGUAGE:CXX>:-Os;{";".join(content.flags)}>")
add_library({name}_{part} INTERFACE)
add_library({name}::{part} ALIAS {name}_{part})
target_sources({name}_{part} INTERFACE $<TARGET_OBJECTS:{own}>)
"""
    return text + (f"target_link_libraries({name}_{part} INTERFACE {name}_{uses})\n" if uses else "")


def _own_flags(content: Content) -> str:
    return "".join(
        f'set_source_files_properties("${{_src}}/{source}" PROPERTIES COMPILE_OPTIONS "{";".join(flags)}")\n'
        for source, flags in content.own_flags.items()
    )


def _definitions(content: Content) -> str:
    if not content.definitions:
        return ""
    rows = (f"{name}={value.strip(chr(34))}" for name, value in content.definitions.items())
    return f"target_compile_definitions({content.spec.name}_model INTERFACE\n  {_lines(rows)})\n"


def _lines(texts: Iterable[str]) -> str:
    return "\n  ".join(texts)
