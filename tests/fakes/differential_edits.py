"""What a user, git or another program does to the sources of a differential test's world, and to what they read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from differential_files import FILES, RECIPE, recipe_text
from differential_world import World, git, write
from reading_model import LOOKS

EPOCH_NS = 1_700_000_000_000_000_000
# How a file gets its new content. All texts of a file have one size.
HOWS = ("plain", "same times", "old time", "future", "renamed", "touched", "executable")


def edit(world: World, where: str, name: str, value: int | None, how: str) -> None:
    """value: of the file's text; None to remove it, or to create it where it is not."""
    path = world.path(where, name)
    before = path.stat() if path.is_file() else None
    value = 1 if value is None and not before else value
    if value is None:
        remove(path, world.roots[where], world.outside)
        return
    if how == "touched" or (path.exists() and not path.is_file()):
        if before:
            os.utime(path)
        return
    text = FILES[name][1].format(value)
    if any(parent.is_file() for parent in path.parents):
        return
    if how == "renamed":
        write(path.with_name(f"{path.name}.new"), text)
        path.with_name(f"{path.name}.new").replace(path)
    else:
        write(path, text)
    if how == "same times" and before:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if how == "old time":
        os.utime(path, ns=(EPOCH_NS, EPOCH_NS))
    if how == "future":
        os.utime(path, ns=(2 * EPOCH_NS, 2 * EPOCH_NS))
    if how == "executable":
        path.chmod(0o755)


def remove(path: Path, *ends: Path) -> None:
    """The file, and the folders that are then empty."""
    if not path.is_file():
        return
    path.unlink()
    for folder in path.parents:
        if folder in ends or list(folder.iterdir()):
            return
        folder.rmdir()


def leave_bytecode(world: World, where: str, name: str) -> None:
    """As the user's own Python does when it imports a module."""
    import py_compile

    path = world.path(where, name)
    if path.is_file() and path.suffix == ".py":
        py_compile.compile(str(path), doraise=True)


def variable(world: World, name: str, value: str | None) -> None:
    world.variables.pop(name, None)
    if value is not None:
        world.variables[name] = value


def python_path(world: World, folders: tuple[str, ...]) -> None:
    """folders: path1, path2, or a name that does not exist."""
    variable(world, "PYTHONPATH", ":".join(str(world.outside / name) for name in folders) or None)


def install(world: World, package: str, version: int, value: int) -> None:
    """With an unchanged version it is the same release, built again with other content; value 0 for uninstalled."""
    if value:
        world.python.install(package, version, value, "deep" if package == "pack" else "")
    else:
        world.python.remove(package)


def recipe(world: World, where: str, number: int, broken: bool = False) -> None:
    text = recipe_text(number)
    write(world.roots[where] / RECIPE, text.replace("scheme: int8", "scheme: [") if broken else text)


def model(world: World, where: str, first: int, step: int) -> None:
    """The model with a part of what it looks at, in its order."""
    world.write_model(where, tuple(LOOKS)[first::step])


def switch(world: World, where: str, branch: str, old_times: bool) -> None:
    """Commit all, and go to a branch, which is created. old_times: every file gets the time of its commit, as by
    git-restore-mtime."""
    root = world.roots[where]
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "a state")
    assert git(root, "checkout", "--quiet", branch) or git(root, "checkout", "--quiet", "-b", branch)
    for path in root.rglob("*") if old_times else ():
        if path.is_file() and not {"build", ".git"} & set(path.relative_to(root).parts):
            os.utime(path, ns=(EPOCH_NS, EPOCH_NS))


def move(world: World, where: str) -> None:
    """The project's folder gets another name; its times stay."""
    old = world.roots[where]
    new = old.with_name(f"{old.name}'" if len(old.name) < 5 else where)
    old.rename(new)
    world.roots[where] = new


def copy(world: World, where: str, with_build: bool) -> None:
    """The other checkout becomes a copy of this one, with all times."""
    other = "B" if where == "A" else "A"
    shutil.rmtree(world.roots[other])
    ignored = None if with_build else shutil.ignore_patterns("build")
    shutil.copytree(world.roots[where], world.roots[other], symlinks=True, ignore=ignored)


def flip_folder(world: World, where: str) -> None:
    """`tree` and `unread` swap their names: all files below keep their times and inodes."""
    root = world.roots[where]
    if (root / "tree").is_dir() and (root / "unread").is_dir():
        (root / "tree").rename(root / "swap")
        (root / "unread").rename(root / "tree")
        (root / "swap").rename(root / "unread")


def link_elsewhere(world: World, where: str, value: int) -> None:
    """data/both.txt is a link to one of two files outside."""
    target = world.outside / f"both{value}.txt"
    if not target.exists():
        write(target, f"{value}\n")
    path = world.path(where, "both")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def upgrade_vela(world: World, version: int) -> None:
    world.python.upgrade_vela(version)


def cache(world: World, where: str, mode: str) -> None:
    """shared, own, off, or remote: another local store and a signed remote."""
    world.modes[where] = mode


def command(world: World, where: str, words: tuple[str, ...]) -> None:
    code, printed = world.doit(where, *words)
    assert "Traceback" not in printed, f"{words} ended with {code}\n{printed}"


def build_from_nothing(world: World, where: str) -> None:
    shutil.rmtree(world.roots[where] / "build", ignore_errors=True)
    mode, server = world.modes[where], world.server
    world.modes[where], world.server = "off", False
    world.doit(where)
    world.modes[where], world.server = mode, server


def nothing(world: World) -> None:
    """The build alone."""


def up_to_date(world: World, where: str) -> None:
    """A build that was just made has nothing to do; one that failed may try again."""
    world.ran()
    code, printed = world.doit(where)
    ran = world.ran()
    assert code or not ran, f"ran {ran}\n{printed}"
