"""The values of unquoted YAML scalars, by the core schema of YAML 1.2."""

from __future__ import annotations

import math
import re


class ScalarError(Exception):
    """A scalar that YAML 1.1 and 1.2 read as different values, or that no number type holds."""

    def __init__(self, wanted: str, remedy: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.remedy = remedy


def plain_value(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar, by the core schema of YAML 1.2.

    raises: ScalarError.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.capitalize()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        digits = text.lstrip("+-0") or "0"
        raise ScalarError("a number without leading zeros", f"write {digits[:40]}, or put text in quotes")
    for pattern, base in ((r"[-+]?[0-9]+", 10), (r"0o[0-7]+", 8), (r"0x[0-9a-fA-F]+", 16)):
        if re.fullmatch(pattern, text):
            value = int(text, base) if len(text) <= 66 else 2**64
            if abs(value) >= 2**63:
                raise ScalarError("a number of at most 64 bits", "")
            return value
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        number = float(text)
        if not math.isfinite(number):
            raise ScalarError("a finite number", "")
        return number
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        raise ScalarError("a finite number", "")
    return text
