"""findings.sarif: what of a recipe needs a look, as SARIF 2.1.0, which editors and code hosts show at the model's line.

It finds nothing itself: every finding is in report.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import etbuild
from etbuild.report.figures import Json, percent

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# A region of a board, and a range of quantised values, of which more is a finding.
NEARLY_FULL, CLIPPED = 0.9, 0.01
# id, level, what it is.
RULES = (
    ("operator-on-cpu", "warning", "An operator runs on the CPU although the target has an NPU."),
    ("not-bit-exact", "warning", "A run gives other outputs than expected, within the accepted tolerance."),
    ("layer-differs", "error", "The command stream computes a layer otherwise than its TOSA graph."),
    ("clipped-values", "note", "Many values of a layer lie outside of the range of its quantisation."),
    ("memory-nearly-full", "note", "A memory region of the board is nearly full."),
)


def sarif(report: Json) -> Json:
    """The content of findings.sarif. report: of report.json."""
    rules = [
        {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level}}
        for name, level, text in RULES
    ]
    driver = {"name": "etbuild", "version": etbuild.__version__, "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [{"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": list(_results(report))}],
    }


def _results(report: Json) -> Iterator[Json]:
    has_npu = {one["profile"] for one in report["variants"] if one["target"]["npu"] != "none"}
    for profile in report["profiles"]:
        for one in profile["operators"]["all"] if profile["profile"] in has_npu else ():
            if one["place"] == "CPU":
                advice = f": {one['advice']}" if one["advice"] else ""
                text = f"{one['operator']} runs on the CPU: {one['reason'] or 'no reason is known'}{advice}"
                yield _result("operator-on-cpu", text, profile["profile"], one)
    for variant in report["variants"]:
        yield from _of_variant(report["recipe"], variant)


def _of_variant(recipe: str, variant: Json) -> Iterator[Json]:
    name, run, layers = variant["variant"], variant["run"], variant["layers"]
    if run and run["bit_exact"] < run["vectors"]:
        yield _result("not-bit-exact", f"{run['bit_exact']} of {run['vectors']} vectors are bit-exact", name, {})
    for region in variant["firmware"]["regions"] if variant["firmware"] else ():
        share = region["used"] / region["bytes"] if region["bytes"] else 0.0
        if share > NEARLY_FULL:
            text = f"{region['region']}: {region['used']:,} of {region['bytes']:,} bytes are used ({percent(share)})"
            yield _result("memory-nearly-full", text, name, {})
    if layers is None:
        return
    if found := layers["first_difference"]:
        layer = layers["layers"][found["layer"]] if found["layer"] is not None else {}
        yield _result("layer-differs", f"vector {found['vector']}: {found['text']}", name, layer)
    for layer in layers["layers"]:
        share = (layer["clipped"] or {}).get("float", 0.0)
        if share > CLIPPED:
            text = f"{layer['name']}: {percent(share)} of the float model's values are clipped"
            yield _result("clipped-values", text, name, layer)


def _result(rule: str, text: str, part: str, place: Json) -> Json:
    """part: the profile or variant. place: with line and module of the model, where they are known."""
    numbers = {name: (number, level) for number, (name, level, _) in enumerate(RULES)}
    number, level = numbers[rule]
    location: dict[str, Any] = {}
    file, _, line = (place.get("line") or "").rpartition(":")
    if file and line.isdigit() and int(line):
        region = {"startLine": int(line)}
        location["physicalLocation"] = {"artifactLocation": {"uri": file}, "region": region}
    if name := place.get("module") or place.get("node") or place.get("name"):
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "module"}]
    row = {"ruleId": rule, "ruleIndex": number, "level": level, "message": {"text": f"{part}: {text}"}}
    return {**row, "locations": [location]} if location else row
