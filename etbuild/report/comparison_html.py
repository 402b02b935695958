"""A comparison as one HTML page that opens from disk: no script, no network, light and dark. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from etbuild.report.comparison import better
from etbuild.report.comparison_text import (
    change_text,
    failed_lines,
    is_equal,
    layer_change,
    layer_name,
    settings_rows,
    shown,
    sides,
    stream_lines,
    stream_summary,
    values,
)

if TYPE_CHECKING:
    from etbuild.report.figures import Json

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
caption { text-align: left; font-weight: 600; }
.good { color: light-dark(#176b2c, #7ddc95); } .bad { color: light-dark(#a3201d, #ff9d94); }
.fails { border-left: .3rem solid light-dark(#a3201d, #ff9d94); padding-left: 1rem; }
code { font-size: .95em; } li { overflow-wrap: anywhere; }
"""


def html(found: Json) -> str:
    """The whole page."""
    title = f"{found['before']} → {found['after']}"
    body = [f"<h1>{escape(title)}</h1>"]
    if found["failed"]:
        body += ['<ul class="fails">', *(f"<li>{escape(line)}</li>" for line in failed_lines(found)), "</ul>"]
    for pair in found["pairs"]:
        body += _pair(pair)
    body += [f"<p>only in {side}: {escape(', '.join(names))}</p>" for side, names in found["only"].items() if names]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body><main>\n' + (
        "\n".join(body) + "\n</main></body></html>\n"
    )


def _pair(pair: Json) -> Iterator[str]:
    yield f"<section><h2>{escape(pair['after']['variant'])}</h2>"
    if is_equal(pair):
        yield "<p>No difference.</p></section>"
        return
    figures = [(one["name"], *values(one), change_text(one), _class(one)) for one in pair["figures"]]
    yield from _table("Figures (time and cycles: Vela's estimates)", ("", "A", "B", "change"), figures)
    rows = [(row["name"], shown(row["before"]), shown(row["after"]), "") for row in settings_rows(pair)]
    yield from _table("Settings, versions and inputs", ("", "A", "B"), rows)
    calls = [(row["name"], str(row["before"]), str(row["after"]), "") for row in pair["operators"]]
    yield from _table("Calls on the CPU", ("operator", "A", "B"), calls)
    for name, layers in sides(pair):
        lines = [
            (layer_name(one), one["operator"], layer_change(one), "good" if name == "gained" else "bad")
            for one in layers
        ]
        yield from _table(f"Layers that {name} (cycles, Vela's estimate)", ("layer", "operator", "change"), lines)
    for stream in pair["streams"]:
        yield f"<details><summary>{escape(stream_summary(stream))}</summary><ul>"
        yield from (f"<li><code>{escape(line)}</code></li>" for line in stream_lines(stream, len(stream["changes"])))
        yield "</ul></details>"
    yield "</section>"


def _class(figure: Json) -> str:
    return {1: "good", -1: "bad", 0: ""}[better(figure["name"], figure["change"])]


def _table(caption: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Nothing without rows. rows: cells, and the class of the last one."""
    if not rows:
        return
    yield f"<table><caption>{escape(caption)}</caption><thead><tr>"
    yield "".join(f'<th scope="col">{escape(title)}</th>' for title in titles) + "</tr></thead><tbody>"
    for *cells, style in rows:
        *first, last = (escape(cell) for cell in cells)
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in first)}<td class='{style}'>{last}</td></tr>"
    yield "</tbody></table>"
