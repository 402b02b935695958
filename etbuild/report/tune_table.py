"""The table printed after `doit tune:R`, from tune.json. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.report.figures import aligned, kib

if TYPE_CHECKING:
    from etbuild.report.figures import Json

# More are in the file.
MOST_ROWS = 8


def tune_table(found: Json) -> str:
    """The recipe, the Pareto front by cycles, and what was not better, without a final line end."""
    rows = found["tried"]
    front = [row for row in rows[1:] if row["front"]]
    best = sorted(front, key=lambda row: (row is not rows[found["winner"]], -row["score"]))[:MOST_ROWS]
    shown = sorted(best, key=lambda row: row["figures"]["cycles"])
    titles = (f"{found['recipe']}@{found['variant']}", "cycles", ".pte bytes", "SRAM", "SQNR", "right", "")
    lines = aligned(titles, [_row(row, found) for row in [rows[0], *shown]])
    failed = sum("why" in row["figures"] for row in rows)
    tried = f"{len(rows)} settings tried{f', {failed} of them cannot be built' if failed else ''}"
    left = f", without {len(front) - len(shown)} that gain less for more" if len(front) > len(shown) else ""
    notes = [f"{tried}; shown: the recipe and the Pareto front of cycles, bytes, SRAM and SQNR{left}"]
    notes.append("cycles, SRAM: Vela's estimates; SQNR: of the command stream's outputs to the float model's")
    if found["patch"]:
        notes.append(f"the winner: git apply {found['patch']}")
        if rows[found["winner"]]["settings"].split(", ")[0] == "int16x8":
            notes.append("its steps are 256 times smaller: golden.lsb may need one more, which step golden says")
    elif found["winner"]:
        notes.append(
            "no patch: the recipe's file is not plain enough; keys: " + found["tried"][found["winner"]]["settings"]
        )
    else:
        notes.append("nothing tried is better than the recipe")
    return "\n".join((*lines, *notes, f"all figures: build/{found['recipe']}/tune.json"))


def _row(row: Json, found: Json) -> tuple[str, ...]:
    figures = row["figures"]
    if "why" in figures:
        return (row["settings"], *[""] * 5, figures["why"])
    return (
        row["settings"],
        f"{figures['cycles']:,}",
        f"{figures['pte_bytes']:,}",
        kib(figures["sram_bytes"]),
        "exact" if figures["sqnr_db"] is None else f"{figures['sqnr_db']:.1f} dB",
        "" if figures["accuracy"] is None else f"{figures['accuracy']:.1%}",
        "winner" if row is found["tried"][found["winner"]] and found["winner"] else "",
    )
