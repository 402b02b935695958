"""Deliberate bugs in the emulator: each a change of one line, compiled into a library of its own."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.npu import native

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fno-exceptions", "-fno-rtti", f"-I{native.FIRMWARE}")


@dataclass(frozen=True)
class Mutant:
    """old stands exactly once in the file below firmware/npu."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("natural rounding goes down", "rounding.cc", "    return half;", "    return half - 1;"),
    Mutant("double rounding forgets its first step", "rounding.cc", "? half - first : half + first", "? half : half"),
    Mutant("truncation goes down", "rounding.cc", "? half + (half - 1) : 0", "? 0 : 0"),
    Mutant("symmetric ties go up", "rounding.cc", "? half - 1 : half", "? half : half"),
    Mutant("wide products lose their carry", "rounding.cc", "(low < addend ? 1 : 0)", "0"),
    Mutant("averages round ties toward zero", "rounding.h", "2 * rest <= -n ? -1", "2 * rest < -n ? -1"),
    Mutant("no clamp", "output.cc", "if (activation.clamp) {", "if (activation.clamp && zero_point > 999) {"),
    Mutant("16-bit tables do not round", "output.cc", "(interpolated(table, index) + 64) >> 7", "interpolated(table, index) >> 7"),
    Mutant("the accumulator is not kept", "output.cc", "kept[i] = values[i];", "kept[i] = 0;"),
    Mutant("reversal of columns counts from one", "output.cc", "operation.out.width - 1 - at.x", "operation.out.width - at.x - (at.x != 0)"),
    Mutant("padding is the zero point", "convolution.cc", "patch[c] = 0;", "patch[c] = static_cast<In>(operation.ifm.zero_point);"),
    Mutant("dilation is ignored", "operation.h", "o * stride_x + k * dilation_x - pad_left", "o * stride_x + k - pad_left"),
    Mutant("zeros between upscaled elements repeat", "operation.h", "upscale == Upscale::zeros && (at & 1)", "false"),
    Mutant("bricks are 8 deep", "feature_map.h", "(c >> 4) * stride_c", "(c >> 3) * stride_c"),
    Mutant("tile 2 begins a row late", "feature_map.cc", "} else if (y >= height0) {", "} else if (y > height0) {"),
    Mutant("16-bit maps have blocks of 32 channels", "weights_u55.cc", "order.part_kernel_first || !narrow ? 16", "order.part_kernel_first ? 16"),
    Mutant("part-kernel elements are not padded", "weights_u55.cc", "order.part_kernel_first ? (narrow ? 4 : 2) : 1", "1"),
    Mutant("the second core's channels come first", "weights_u55.cc", "channel * order.cores + core", "channel * order.cores + (order.cores - 1 - core)"),
    Mutant("biases have 32 bits", "weights.cc", "64 - 8 * from.bias_bytes", "32"),
    Mutant("a weight's sign is its top bit", "mlw.cc", "number & 1 ? -magnitude", "number & 256 ? -magnitude"),
    Mutant("operands are not swapped", "elementwise.cc", "operation.swap_operands ? Operands{ifm2, ifm}", "operation.swap_operands ? Operands{ifm, ifm2}"),
    Mutant("the fixed shift of an addend is 20", "elementwise_u55.cc", "operation.ifm.element == 1 ? 19 : 14", "operation.ifm.element == 1 ? 20 : 14"),
    Mutant("the second operand's scale is the first's", "elementwise_u85.cc", "b = rescale(b, operation.scale_b);", "b = rescale(b, operation.scale_a);"),
    Mutant("a chain is written in place", "emulator.cc", "machine.spare_chain = chain.memory;", "machine.spare_chain = written;"),
    Mutant("padded averages divide by the whole window", "pool.cc", "rounded_quotient(value, taps)", "rounded_quotient(value, operation.window.taps())"),
    Mutant("the indices of a gather are all the first", "transfer.cc", "return how.index + 4 * place", "return how.index + 0 * place"),
)  # fmt: skip


def _compile(source: Path, target: Path, *flags: str) -> None:
    command = ["c++", *flags, *FLAGS, "-c", str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def base_objects(folder: Path) -> dict[str, Path]:
    """The emulator as it is, one object a source file."""
    sources = [*sorted((native.FIRMWARE / "npu").glob("*.cc")), native.HERE / "native" / "emulate.cc"]
    objects = {source.name: folder / f"{source.stem}.o" for source in sources}
    for source in sources:
        _compile(source, objects[source.name])
    return objects


def users_of(mutant: Mutant) -> list[str]:
    """The files to compile again: the one itself, or of a header all that may include it."""
    if mutant.file.endswith(".cc"):
        return [mutant.file]
    stem = mutant.file
    sources = {path.name: path.read_text(encoding="utf-8") for path in (native.FIRMWARE / "npu").iterdir() if path.is_file()}
    reached = {stem}
    while True:
        more = {name for name, text in sources.items() if any(f'"npu/{one}"' in text for one in reached)}
        if more <= reached:
            return sorted(name for name in reached if name.endswith(".cc"))
        reached |= more


def mutated(mutant: Mutant, objects: dict[str, Path], folder: Path) -> native.Emulator:
    """An emulator with this bug."""
    copy = folder / "npu"
    copy.mkdir(parents=True)
    for path in (native.FIRMWARE / "npu").glob("*.[hc]*"):
        (copy / path.name).write_bytes(path.read_bytes())
    source = copy / mutant.file
    text = source.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.old!r} stands {text.count(mutant.old)} times"
    source.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    mine = dict(objects)
    for name in users_of(mutant):
        mine[name] = folder / f"{name}.o"
        _compile(copy / name, mine[name], f"-I{folder}")
    library = folder / "mutant.so"
    subprocess.run(["c++", "-shared", *map(str, mine.values()), "-o", str(library)], check=True)
    return native.Emulator(ctypes.CDLL(str(library)))
