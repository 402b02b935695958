"""The tables printed after a build, from report.json and sweep.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from etbuild.report.figures import Json, aligned, bit_exact_text, kib, milliseconds, percent
from etbuild.report.fit_table import fit_table
from etbuild.report.lint_text import lint_text
from etbuild.report.sensitivity_table import sensitivity_table
from etbuild.report.sweep import limits_text
from etbuild.report.tune_table import tune_table


def closing_tables(read: Callable[[str], Sequence[Json]]) -> Iterator[str]:
    """The tables of a build. read: returns the JSON files of a kind of step, for the steps of this build."""
    yield report_table(read("report"))
    yield from map(sweep_table, read("sweep"))
    yield from map(fit_table, read("fit"))
    yield from map(lint_text, read("lint"))
    yield from map(sensitivity_table, read("sensitivity"))
    yield from map(tune_table, read("tune"))


def report_table(reports: Sequence[Json]) -> str:
    """One line per variant, and an explanation of the columns, without a final line end; "" without variants."""
    rows = [_row(report, variant) for report in reports for variant in report["variants"]]
    if not rows:
        return ""
    titles = ("", ".pte bytes", "SRAM", "DRAM", "flash", "on NPU", "MACs", "inference", "golden", "right")
    lines = aligned(titles, rows)
    notes = [
        "inference: estimated by Vela, not measured; SRAM, DRAM, flash: as Vela places weights and activations",
        "golden: error of the expected outputs against quantised PyTorch on the test vectors; exact: 0 LSB",
    ]
    if any(row[-1] for row in rows):
        notes.append(
            "right: share of vectors classified right by the float model, quantised PyTorch, the expected outputs"
        )
    on_cpu = [line for report in reports for line in _cpu_lines(report)]
    results = [line for report in reports for variant in report["variants"] for line in _result_lines(report, variant)]
    return "\n".join((*lines, *notes, *(["", *on_cpu] if on_cpu else []), "", *results))


def _cpu_lines(report: Json) -> Iterator[str]:
    """Each operator that an NPU did not take: where it is in the model, why, and what to use instead. Without an NPU,
    each that computes in floating point beside others that compute in integers."""
    for profile in report["profiles"]:
        for one in profile["operators"]["on_cpu"] if profile["profile"] != "cpu" else ():
            if one["reason"] is None:
                continue
            times = f"{one['count']} times " if one["count"] > 1 else ""
            yield (f"{report['recipe']}@{profile['profile']}  on the CPU: {one['operator']} {times}at {_place(one)}")
            if one["reason"]:
                yield f"    {' '.join(one['reason'].split())}"
            if one["advice"]:
                yield f"    instead: {one['advice']}"


def _place(operator: Json) -> str:
    """The line and the module of an operator, as far as they are known."""
    line, module = operator["line"], operator["module"]
    if line and module:
        return f"{line} (module {module})"
    return line or (f"module {module}" if module else "an unknown line")


def _result_lines(report: Json, variant: Json) -> list[str]:
    """Where a variant's files are, the size of its firmware and the result of its run, as far as there are any."""
    name, run, firmware = f"{report['recipe']}@{variant['variant']}", variant["run"], variant["firmware"]
    files = ("model.pte", "model.h", *(("firmware.elf", "firmware.bin") if firmware else ()))
    lines = [f"{name}  build/{report['recipe']}/{variant['variant']}/: {', '.join(files)}"]
    if firmware:
        lines.append(
            f"{name}  firmware for {firmware['board']}: code {firmware['code_bytes']:,} bytes, static RAM "
            f"{firmware['static_ram_bytes']:,}, stack {firmware['stack_bytes']:,}, model {firmware['model_bytes']:,}"
        )
    if run:
        lines.append(f"{name}  run on {run['runner']}: {bit_exact_text(run)}")
    return lines


def _row(report: Json, variant: Json) -> tuple[str, ...]:
    figures = {name: figure["value"] for name, figure in variant["figures"].items()}
    golden = next(one["golden"] for one in report["profiles"] if one["profile"] == variant["profile"])
    right = golden["accuracy"]
    return (
        f"{report['recipe']}@{variant['variant']}",
        f"{figures['pte_bytes']:,}",
        *(_size(figures[f"{area}_bytes"]) for area in ("sram", "dram", "flash")),
        percent(figures["npu_share"]),
        _macs(figures["macs"]),
        milliseconds(figures["inference_s"]) if "inference_s" in figures else "",
        f"{golden['vectors']['value']} vectors {_error(golden['lsb']['value'])}",
        ", ".join(percent(right[who]["value"]) for who in ("float", "quantized", "reference")) if right else "",
    )


def _size(size: int) -> str:
    """In KiB, in bytes where these would be zero; "" for 0."""
    return kib(size) if size >= 52 or not size else f"{size} bytes"


def _macs(count: int) -> str:
    return f"{count / 1e6:,.1f} M" if count >= 1e6 else f"{count:,}" if count else ""


def _error(lsb: float) -> str:
    return "exact" if lsb == 0 else f"within {lsb:g} LSB"


def sweep_table(sweep: Json) -> str:
    """One line per variant that fits, and an explanation of the columns, without a final line end."""
    fitting = [variant for variant in sweep["variants"] if variant["fits"]]
    lines = []
    if fitting:
        titles = ("", "front", ".pte bytes", "SRAM", "DRAM", "flash", "on NPU", "Vela's estimate")
        lines = aligned(titles, [_sweep_row(sweep["recipe"], variant) for variant in fitting])
        lines += [
            "front: no other variant is as good in .pte bytes, SRAM, DRAM, flash and time, and better in one",
            "Vela's estimate: of the time of one inference, not measured; SRAM, DRAM, flash: as Vela places tensors",
        ]
    if sweep["fit"]:
        count = f"{len(fitting)} of {len(sweep['variants'])} variants of {sweep['recipe']} fit"
        lines.append(f"{count} {limits_text(sweep['fit'])}")
    return "\n".join((*lines, f"all figures: build/{sweep['recipe']}/sweep.csv, sweep.json"))


def _sweep_row(recipe: str, variant: Json) -> tuple[str, ...]:
    figures = {name: figure["value"] for name, figure in variant["figures"].items()}
    return (
        f"{recipe}@{variant['variant']}",
        "*" if variant["front"] else "",
        f"{figures['pte_bytes']:,}",
        *(_size(figures[f"{area}_bytes"]) for area in ("sram", "dram", "flash")),
        percent(figures["npu_share"]),
        milliseconds(figures["inference_s"]) if "inference_s" in figures else "",
    )
