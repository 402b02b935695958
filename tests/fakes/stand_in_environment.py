"""A Python environment of a test's own: the packages of this one, and stand-ins for the programs of steps.

A test may install, upgrade and remove packages in it. It installs nothing from anywhere.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

FAKES = Path(__file__).parent
ROOT = Path(__file__).parents[2]
STAND_INS = ("stand_in_site", "stand_in_orders", "stand_in_step", "stand_in_compiler", "clean_build", "doit_forks")
VELA = "ethos_u_vela"


@dataclass(frozen=True)
class Environment:
    """The one in `folder`, which is created."""

    folder: Path

    def __post_init__(self) -> None:
        base = Path(sys._base_executable)  # type: ignore[attr-defined]
        self.site.mkdir(parents=True)
        (self.folder / "bin").mkdir()
        self.python.symlink_to(base)
        (self.folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        own = Path(__import__("doit").__file__).parents[1]
        for entry in own.iterdir():
            if entry.suffix != ".pth" and entry.name != "__pycache__":
                (self.site / entry.name).symlink_to(entry)
        for name in STAND_INS:
            (self.site / f"{name}.py").symlink_to(FAKES / f"{name}.py")
        (self.site / "zz_stand_in.pth").write_text(f"{ROOT}\nimport stand_in_site\n")

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def site(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def install(self, package: str, version: int, value: int, requires: str = "") -> None:
        """A package of one module, in place of an older one of it. requires: a package whose value it takes along."""
        self.remove(package)
        module = self.site / f"{package}.py"
        more = f"import {requires}\nVALUE = (VALUE, {requires}.VALUE)\n" if requires else ""
        module.write_text(f"VALUE = {value}\n{more}")
        info = self.site / f"{package}-{version}.0.dist-info"
        info.mkdir()
        need = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}.0\n{need}")
        (info / "RECORD").write_text(f"{package}.py,sha256={value:043},{module.stat().st_size}\n{info.name}/RECORD,,\n")

    def remove(self, package: str) -> None:
        (self.site / f"{package}.py").unlink(missing_ok=True)
        for info in self.site.glob(f"{package}-*.dist-info"):
            info.unlink() if info.is_symlink() else shutil.rmtree(info)

    def upgrade_vela(self, version: int) -> None:
        """Another version of the tool of step vela."""
        self.remove(VELA)
        info = self.site / f"{VELA}-{version}.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ethos-u-vela\nVersion: {version}.0\n")
        (info / "RECORD").write_text("")
