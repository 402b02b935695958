"""What the grid runs on: lowered models, Vela's streams and the TOSA reference model's outputs, made once and cached.

Cache: $XDG_CACHE_HOME/etbuild/grid (else ~/.cache/...), keyed by the models' source and the tools' versions.
Lowering (seconds) is shared by all NPUs of a TOSA profile; Vela (milliseconds) runs for each NPU and memory mode.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tests.npu.corpus import OpModel

Array = np.ndarray[Any, Any]

SOURCES = ("corpus.py", "random_nets.py")
FORMAT = b"1"  # of what is cached; raise it when this file makes something else
PACKAGES = ("torch", "executorch", "torchao", "tosa-tools")


@dataclass(frozen=True)
class Setup:
    """One NPU and how it is fed, by Vela's names."""

    npu: str
    system_config: str
    memory_mode: str

    @property
    def profile(self) -> str:
        return "tosa-u85" if "u85" in self.npu else "tosa-u55"


@dataclass(frozen=True)
class Case:
    """Inputs of one delegate and what the TOSA reference model makes of them."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


@dataclass(frozen=True)
class Partition:
    """One delegate. unpredictable: the reference model says that TOSA leaves the result open."""

    tosa: bytes
    cases: tuple[Case, ...]
    unpredictable: bool = False


@dataclass(frozen=True)
class Lowered:
    """A model on one TOSA profile; error: why it does not lower."""

    name: str
    partitions: tuple[Partition, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Slot:
    """Where a tensor lies in the scratch region."""

    offset: int
    shape: tuple[int, ...]
    element: int


@dataclass(frozen=True)
class Compiled:
    """What Vela made of one delegate; error: its complaint."""

    commands: bytes = b""
    weights: bytes = b""
    scratch: int = 0
    fast_scratch: int = 0
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    error: str = ""


def cache_folder() -> Path:
    """Artefacts of these sources and versions."""
    digest = hashlib.sha256(FORMAT)
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    for package in PACKAGES:
        digest.update(importlib.metadata.version(package).encode())
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "etbuild" / "grid" / digest.hexdigest()[:16]


def _cached(path: Path, make: Any) -> Any:
    if path.exists():
        return pickle.loads(path.read_bytes())
    value = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(pickle.dumps(value))
    temporary.replace(path)
    return value


@dataclass
class Recorder:
    """Takes the place of Vela while a model is lowered and keeps every delegate's TOSA."""

    tosa: list[bytes] = field(default_factory=list)

    def compile(self, tosa: bytes, *_: object, **__: object) -> Any:
        from executorch.backends.arm.arm_vela import VelaCompileResult

        self.tosa.append(bytes(tosa))
        return VelaCompileResult(b"")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _example(shape: tuple[int, ...], kind: str, seed: int) -> Any:
    import torch

    generator = torch.Generator().manual_seed(seed)
    if kind == "int":
        return torch.randint(-1000, 1000, shape, generator=generator, dtype=torch.int32)
    if kind == "index":
        return torch.randint(0, 16, shape, generator=generator, dtype=torch.int32)
    if kind == "positive":
        return torch.rand(shape, generator=generator) * 3 + 0.05
    return torch.randn(shape, generator=generator)


