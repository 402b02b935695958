"""What the sides of a comparison name: builds on disk, and git revisions that are built; and their command streams."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from etbuild.cli.doit_build import build
from etbuild.errors import UsageError
from etbuild.npu.debug_database import layers_of_delegate
from etbuild.npu.stream_changes import Change, Work, changes, operations
from etbuild.pte.reader import read
from etbuild.pte.vela import BACKEND, read_stream
from etbuild.report.compared_build import ComparedBuild, build_of_pte, build_of_variant, check_pte
from etbuild.system import checkout, git

Json = dict[str, Any]
WANTED = "a folder of build/, a manifest.json, a .pte, RECIPE[@VARIANT], or REV:RECIPE[@VARIANT] of a git revision"


def builds_of(text: str, stack: ExitStack) -> list[ComparedBuild]:
    """The builds that a side names. stack: holds the checkout of a revision while they are read.

    raises: UsageError when it names none; BadPte; what a build raises.
    """
    path = Path(text)
    if path.is_dir():
        return _of_folder(path, text)
    if path.is_file():
        return [_of_file(path, text)]
    revision, colon, name = text.partition(":")
    recipe, _, variant = (name if colon else text).partition("@")
    folder = Path("build") / recipe / variant
    if colon and recipe:
        return _of_folder(_built(revision, recipe, variant, stack) / folder, text)
    if not recipe or not folder.is_dir():
        remedy = f"doit build:{recipe} builds it" if Path("recipes", f"{recipe}.yaml").is_file() else "no such file"
        raise UsageError(f"{text}: got no build, wanted {WANTED}\n    {remedy}")
    return _of_folder(folder, text)


def _of_folder(folder: Path, label: str) -> list[ComparedBuild]:
    """The variant in a folder, or all variants of a recipe's."""
    if (folder / "manifest.json").is_file():
        return [_of_variant(folder, label)]
    variants = sorted(file.parent for file in folder.glob("*/manifest.json"))
    if not variants:
        raise UsageError(f"{folder}: got no manifest.json in it or below it, wanted a build\n    wanted is {WANTED}")
    return [_of_variant(variant, f"{label}@{variant.name}") for variant in variants]


def _of_variant(folder: Path, label: str) -> ComparedBuild:
    try:
        check_pte(folder)
        return build_of_variant(folder, label)
    except (KeyError, TypeError, AttributeError, ValueError):
        file, wanted = folder / "manifest.json", "the manifest.json of a .pte and the reports of its build"
        raise UsageError(f"{file}: got another format, wanted {wanted}\n    build it again") from None


def _of_file(file: Path, label: str) -> ComparedBuild:
    """A .pte belongs to the build in its folder when it is that of its manifest."""
    if file.name == "manifest.json":
        return _of_variant(file.parent, label)
    if file.with_name("manifest.json").is_file():
        try:
            found = _of_variant(file.parent, label)
        except UsageError:  # The manifest is another program's.
            return build_of_pte(file, label)
        if found.pte == file:
            return found
    return build_of_pte(file, label)


def _built(revision: str, recipe: str, variant: str, stack: ExitStack) -> Path:
    """The project at a revision, with the .pte and the expected outputs of a recipe built. It uses the build cache."""
    project = Path.cwd()
    if not git.is_repository(project):
        raise UsageError(f"{revision}:{recipe}: got no git repository in {project}, wanted one that has {revision}")
    tree = stack.enter_context(checkout.worktree(project, git.commit_of(project, revision)))
    build(tree, (f"pte:{recipe}{'@' if variant else ''}{variant}", f"golden:{recipe}"))
    return tree


def stream_changes(before: Path, after: Path) -> list[Json]:
    """What differs between the command streams of two programs, by delegate; equal ones are left out.

    raises: BadPte, StreamError.
    """
    old, new = _streams(before), _streams(after)
    found = []
    for number in range(max(len(old), len(new))):
        first, second = (side[number] if number < len(side) else [] for side in (old, new))
        rows = [_row(one) for one in changes(first, second)]
        if rows:
            count = {"before": len(first), "after": len(second)}
            found.append({"delegate": number, "operations": count, "changes": rows})
    return found


def _streams(pte: Path) -> list[list[Work]]:
    """The operations of each delegate of the NPU; none of one whose stream is in another file."""
    program = read(pte)
    delegates = [one for method in program.methods for one in method.delegates]
    blocks = [read_stream(program, one).block("cmd_data") for one in delegates if one.id == BACKEND]
    return [
        [] if block.data is None else operations(bytes(block.data), layers_of_delegate(pte, number))
        for number, block in enumerate(blocks)
    ]


def _row(change: Change) -> Json:
    return {
        "layer": change.layer,
        "operation": change.name,
        "before": change.before,
        "after": change.after,
        "addresses": change.addresses,
        "registers": [{"register": name, "before": old, "after": new} for name, (old, new) in change.registers.items()],
    }
