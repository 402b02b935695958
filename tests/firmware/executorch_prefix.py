"""A stand-in for an installed ExecuTorch, for Arm's core driver and for ExecuTorch's source.

Target names, properties and sections are those of a real prefix of ExecuTorch 1.5 for Cortex-M: -fPIC in the compile
options that it hands on, addresses through .got, registration in constructors that --whole-archive keeps, references
of the C++ library, code for one CPU. The headers are those of the installed wheel, and native/executorch_runtime.cc
implements them for one method. What an image misses is an error of the linker, or fails in QEMU, as with the real one.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

FLAGS = ("-mthumb", "-mfloat-abi=hard", "-mfpu=auto", "-Os", "-fPIC")
RUNTIME = Path(__file__).parent / "native/executorch_runtime.cc"
# The bytes of a real prefix's portable operators.
PORTABLE_BYTES = 6_000_000

CONFIG = """\
set(root ${CMAKE_CURRENT_LIST_DIR}/../../..)
foreach(name executorch executorch_core kernels_util_all_deps portable_ops_lib portable_kernels quantized_ops_lib
        quantized_kernels cortex_m_ops_lib cortex_m_kernels cmsis-nn executorch_delegate_ethos_u extension_runner_util)
    add_library(${name} STATIC IMPORTED)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${root}/lib/lib${name}.a)
endforeach()
foreach(name executorch executorch_core extension_runner_util)
    set_target_properties(${name} PROPERTIES
        INTERFACE_COMPILE_DEFINITIONS C10_USING_CUSTOM_GENERATED_MACROS
        INTERFACE_COMPILE_OPTIONS "$<$<NOT:$<CXX_COMPILER_ID:MSVC>>:-fPIC>"
        INTERFACE_INCLUDE_DIRECTORIES "${root}/include;${root}/include/executorch/runtime/core/portable_type/c10")
endforeach()
foreach(name executorch portable_ops_lib quantized_ops_lib cortex_m_ops_lib)
    set_property(TARGET ${name} APPEND PROPERTY INTERFACE_LINK_OPTIONS
        "SHELL:LINKER:--whole-archive $<TARGET_FILE:${name}> LINKER:--no-whole-archive")
endforeach()
set_property(TARGET executorch PROPERTY INTERFACE_LINK_LIBRARIES $<LINK_ONLY:executorch_core>)
foreach(family portable quantized cortex_m)
    set_property(TARGET ${family}_ops_lib PROPERTY INTERFACE_LINK_LIBRARIES ${family}_kernels)