def _delegates(model: OpModel, dtype: str, profile: str) -> list[bytes]:
    import torch
    from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
    from executorch.backends.arm.ethosu import backend as ethosu_backend
    from executorch.backends.arm.quantizer import arm_quantizer
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    torch.manual_seed(0)
    module = model.make().eval()
    inputs = tuple(_example(shape, model.kind, 7 + k) for k, shape in enumerate(model.shapes))
    spec = EthosUCompileSpec("ethos-u85-256" if profile == "tosa-u85" else "ethos-u55-128")
    program = torch.export.export(module, inputs)
    if model.kind != "int":
        quantizer = arm_quantizer.EthosUQuantizer(spec)
        if dtype == "int8":
            quantizer.set_global(arm_quantizer.get_symmetric_quantization_config(is_per_channel=True))
        else:
            quantizer.set_global(arm_quantizer.get_symmetric_a16w8_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
        for seed in (7, 107, 207):
            prepared(*(_example(shape, model.kind, seed + k) for k, shape in enumerate(model.shapes)))
        program = torch.export.export(convert_pt2e(prepared), inputs)
    recorder = Recorder()
    original = ethosu_backend.vela_compile
    ethosu_backend.vela_compile = recorder.compile
    try:
        config = EdgeCompileConfig(_check_ir_validity=False)
        to_edge_transform_and_lower(program, partitioner=[EthosUPartitioner(spec)], compile_config=config)
    finally:
        ethosu_backend.vela_compile = original
    return recorder.tosa


def _graph_inputs(tosa: bytes) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    from tosa.DType import DType
    from tosa.TosaGraph import TosaGraph

    types = {DType.INT8: np.int8, DType.INT16: np.int16, DType.INT32: np.int32, DType.BOOL: np.bool_}
    block = TosaGraph.GetRootAs(tosa, 0).Regions(0).Blocks(0)
    tensors = {block.Tensors(k).Name(): block.Tensors(k) for k in range(block.TensorsLength())}
    found = []
    for k in range(block.InputsLength()):
        tensor = tensors[block.Inputs(k)]
        shape = tuple(int(tensor.Shape(d)) for d in range(tensor.ShapeLength()))
        found.append((shape, np.dtype(types[tensor.Type()])))
    return found


def _output_types(tosa: bytes) -> list[np.dtype[Any]]:
    from tosa.DType import DType
    from tosa.TosaGraph import TosaGraph

    types = {DType.INT8: np.int8, DType.INT16: np.int16, DType.INT32: np.int32, DType.BOOL: np.bool_}
    block = TosaGraph.GetRootAs(tosa, 0).Regions(0).Blocks(0)
    tensors = {block.Tensors(k).Name(): block.Tensors(k) for k in range(block.TensorsLength())}
    return [np.dtype(types[tensors[block.Outputs(k)].Type()]) for k in range(block.OutputsLength())]


def _values(shape: tuple[int, ...], dtype: np.dtype[Any], case: int, kind: str) -> Array:
    """case 0: uniform over the type; 1: its minimum; 2: gaussian."""
    rng = np.random.default_rng(case + 1)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype == np.int32 and kind == "index":
        return rng.integers(0, 16, shape).astype(np.int32)
    low, high = (-1000, 1000) if dtype == np.int32 else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if case == 0:
        return rng.integers(low, high + 1, shape).astype(dtype)
    if case == 1:
        return np.full(shape, low, dtype)
    return np.clip(np.round(rng.normal(0, high / 4, shape)), low, high).astype(dtype)


def _partition(tosa: bytes, kind: str) -> Partition:
    import tosa_reference_model as reference

    types = _output_types(tosa)
    cases, unpredictable = [], False
    for case in range(3):
        inputs = tuple(_values(shape, dtype, case, kind) for shape, dtype in _graph_inputs(tosa))
        outputs, status = reference.run(tosa, list(inputs))
        if status != reference.GraphStatus.TOSA_VALID:
            unpredictable = True
            continue
        typed = tuple(np.ascontiguousarray(o).view(t).copy() for o, t in zip(outputs, types, strict=True))
        cases.append(Case(inputs, typed))
    return Partition(tosa, tuple(cases), unpredictable)


def lowered(model: OpModel, dtype: str, profile: str) -> Lowered:
    """The delegates of a model with inputs and reference outputs; from the cache when it is there."""

    def make() -> Lowered:
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                tosa = _delegates(model, dtype, profile)
            return Lowered(model.name, tuple(_partition(one, model.kind) for one in tosa))
        except Exception as error:
            return Lowered(model.name, error=_first_line(error))

    result = _cached(cache_folder() / f"{profile}-{dtype}" / f"{model.name}.pickle", make)
    assert isinstance(result, Lowered)
    return result


def _slots(arrays: Any, prefix: str) -> tuple[Slot, ...]:
    shapes, offsets = arrays[prefix + "_shape"], arrays[prefix + "_offset"]
    return tuple(
        Slot(int(offsets[k]), tuple(int(d) for d in shapes[k]), int(arrays[prefix + "_elem_size"][k]))
        for k in range(len(offsets))
    )


def _vela(tosa: bytes, setup: Setup) -> Compiled:
    from ethosu.vela import vela

    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "out.tosa"
        graph.write_bytes(tosa)
        arguments = [
            f"--accelerator-config={setup.npu}", "--config=Arm/vela.ini", "--output-format=raw",
            f"--system-config={setup.system_config}", f"--memory-mode={setup.memory_mode}",
            f"--output-dir={folder}/output", str(graph),
        ]  # fmt: skip
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                vela.main(arguments)
        except (Exception, SystemExit) as error:
            return Compiled(error=_first_line(error))
        with np.load(Path(folder) / "output" / "out_vela.npz", allow_pickle=False) as arrays:
            return Compiled(
                arrays["cmd_data"].tobytes(), arrays["weight_data"].tobytes(), int(arrays["scratch_shape"][0]),
                int(arrays["scratch_fast_shape"][0]), _slots(arrays, "input"), _slots(arrays, "output"),
            )  # fmt: skip


def compiled(tosa: bytes, setup: Setup) -> Compiled:
    """What Vela makes of a delegate; from the cache when it is there."""
    digest = hashlib.sha256(tosa)
    digest.update(repr(setup).encode() + importlib.metadata.version("ethos-u-vela").encode())
    name = digest.hexdigest()[:32]
    result = _cached(cache_folder() / "vela" / name[:2] / f"{name}.pickle", lambda: _vela(tosa, setup))
    assert isinstance(result, Compiled)
    return result


def models(names: tuple[str, ...] = ()) -> Iterator[OpModel]:
    """The operator models and then the random nets, or the named ones."""
    import torch

    from tests.npu.corpus import operators
    from tests.npu.random_nets import random_net

    torch.manual_seed(0)
    everything = (*operators(), *(random_net(seed) for seed in range(60)))
    yield from (model for model in everything if not names or model.name in names)
