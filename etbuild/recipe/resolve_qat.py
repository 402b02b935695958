"""Reads quantize.qat, and checks it and the observers against the other settings of quantisation. It reads no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import quoted
from etbuild.config.setting import read
from etbuild.recipe.qat_sections import Qat

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target


def read_qat(
    quantize: Section, quantizes: bool, targets: Sequence[Target], reads: Callable[[Section], tuple[str, ...]]
) -> Qat:
    """The section quantize.qat.

    quantizes: whether the scheme or a rule quantises anything.
    reads:     reads the key `reads` of a section.
    """
    section = quantize.section("qat")
    on_cpu = [target.cpu for target in targets if target.cpu]
    if not quantize.has("qat"):
        return Qat()
    if on_cpu:
        remedy = f"cpu: {on_cpu[0]} has the quantiser of ExecuTorch's Cortex-M backend; or delete cpu"
        quantize.report("qat", f"qat with cpu: {on_cpu[0]}", "calibration alone", remedy)
    elif not quantizes:
        quantize.report("qat", "qat with scheme: none", "a scheme that quantises", "delete qat, or write scheme: int8")
    if quantize.has("observer"):
        remedy = "training keeps a moving average of the range of each activation; delete observer or qat"
        quantize.report("observer", "observer with qat", "one of them", remedy)
    return read(section, Qat, reads=reads(section))


def check_observers(quantize: Section, targets: Sequence[Target]) -> None:
    """Reports a percentile without the observer that uses it, and what ExecuTorch's Cortex-M quantiser cannot do."""
    on_cpu = [target.cpu for target in targets if target.cpu]
    if on_cpu and quantize.has("observer"):
        remedy = f"cpu: {on_cpu[0]} has the observers of ExecuTorch's Cortex-M quantiser; or delete cpu"
        quantize.report("observer", quoted(quantize.text("observer")), "no observer", remedy)
    for section in (quantize, *quantize.each("rules")):
        observer = section.text("observer")
        if section.has("percentile") and observer != "percentile":
            got = f"percentile with observer: {observer}" if observer else "percentile without observer"
            section.report("percentile", got, "observer: percentile beside it")
        if section is not quantize and section.has("observer"):
            if section.text("scheme") == "none":
                section.report("observer", "observer with scheme: none", "a scheme that quantises")
            if quantize.has("qat"):
                remedy = "training keeps a moving average of the range of each activation; delete observer or qat"
                section.report("observer", "observer with qat", "one of them", remedy)