endforeach()
set_property(TARGET executorch_delegate_ethos_u PROPERTY INTERFACE_LINK_LIBRARIES executorch_core ethosu_core_driver)
"""
LIBRARIES = {
    "executorch": "",
    "executorch_core": "",
    "kernels_util_all_deps": "",
    "portable_ops_lib": "aten::add.out aten::addmm.out aten::gt.Scalar_out aten::mul.out aten::permute_copy.out "
    "aten::sum.IntList_out",
    "portable_kernels": "",
    "quantized_ops_lib": "quantized_decomposed::add.out",
    "quantized_kernels": "",
    "cortex_m_ops_lib": "cortex_m::quantize_per_tensor.out cortex_m::dequantize_per_tensor.out",
    "cortex_m_kernels": "",
    "cmsis-nn": "",
    "executorch_delegate_ethos_u": "EthosUBackend",
    "extension_runner_util": "",
}
# What the sources of a library have besides their markers.
_MORE = {
    # As libstdc++'s random_device and libgcc's unwinder refer to them.
    "executorch": "extern int getentropy(void*, unsigned);\nextern const char __exidx_start[], __exidx_end[];\n"
    "const void* volatile unwind_tables[] = {__exidx_start, __exidx_end, (void*)getentropy};\n"
    "int value_of_executorch = 7;\nint* address_in_got(void) { return &value_of_executorch; }\n"
    "__attribute__((constructor, used)) static void use(void) { *address_in_got() += !unwind_tables[0]; }\n",
}
# The delegate's library: it keeps a handle on the heap, and destroys it.
DELEGATE = """\
#include <new>
extern "C" int ethosu_invoke_v3(const void*, int);
struct Handle { int calls = 0; };
extern "C" void* stand_in_delegate_init() { return new (std::nothrow) Handle; }
extern "C" int stand_in_delegate_execute(void* handle) {
    ++static_cast<Handle*>(handle)->calls;
    return ethosu_invoke_v3(handle, sizeof(Handle));
}
extern "C" void stand_in_delegate_destroy(void* handle) { delete static_cast<Handle*>(handle); }
"""
DRIVER = {
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.15)
project(ethosu_core_driver)
set(CMSIS_PATH ${CMAKE_CURRENT_SOURCE_DIR}/../cmsis_6 CACHE PATH "")
set(ETHOSU_TARGET_NPU_CONFIG ethos-u55-128 CACHE STRING "")
add_library(ethosu_core_driver STATIC src/driver.c)
target_compile_options(ethosu_core_driver PRIVATE -Werror)
target_include_directories(ethosu_core_driver PUBLIC include PRIVATE ${CMSIS_PATH}/CMSIS/Core/Include)
target_compile_definitions(ethosu_core_driver PUBLIC CONFIGURATION="${ETHOSU_TARGET_NPU_CONFIG}")
""",
    "include/ethosu_driver.h": """\
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
struct ethosu_driver { void* semaphore; };
int ethosu_init(struct ethosu_driver*, void* const, const void*, const size_t, uint32_t, uint32_t);
void ethosu_irq_handler(struct ethosu_driver*);
void ethosu_flush_dcache(@CACHE@);
void ethosu_invalidate_dcache(@CACHE@);
void* ethosu_semaphore_create(void);
int ethosu_semaphore_take(void*, uint64_t);
int ethosu_semaphore_give(void*);
int ethosu_invoke_v3(const void*, int);
#ifdef __cplusplus
}
#endif
""",
    "src/driver.c": """\
#include <assert.h>
#include <cmsis_compiler.h>
#include <stdlib.h>
#include <string.h>
#include "ethosu_driver.h"
#define TEXT(x) #x
#define VALUE(x) TEXT(x)
const volatile char configuration[] = "driver of " CONFIGURATION ", QCONFIG " VALUE(NPU_QCONFIG) ", REGIONCFG "
    VALUE(NPU_REGIONCFG_0) VALUE(NPU_REGIONCFG_1) VALUE(NPU_REGIONCFG_2);
__attribute__((weak)) void ethosu_flush_dcache(@CACHE@) {}
__attribute__((weak)) void ethosu_invalidate_dcache(@CACHE@) {}
__attribute__((weak)) void* ethosu_semaphore_create(void) { return malloc(1); }
__attribute__((weak)) int ethosu_semaphore_take(void* s, uint64_t limit) {
    (void)limit;
    while (!*(volatile char*)s) __WFE();
    return 0;
}
__attribute__((weak)) int ethosu_semaphore_give(void* s) { return ++*(char*)s; }
static struct ethosu_driver* registered;
int ethosu_init(struct ethosu_driver* d, void* const b, const void* f, const size_t s, uint32_t secure, uint32_t p) {
    (void)f; (void)s; (void)secure; (void)p;
    const uint32_t config = ((volatile const uint32_t*)b)[10];
    const char* const macs = strrchr(CONFIGURATION, '-') + 1;
    d->semaphore = ethosu_semaphore_create();
    registered = d;
    if (1u << (config & 15) != (uint32_t)atoi(macs) || "568"[config >> 28] != CONFIGURATION[7]) return -1;
    return d->semaphore && configuration[0] ? 0 : -1;
}
int ethosu_invoke_v3(const void* data, int size) {
    assert(data && size > 0);
    ethosu_semaphore_give(registered->semaphore);
    return ethosu_semaphore_take(registered->semaphore, 1);
}
void ethosu_irq_handler(struct ethosu_driver* d) {
    ethosu_flush_dcache(@NULLS@);
    ethosu_invalidate_dcache(@NULLS@);
    ethosu_semaphore_take(d->semaphore, ethosu_semaphore_give(d->semaphore));
}
""",
}
# The parameters of the cache's hooks, of today's driver and of older ones.
HOOKS = {
    "arrays": ("const uint64_t* a, const size_t* b, int c", "0, 0, 0"),
    "single": ("uint32_t* a, size_t b", "0, 0"),
}
# ExecuTorch's functions for code generation: one source a library, with the names of the selected operators.
CODE_GENERATION = """\
function(gen_selected_ops)
    cmake_parse_arguments(GEN "" "LIB_NAME;ROOT_OPS" "" ${ARGN})
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${GEN_LIB_NAME}.txt "${GEN_ROOT_OPS}")
endfunction()
function(generate_bindings_for_kernels)
    cmake_parse_arguments(GEN "" "LIB_NAME;FUNCTIONS_YAML;CUSTOM_OPS_YAML" "" ${ARGN})
    file(READ ${GEN_FUNCTIONS_YAML}${GEN_CUSTOM_OPS_YAML} functions)
    file(READ ${CMAKE_CURRENT_BINARY_DIR}/${GEN_LIB_NAME}.txt names)
    string(REPLACE "," ";" names "${names}")
    foreach(name ${names})
        string(REPLACE "aten::" "" operator ${name})
        if(NOT functions MATCHES "${operator}")
            message(FATAL_ERROR "no function ${name}")
        endif()
        string(APPEND rows "    \\"${name}\\",\\n")
    endforeach()
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${GEN_LIB_NAME}.c "const char* names_${GEN_LIB_NAME}[] = {
    \\"selected\\",\\n${rows}};
__attribute__((constructor, used)) static void enter(void) { names_${GEN_LIB_NAME}[0] = 0; }\\n")
endfunction()
function(gen_operators_lib)
    cmake_parse_arguments(GEN "" "LIB_NAME" "KERNEL_LIBS;DEPS" ${ARGN})
    add_library(${GEN_LIB_NAME} ${CMAKE_CURRENT_BINARY_DIR}/${GEN_LIB_NAME}.c)
    target_link_libraries(${GEN_LIB_NAME} PUBLIC ${GEN_KERNEL_LIBS} PRIVATE ${GEN_DEPS})
    target_link_options(${GEN_LIB_NAME} INTERFACE
        "SHELL:LINKER:--whole-archive $<TARGET_FILE:${GEN_LIB_NAME}> LINKER:--no-whole-archive")
endfunction()
"""


