"""The section `rewrite` of a recipe: which rules change the TOSA graphs before Vela. See model_sections.py."""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.config.setting import section, setting

# In the order in which they are tried: what gets its padding or loses a copy first, what only changes estimates last.
REWRITE_RULES = (
    *("pads", "patches", "columns", "sums", "unread_channels", "depthwise_sums", "transposes", "convolved_transposes"),
    *("identities", "activations"),
)


@section(
    "rewrite",
    "Changes of the delegates' TOSA graphs that cost the NPU less and compute the same integers.",
    examples=[{"rules": "all"}, {"rules": ["pads", "sums"]}],
)
@dataclass(frozen=True)
class Rewrite:
    """Which rules are applied. rules: names of REWRITE_RULES, in their order; the file may have all or none."""

    rules: tuple[str, ...] = setting(
        "all, none, or the names of rules; see docs/rewrite.md. None leaves ExecuTorch's graphs as they are.",
        (),
        examples=["all", ["pads", "sums"]],
        wanted="all, none, or the names of rules",
        ref="rewrite_rules",
        matrix="a list of rules",
    )
