"""The sections of a recipe about the files that are made of a compiled program: header, pte, report.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.config.setting import section, setting


@section(
    "header",
    "The C header with the program's bytes.",
    examples=[{"symbol": "mnist_pte", "section": "network_model_sec"}],
)
@dataclass(frozen=True)
class Header:
    """The C header with the bytes of model.pte. alignment: bytes."""

    symbol: str = setting(
        "Name of the array; the recipe's name with _pte by default.",
        "model_pte",
        examples=["mnist_pte"],
        wanted="a C identifier",
        computed=True,
        always=True,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        maxLength=200,
    )
    alignment: int = setting(
        "Alignment of the array, a power of two. Weights inside it count on 16.",
        16,
        examples=[16],
        unit="bytes",
        wanted="a power of two from 16 to 65536",
        always=True,
        enum=[1 << power for power in range(4, 17)],
    )
    section: str | None = setting(
        "Linker section of the array; the compiler's choice by default.",
        None,
        examples=["network_model_sec"],
        wanted="the name of a section",
        pattern="^[A-Za-z_.$][A-Za-z0-9_.$]*$",
        maxLength=200,
    )
    bytes_per_line: int = setting(
        "Bytes per line of the header.",
        12,
        examples=[12],
        unit="bytes",
        always=True,
        minimum=1,
        maximum=256,
    )


@section("pte", "What is written next to the program.", examples=[{"bundled_io": True}])
@dataclass(frozen=True)
class Pte:
    """Which files are written next to model.pte: model.bpte, model.etrecord, model.ptd."""

    bundled_io: bool = setting(
        "Also write model.bpte: the program with its test vectors and expected outputs.", False, examples=[True]
    )
    etrecord: bool = setting(
        "Also write model.etrecord, which ExecuTorch's profiling tools read.", False, examples=[True]
    )
    external_weights: bool = setting(
        "Keep the weights out of the program, in model.ptd. Not with a runtime: a firmware has the program alone.",
        False,
        examples=[True],
    )


@section("report", "What the report of a recipe has.", examples=[{"layers": True}])
@dataclass(frozen=True)
class Report:
    """What step report shows beyond the figures of other steps."""

    layers: bool = setting(
        "Also run step layers, and show in the report the errors of each layer, and the NPU's operations behind it.",
        False,
        examples=[True],
    )
    evaluate: bool = setting(
        "Also run step evaluate in every build, and show in the report what the section evaluate measures.",
        False,
        examples=[True],
    )
    sensitivity: bool = setting(
        "Also run step sensitivity in every build, and show in the report what each layer's quantisation costs.",
        False,
        examples=[True],
    )
