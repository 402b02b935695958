"""runs.xml: the runs of a recipe's variants as JUnit XML, which CI services show. It judges nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from etbuild.report.figures import Json, bit_exact_text


class Case(NamedTuple):
    """A test case. failure, skipped: why; "" otherwise."""

    name: str
    failure: str = ""
    skipped: str = ""


def junit(report: Json) -> str:
    """The content of runs.xml. report: of report.json."""
    suites = ElementTree.Element("testsuites", name=report["recipe"])
    golden = {one["profile"]: one["golden"] for one in report["profiles"]}
    for variant in report["variants"]:
        cases = list(_cases(variant, golden[variant["profile"]]))
        counts = {
            "tests": len(cases),
            "failures": sum(bool(one.failure) for one in cases),
            "errors": 0,
            "skipped": sum(bool(one.skipped) for one in cases),
        }
        suite = ElementTree.SubElement(suites, "testsuite", name=f"{report['recipe']}@{variant['variant']}")
        suite.attrib |= {name: str(count) for name, count in counts.items()}
        for one in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=f"{report['recipe']}.{variant['variant']}")
            case.set("name", one.name)
            for kind, text in (("failure", one.failure), ("skipped", one.skipped)):
                if text:
                    ElementTree.SubElement(case, kind, message=text)
    ElementTree.indent(suites, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _cases(variant: Json, golden: Json) -> Iterator[Case]:
    run, layers = variant["run"], variant["layers"]
    if run is None:
        yield Case("vectors", skipped="the recipe has no run: run.on")
    else:
        is_accepted = run["bit_exact"] == run["vectors"] or run["tolerance"] > 0
        yield Case(f"vectors on {run['runner']}", "" if is_accepted else bit_exact_text(run))
    # Step golden has compared both with the limits of the recipe: without it there is no report.
    yield Case(f"expected outputs of {golden['vectors']['value']} vectors within the recipe's limits")
    if layers is not None:
        found = layers["first_difference"]
        yield Case("layers as their TOSA graphs", f"vector {found['vector']}: {found['text']}" if found else "")
