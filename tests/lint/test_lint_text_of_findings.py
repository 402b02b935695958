"""What doit prints of a lint.json, and the fixes of the SARIF log."""

from etbuild.lint.document import document
from etbuild.lint.finding import Edit, Effect, Figure, Finding, Patch, in_order
from etbuild.lint.sarif import log
from etbuild.report.lint_text import lint_text

PATCH = Patch("c pads itself", False, (Edit("m.py", 2, 1, 2, 4, "new"),))
EFFECT = Effect(
    "measured",
    "ethos-u55-128",
    (
        Figure("cycles", "cycles", "estimate", 2000, 1900),
        Figure("pte_bytes", "bytes", "exact", 10000, 10000),
        Figure("npu_share", "1", "exact", 0.5, 1.0),
        Figure("sqnr_db", "dB", "exact", 30.04, 31.0),
    ),
    "but the build fails: x",
)
BORDER = Finding("float-border", "tosa-u55", "floats", "they cost", "integers")
PAD = Finding("pad-before-convolution", "tosa-u55", "zeros", "a copy", "padding=1", "m.py:2", "c", 2, PATCH, EFFECT)


def test_a_finding_is_a_paragraph_with_its_place_and_its_effect() -> None:
    """What does not change is left out; cycles are called an estimate."""
    assert lint_text(document("net", in_order([BORDER, PAD]), {"tosa-u55": []})).splitlines() == [
        "m.py:2 (module c): warning: zeros (2 times) [pad-before-convolution]",
        "    a copy",
        "    instead: padding=1",
        "    patch: build/net/lint/1.patch: c pads itself; the model then computes something else",
        "    measured for ethos-u55-128: cycles 2,000 -> 1,900 (-5.0%) by Vela's estimate; on NPU 50.0% -> 100.0%; "
        "SQNR 30.0 -> 31.0 dB; but the build fails: x",
        "the model: note: floats [float-border]",
        "    they cost",
        "    instead: integers",
        "net  lint: 1 warning, 1 note; build/net/lint.sarif",
    ]


def test_nothing_found_is_said() -> None:
    """And also that there was nothing to look at."""
    assert lint_text(document("net", (), {"tosa-u55": []})) == "net  lint: nothing found; build/net/lint.sarif"
    assert lint_text(document("net", (), {})) == (
        "net  lint: no target has an NPU: nothing to lint; build/net/lint.sarif"
    )


def test_equal_findings_of_two_profiles_are_one() -> None:
    """With the first profile."""
    other = Finding("float-border", "tosa-u85", "floats", "they cost", "integers")

    assert in_order([BORDER, other]) == (BORDER,)


def test_a_finding_without_a_line_is_at_the_recipe_in_the_sarif_log() -> None:
    """A viewer needs a place in a file."""
    (result,) = log([BORDER], "1.0", "recipes/net.yaml")["runs"][0]["results"]

    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "recipes/net.yaml"},
                "region": {"startLine": 1},
            }
        }
    ]
    assert "fixes" not in result
