"""The results of the suite as JSON, and as a page for people that is made from it. It decides no verdict."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from etbuild.arm_suite.causes import CAUSES, cause_of
from etbuild.arm_suite.exactness import EXACT
from etbuild.arm_suite.results import VERDICTS, Result, name_of, npu_of

Json = dict[str, Any]


def read_lines(path: Path) -> list[Result]:
    """The results that the plugin wrote; of a test that ran twice the last."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    latest = {(row["file"], row["function"], row["case"]): Result.from_json(row) for row in rows}
    return [latest[key] for key in sorted(latest)]


def to_json(results: Sequence[Result], versions: dict[str, str], collected: int) -> Json:
    """collected: how many tests there are, also those that did not run."""
    return {"versions": versions, "collected": collected, "results": [one.to_json() for one in results]}


def dump(data: Json) -> str:
    """The JSON's text, a line for each result and without how long it took: equal results give equal files."""
    rows = [{key: value for key, value in row.items() if key != "seconds" and value != []} for row in data["results"]]
    lines = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    head = json.dumps({key: data[key] for key in ("versions", "collected")}, separators=(",", ":"))[1:-1]
    return f'{{{head},"results":[\n  {lines}\n]}}\n'


def load(text: str) -> Json:
    """What `dump` wrote."""
    data: Json = json.loads(text)
    return {**data, "results": [{**row, "tosa": row.get("tosa", []), "seconds": 0.0} for row in data["results"]]}


def is_exact(result: Result) -> bool:
    """Whether every program that the test ran is equal to the TOSA reference model, bit by bit."""
    return bool(result.tosa) and all(found.verdict == EXACT for found in result.tosa)


def is_good(result: Result) -> bool:
    """Whether nothing is wrong: what the suite skips, or expects to fail, is not."""
    return result.verdict != "failed" and all(found.verdict != "differs" for found in result.tosa)


def fastest(results: Iterable[Result]) -> list[str]:
    """One case of each function, by name: of those that are exact, else of those that passed, that which took least."""

    def rank(one: Result) -> tuple[bool, bool, float, str]:
        return not (is_good(one) and is_exact(one)), one.verdict != "passed", one.seconds or math.inf, one.case

    best: dict[tuple[str, str], Result] = {}
    for one in results:
        key = one.file, one.function
        if one.function and (key not in best or rank(one) < rank(best[key])):
            best[key] = one
    return sorted(name_of(one.file, one.function, one.case) for one in best.values())


def page(data: Json) -> str:
    """docs/compatibility.md."""
    results = [Result.from_json(row) for row in data["results"]]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    ran = sum(1 for one in results if one.function)
    return "\n".join(
        [
            "# ExecuTorch's Arm tests on the emulated NPU",
            "",
            "Made from `docs/compatibility.json` by `python -m etbuild.arm_suite.table`; do not edit. The tests are",
            f"those of {versions}, unchanged, with their own",
            'comparisons and tolerances; the emulated NPU stands in for Arm\'s FVP. "Exact" counts tests whose',
            "delegates all equal the TOSA reference model bit by bit, on the inputs that they get in the program.",
            "",
            f"{ran} of {data['collected']} cases have a result. `python -m etbuild.arm_suite` runs all, and with",
            "`--resume` those without a result; CI one of each function, `--cases tests/arm_suite/fastest.txt`.",
            "",
            *_numbers(results),
            "",
            "## Not passed, or not exact",
            "",
            *_problems(results),
            "",
            "## Known causes",
            "",
            *(f"- **{one.whose}**: {one.why}" for one in CAUSES),
            "",
            "## Expected to fail",
            "",
            *_expected(results),
            "",
            "## Functions",
            "",
            *_functions(results),
            "",
        ]
    )


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _head(*cells: str) -> list[str]:
    return [_row(cells), _row("---" for _ in cells)]


def _numbers(results: Sequence[Result]) -> Iterator[str]:
    yield from _head("NPU", "functions", "cases", *VERDICTS, "ran a program", "exact")
    for npu in ("u55", "u65", "u85"):
        own = [one for one in results if npu_of(one.function) == npu]
        verdicts = Counter(one.verdict for one in own)
        functions = len({(one.file, one.function) for one in own})
        counts = [verdicts[name] for name in VERDICTS]
        programs, exact = sum(bool(one.tosa) for one in own), sum(map(is_exact, own))
        yield _row([npu.upper(), functions, len(own), *counts, programs, exact])


def _problems(results: Sequence[Result]) -> Iterator[str]:
    bad = [one for one in results if not is_good(one) or not one.function or (one.tosa and not is_exact(one))]
    if not bad:
        yield "None."
        return
    yield from _head("test", "verdict", "whose", "what was said")
    for one in bad:
        cause = cause_of(one)
        said = "; ".join(filter(None, [one.cause, *(": ".join(filter(None, found)) for found in one.tosa)]))
        name = f"{one.file} {one.function}" + (f"[{one.case}]" if one.case else "")
        yield _row([_cell(name), one.verdict, cause.whose if cause else "not known", _cell(said[:240])])


def _expected(results: Sequence[Result]) -> Iterator[str]:
    reasons = Counter(one.cause for one in results if one.verdict == "xfail")
    if not reasons:
        yield "None."
        return
    yield from _head("cases", "reason that the suite gives")
    for reason, count in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        yield _row([count, _cell(reason[:200]) or "none"])


def _functions(results: Sequence[Result]) -> Iterator[str]:
    rows: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for one in results:
        if one.function:
            rows[one.file, one.function].append(one)
    yield from _head("file", "function", *VERDICTS, "exact")
    for (file, function), own in sorted(rows.items()):
        verdicts = Counter(one.verdict for one in own)
        yield _row([file, function, *(verdicts[name] or "" for name in VERDICTS), sum(map(is_exact, own)) or ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def write_page(data_file: Path) -> Path:
    """Write the page beside its JSON; its path."""
    target = data_file.with_suffix(".md")
    target.write_text(page(load(data_file.read_text(encoding="utf-8"))), encoding="utf-8")
    return target


if __name__ == "__main__":
    write_page(Path("docs/compatibility.json"))
