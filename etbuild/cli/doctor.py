"""`etbuild doctor`: the tools on this machine, their versions, the versions wanted, and how to install what is missing.

It imports none of these tools and installs nothing. Exit code 3 when a tool that is not optional is missing or too old.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from etbuild.errors import MissingTool
from etbuild.system import tools

BOOTSTRAP = "start through ./bootstrap, which installs what pyproject.toml pins"


@dataclass(frozen=True)
class Finding:
    """The state of one tool.

    found:  its version; "" when it is not installed.
    wanted: version clauses, such as ">=2,<3"; "" when any version will do.
    remedy: what to do, one line; "" when `good`.
    """

    name: str
    found: str
    wanted: str
    good: bool
    optional: bool = False
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def run(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("packaging") is None:
        raise MissingTool(f"the package packaging: got none, wanted it to compare versions\n    {BOOTSTRAP}")
    findings = (*_python(), *_packages(), *_programs(), *_pitfalls())
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print("\n".join(_lines(findings)))
    return MissingTool.exit_code if any(not one.good and not one.optional for one in findings) else 0


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for one in findings:
        verdict = "ok" if one.good else "optional" if one.optional else "MISSING" if not one.found else "WRONG"
        wanted = f" (wanted {one.wanted})" if one.wanted else ""
        yield f"{verdict:<9}{one.name}: {one.found or 'not found'}{wanted}"
        if one.remedy:
            yield f"             {one.remedy}"
    bad = sum(not one.good and not one.optional for one in findings)
    yield "all required tools are present" if not bad else f"{bad} to fix"


def satisfies(version: str, wanted: str) -> bool:
    """Whether an installed version meets clauses such as ">=2,<3" or "==1.5.*"; no clauses are always met.

    As pip decides: a pre-release counts like any other version, and a local part (+cpu) matters only to a clause that
    has one. A text that is no version, or clauses that cannot be read, give False.
    source: the version specifiers of PyPA, https://packaging.python.org/specifications/version-specifiers/
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    if not wanted:
        return True
    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def requirements(package: str, extra: str = "") -> dict[str, str]:
    """Canonical name to version clauses of what an installed package requires, with those of one extra.

    Requirements whose marker does not hold for this interpreter and system are left out. Empty when the package is not
    installed.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    found: dict[str, SpecifierSet] = {}
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # Metadata of another package's making; the other lines still count.
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            found[name] = found.get(name, SpecifierSet()) & requirement.specifier
    return {name: str(clauses) for name, clauses in found.items()}


def _python() -> Iterator[Finding]:
    """The interpreter. Its release alone is compared, as pip does: "3.13.0rc1" and "3.11.2+" count as their release."""
    try:
        wanted = metadata.metadata("etbuild")["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        wanted = ""
    found = sys.version.split()[0]
    good = satisfies(".".join(map(str, sys.version_info[:3])), wanted)
    yield Finding("python", f"{found}, {sys.prefix}", wanted, good, remedy="" if good else BOOTSTRAP)


def _packages() -> Iterator[Finding]:
    """The packages that etbuild requires, and those of ExecuTorch's requirements that the steps import themselves."""
    of_executorch = requirements("executorch", "ethos-u")
    imported = ("ethos-u-vela", "numpy", "torchao", "tosa-tools")
    wanted = {**requirements("etbuild"), **{name: of_executorch.get(name, "") for name in imported}}
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
    """The version in the first line that a program prints: the first dotted number outside of parentheses."""
    numbers = re.findall(r"(?<![\w.+-])\d+(?:\.\d+)+", re.sub(r"\([^)]*\)", "", line))
    return numbers[0] if numbers else ""


def _pitfalls() -> Iterator[Finding]:
    """Settings of a machine that make steps fail with messages that do not name the cause."""
    yield from _torch_build()
    yield from _executorch_source()
    yield from _bare_metal_libraries()
    yield from _spaces()


def _torch_build() -> Iterator[Finding]:
    torch = tools.package_version("torch") or ""
    if "+cu" in torch or "+rocm" in torch:
        yield Finding("torch build", torch, "a CPU build", False, True, "gigabytes of GPU libraries that no step uses")
    vision = tools.package_version("torchvision")
    pins = [line.removeprefix("torch") for line in metadata.requires("torchvision") or ()] if torch and vision else []
    if vision and any(pin.startswith("==") and not satisfies(torch, pin) for pin in pins):
        remedy = f"it fails to import; some built-in models need it: pip install torch=={_public(torch)} torchvision"
        yield Finding("torchvision", vision, f"one for torch {_public(torch)}", False, True, remedy)


def _public(version: str) -> str:
    """The version without its local part: 2.13.0 of 2.13.0+cpu."""
    return version.partition("+")[0]


def _executorch_source() -> Iterator[Finding]:
    """The commit that the wheel was built from: a C++ runtime must be built from the same one."""
    if tools.package_version("executorch") is None:
        return
    for folder in sys.path:
        file = Path(folder) / "executorch" / "version.py"
        if file.is_file():
            commit = re.search(r"git_version[^=]*=\s*['\"]([0-9a-f]{40})", file.read_text(encoding="utf-8"))
            yield Finding("executorch's commit", commit[1] if commit else "unknown", "", True)
            return


def _bare_metal_libraries() -> Iterator[Finding]:
    """The cross compiler's C and C++ libraries, which Debian ships in packages of their own."""
    try:
        compiler = tools.program("arm-none-eabi-gcc")
    except MissingTool:
        return
    for library, package in (
        ("libc.a", "libnewlib-arm-none-eabi"),
        ("libstdc++.a", "libstdc++-arm-none-eabi-newlib"),
    ):
        command = [str(compiler), f"-print-file-name={library}"]
        # GCC prints the name alone when it finds no such file.
        path = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        found = path if path != library else ""
        name = f"{library} for arm-none-eabi"
        yield Finding(name, found, "", bool(found), remedy="" if found else f"sudo apt-get install {package}")


def _spaces() -> Iterator[Finding]:
    for name, folder in (("this folder", str(Path.cwd())), ("folder for temporary files", tempfile.gettempdir())):
        if " " in folder:
            yield Finding(name, folder, "a path without spaces", False, True, "Vela splits its arguments at spaces")
