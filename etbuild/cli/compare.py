"""`etbuild compare`: two builds side by side. It changes neither; a git revision is built in a worktree of its own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import UsageError

if TYPE_CHECKING:
    from etbuild.report.compared_build import ComparedBuild

Json = dict[str, Any]
FORMATS = ("text", "json", "html", "markdown")
SIDE = (
    "a folder of build/ (a recipe's or a variant's), a manifest.json, a .pte, RECIPE[@VARIANT] or REV:RECIPE[@VARIANT]"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A", help=SIDE)
    parser.add_argument("after", metavar="B", help="the same")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: %(default)s")
    parser.add_argument("--output", metavar="FILE", help="write there instead of printing")
    parser.add_argument(
        "--fail-if",
        metavar="CONDITION",
        action="append",
        default=[],
        help="exit code 1 when it holds: 'sram>+5%%' of the change, 'time>20ms' of B; may be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when a condition of --fail-if holds.

    raises: UsageError for what is no build and no condition; what a build of a revision raises.
    """
    from etbuild.cli.compared_sides import builds_of
    from etbuild.report.comparison import FORMAT
    from etbuild.report.conditions import condition, failures

    conditions = [condition(text) for text in arguments.fail_if]
    with ExitStack() as stack:
        before, after = (builds_of(text, stack) for text in (arguments.before, arguments.after))
        pairs, only = matched(before, after)
        found = {
            "format": FORMAT,
            "before": arguments.before,
            "after": arguments.after,
            "pairs": [compared(*pair) for pair in pairs],
            "only": only,
        }
    found["failed"] = failures(conditions, found["pairs"])
    printed = rendered(found, arguments.format)
    if arguments.output:
        _write(arguments.output, printed)
    else:
        print(printed, end="")
    return 1 if found["failed"] else 0


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: got {file}: {error.strerror}, wanted a file that can be written") from None


def matched(
    before: Sequence[ComparedBuild], after: Sequence[ComparedBuild]
) -> tuple[list[tuple[ComparedBuild, ComparedBuild]], dict[str, list[str]]]:
    """Builds of the same variant, and the variants that one side has alone. Two single builds are a pair.

    raises: UsageError when there is no pair.
    """
    if len(before) == len(after) == 1:
        return [(before[0], after[0])], {"A": [], "B": []}
    old, new = ({one.variant: one for one in side} for side in (before, after))
    pairs = [(old[name], new[name]) for name in old if name in new]
    if not pairs:
        wanted = f"a variant of both: A has {', '.join(old)}, B has {', '.join(new)}"
        raise UsageError(f"compare: got no variant in common, wanted {wanted}\n    name one variant of each")
    only = {"A": [name for name in old if name not in new], "B": [name for name in new if name not in old]}
    return pairs, only


def compared(before: ComparedBuild, after: ComparedBuild) -> Json:
    """One pair, with the differences of their command streams where both have a .pte."""
    from etbuild.cli.compared_sides import stream_changes
    from etbuild.report.comparison import comparison

    streams = stream_changes(before.pte, after.pte) if before.pte and after.pte else []
    return comparison(before, after, streams)


def rendered(found: Json, form: str) -> str:
    """The comparison in a format."""
    if form == "json":
        return json.dumps(found, indent=1) + "\n"
    if form == "html":
        from etbuild.report.comparison_html import html

        return html(found)
    from etbuild.report.comparison_text import markdown, text

    return markdown(found) if form == "markdown" else text(found)
