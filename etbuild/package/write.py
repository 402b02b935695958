"""Writes the folder of a package. The sources are there once, in src/; each build system's files refer to them."""

from __future__ import annotations

import shutil
from pathlib import Path

from etbuild.package import cmake_files, csolution_files, zephyr_files
from etbuild.package.content import Spec, content_of, write_sources


def write_package(spec: Spec, folder: Path) -> None:
    """Write src/, share/cmake/, zephyr/ and csolution/ of a package.

    raises: StepError when the runtime has no kernel for one of its operators.
    """
    content = content_of(spec, folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_sources(content, folder)
    texts = {
        f"share/cmake/{spec.name}/{spec.name}Config.cmake": cmake_files.config_text(content),
        "share/cmake/arm-none-eabi.cmake": cmake_files.toolchain_text(content),
        **zephyr_files.texts(content),
        **csolution_files.texts(content),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
