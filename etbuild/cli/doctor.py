"""etbuild doctor: which tools this machine has, in which version, which are wanted, and how to get them.

It imports no tool and installs nothing. Exit code 3 when something that is not optional is missing.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from etbuild.errors import MissingTool
from etbuild.system import tools

BOOTSTRAP = "start through ./bootstrap, which installs what pyproject.toml pins"


@dataclass(frozen=True)
class Finding:
    """found: "" when it is not there. wanted: "" when any will do. remedy: "" when all is well."""

    name: str
    found: str
    wanted: str
    good: bool
    optional: bool = False
    remedy: str = ""


def run(arguments: argparse.Namespace) -> int:
    findings = (*_python(), *_packages(), *_programs(), *_traps())
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print("\n".join(_lines(findings)))
    return MissingTool.exit_code if any(not one.good and not one.optional for one in findings) else 0


def _lines(findings: tuple[Finding, ...]) -> Iterator[str]:
    for one in findings:
        verdict = "ok" if one.good else "optional" if one.optional else "MISSING" if not one.found else "WRONG"
        wanted = f" (wanted {one.wanted})" if one.wanted else ""
        yield f"{verdict:<9}{one.name}: {one.found or 'not found'}{wanted}"
        if one.remedy:
            yield f"             {one.remedy}"
    bad = sum(not one.good and not one.optional for one in findings)
    yield "all is there" if not bad else f"{bad} to mend"


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version meets clauses such as ">=2,<3" or "==1.5.1"; a local part (+cpu) does not count."""

    def release(text: str) -> tuple[int, ...]:
        numbers = re.match(r"\d+(\.\d+)*", text)
        found = tuple(map(int, numbers[0].split("."))) if numbers else ()
        return found + (0,) * (6 - len(found))

    have = release(version)
    tests = {
        "==": lambda limit: have == limit,
        "!=": lambda limit: have != limit,
        ">=": lambda limit: have >= limit,
        "<=": lambda limit: have <= limit,
        ">": lambda limit: have > limit,
        "<": lambda limit: have < limit,
    }
    clauses = re.findall(r"(==|!=|>=|<=|>|<)\s*([\w.]+)", wanted)
    return all(tests[sign](release(limit)) for sign, limit in clauses)


def requirements(package: str, extra: str = "") -> dict[str, str]:
    """Name to version clauses of what an installed package requires, one extra included.

    Conditions on the platform are taken as met, those on another extra as not.
    """
    found = {}
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        wants_extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if wants_extra and wants_extra[1] != extra:
            continue
        name = re.match(r"[\w.-]+", requirement.strip())
        if name:
            found[name[0]] = re.sub(r"^[\w.-]+(\[[^\]]*\])?", "", requirement.strip()).strip(" ()")
    return found


def _python() -> Iterator[Finding]:
    try:
        wanted = metadata.metadata("etbuild")["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        wanted = ""
    found = sys.version.split()[0]
    good = satisfies(found, wanted)
    yield Finding("python", f"{found}, {sys.prefix}", wanted, good, remedy="" if good else BOOTSTRAP)


def _packages() -> Iterator[Finding]:
    """What etbuild requires, and of ExecuTorch's requirements what the steps use themselves."""
    of_executorch = requirements("executorch", "ethos-u")
    direct = {"torchao", "ethos-u-vela", "tosa-tools", "numpy"}
    wanted = {**requirements("etbuild"), **{name: of_executorch.get(name, "") for name in sorted(direct)}}
    for name, clauses in wanted.items():
        found = tools.package_version(name) or ""
        good = bool(found) and satisfies(found, clauses)
        yield Finding(name, found, clauses, good, remedy="" if good else BOOTSTRAP)


def _programs() -> Iterator[Finding]:
    for name, spec in tools.PROGRAMS.items():
        wanted = f">={'.'.join(map(str, spec.oldest))}"
        try:
            line = tools.version(name)
        except MissingTool as error:
            yield Finding(name, "", wanted, False, remedy=str(error).splitlines()[-1].strip())
            continue
        good = satisfies(_number(line), wanted)
        remedy = "" if good else f"sudo apt-get install {spec.debian}, on a Debian 12 or later"
        yield Finding(name, line, wanted, good, remedy=remedy)
    for name in tools.FVPS:
        try:
            yield Finding(name, tools.version(name), "", True, optional=True)
        except MissingTool as error:
            yield Finding(name, "", "", False, optional=True, remedy=str(error).splitlines()[-1].strip())


def _number(line: str) -> str:
    """The version in a program's first line: the last number with a dot outside of parentheses."""
    numbers = re.findall(r"(?<![\w.+-])\d+(?:\.\d+)+", re.sub(r"\([^)]*\)", "", line))
    return numbers[0] if numbers else ""


def _traps() -> Iterator[Finding]:
    """What has cost others hours."""
    yield from _torch_build()
    yield from _executorch_source()
    yield from _bare_metal_libraries()
    yield from _spaces()


def _torch_build() -> Iterator[Finding]:
    torch = tools.package_version("torch") or ""
    if "+cu" in torch or "+rocm" in torch:
        yield Finding("torch build", torch, "a CPU build", False, True, "gigabytes of GPU libraries that no step uses")
    if torch and tools.package_version("torchvision"):
        yield Finding(
            "torchvision",
            tools.package_version("torchvision") or "",
            "none",
            False,
            True,
            "built for another torch it fails to import; recipes need none",
        )


def _executorch_source() -> Iterator[Finding]:
    """The commit that the wheel was built from: a C++ runtime must come from the same one."""
    if tools.package_version("executorch") is None:
        return
    for folder in sys.path:
        file = Path(folder) / "executorch" / "version.py"
        if file.is_file():
            commit = re.search(r"git_version[^=]*=\s*['\"]([0-9a-f]{40})", file.read_text(encoding="utf-8"))
            yield Finding("executorch's commit", commit[1] if commit else "not told", "", True)
            return


def _bare_metal_libraries() -> Iterator[Finding]:
    """Debian ships the cross compiler without its C and C++ libraries."""
    try:
        compiler = tools.program("arm-none-eabi-gcc")
    except MissingTool:
        return
    for library, package in (
        ("libc.a", "libnewlib-arm-none-eabi"),
        ("libstdc++.a", "libstdc++-arm-none-eabi-newlib"),
    ):
        command = [str(compiler), f"-print-file-name={library}"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        found = told if told != library else ""
        name = f"{library} for arm-none-eabi"
        yield Finding(name, found, "", bool(found), remedy="" if found else f"sudo apt-get install {package}")


def _spaces() -> Iterator[Finding]:
    for name, folder in (("this folder", str(Path.cwd())), ("folder for temporary files", tempfile.gettempdir())):
        if " " in folder:
            yield Finding(name, folder, "a path without spaces", False, True, "Vela splits its arguments at spaces")