def write_prefix(root: Path, portable_bytes: int = 0, temporary_bytes: int = 64, core: str = "cortex-m55") -> None:
    """An installed ExecuTorch in a folder.

    portable_bytes:  of its portable operators.
    temporary_bytes: what its method takes for a call.
    core:            what it is compiled for.
    """
    (root / "lib/cmake/ExecuTorch").mkdir(parents=True)
    (root / "lib/cmake/ExecuTorch/executorch-config.cmake").write_text(CONFIG)
    wheel = importlib.util.find_spec("executorch")
    assert wheel is not None and wheel.submodule_search_locations
    include = Path(next(iter(wheel.submodule_search_locations))) / "include"
    (root / "include").symlink_to(include)
    flags = (*FLAGS, f"-mcpu={core}")
    for name, texts in LIBRARIES.items():
        rows = "".join(f'    "{text}",\n' for text in [f"marker of {name}", *texts.split()])
        symbol = name.replace("-", "_")
        extra = max(1, portable_bytes if name == "portable_ops_lib" else 0)
        source = root / f"{symbol}.c"
        source.write_text(
            f"const char* names_{symbol}[] = {{\n{rows}}};\n"
            f"const volatile char size_of_{symbol}[{extra}] = {{1}};\n"
            "__attribute__((constructor, used)) static void enter(void) {\n"
            f"    names_{symbol}[0] += size_of_{symbol}[0];\n}}\n" + _MORE.get(name, "")
        )
        subprocess.run(["arm-none-eabi-gcc", *flags, "-c", str(source), "-o", f"{source}.o"], check=True)
        subprocess.run(["arm-none-eabi-ar", "rcs", str(root / f"lib/lib{name}.a"), f"{source}.o"], check=True)
    (root / "delegate.cc").write_text(DELEGATE)
    c10 = include / "executorch/runtime/core/portable_type/c10"
    cpp = (*flags, "-std=c++17", "-fno-exceptions", "-fno-rtti", "-DC10_USING_CUSTOM_GENERATED_MACROS")
    cpp = (*cpp, f"-DTEMPORARY_BYTES={temporary_bytes}", "-I", str(include), "-I", str(c10))
    for name, source in (("executorch_core", RUNTIME), ("executorch_delegate_ethos_u", root / "delegate.cc")):
        made = root / f"{source.stem}.o"
        subprocess.run(["arm-none-eabi-g++", *cpp, "-c", str(source), "-o", str(made)], check=True)
        subprocess.run(["arm-none-eabi-ar", "rcs", str(root / f"lib/lib{name}.a"), str(made)], check=True)


def write_driver(root: Path, hooks: str = "arrays") -> Path:
    """Arm's core driver, with CMSIS elsewhere: in root/cmsis. hooks: a key of HOOKS."""
    parameters, nulls = HOOKS[hooks]
    for name, text in DRIVER.items():
        file = root / "driver" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        unused = " ".join(f"(void){word};" for word in "abc"[: parameters.count(",") + 1])
        text = text.replace("(@CACHE@) {}", f"({parameters}) {{ {unused} }}")
        file.write_text(text.replace("@CACHE@", parameters).replace("@NULLS@", nulls))
    header = root / "cmsis/CMSIS/Core/Include/cmsis_compiler.h"
    header.parent.mkdir(parents=True)
    header.write_text('#define __WFE() __asm volatile("wfe")\n')
    return root / "driver"


def write_source(root: Path) -> None:
    """ExecuTorch's source, as much as the code generation for operators needs."""
    files = {
        "tools/cmake/Codegen.cmake": CODE_GENERATION,
        "codegen/gen.py": "",
        "kernels/portable/functions.yaml": "- op: add.out\n- op: gt.Scalar_out\n- op: mul.out\n- op: sum.IntList_out\n",
        "kernels/quantized/quantized.yaml": "- func: quantized_decomposed::add.out(\n",
        "backends/cortex_m/ops/operators.yaml": "- func: cortex_m::quantize_per_tensor.out(\n"
        "- func: cortex_m::dequantize_per_tensor.out(\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
